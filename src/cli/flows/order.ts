import { InvalidArgumentError } from 'commander'
import type { Connection } from '../../flow/connection.js'
import { byFirst, type FlowRow } from '../../flow/flow-row.js'
import { parseSort, type SortOrder } from '../options.js'

type Compare = (left: FlowRow, right: FlowRow) => number

/** What rows can be sorted by: quantities with the largest first, all else ascending. */
const FIELDS = {
  bytes: { compare: (left, right) => left.bytes - right.bytes, isQuantity: true },
  packets: { compare: (left, right) => left.packets - right.packets, isQuantity: true },
  duration: { compare: byDuration, isQuantity: true },
  first: { compare: byFirst, isQuantity: false },
  last: {
    compare: (left, right) =>
      left.lastSeconds - right.lastSeconds || left.lastNanoseconds - right.lastNanoseconds,
    isQuantity: false,
  },
  source: {
    compare: (left, right) =>
      byAddress(left.ipVersion, left.packetSource, right.ipVersion, right.packetSource) ||
      left.sourcePort - right.sourcePort,
    isQuantity: false,
  },
  destination: {
    compare: (left, right) =>
      byAddress(left.ipVersion, left.packetDestination, right.ipVersion, right.packetDestination) ||
      left.destinationPort - right.destinationPort,
    isQuantity: false,
  },
  protocol: { compare: (left, right) => left.protocol - right.protocol, isQuantity: false },
  retransmissions: {
    compare: (left, right) => retransmissionsOf(left) - retransmissionsOf(right),
    isQuantity: true,
  },
  handshake: {
    compare: (left, right) => handshakeOf(left) - handshakeOf(right),
    isQuantity: true,
  },
  missed: { compare: (left, right) => missedOf(left) - missedOf(right), isQuantity: true },
  session: { compare: (left, right) => left.session - right.session, isQuantity: false },
  state: { compare: (left, right) => byText(left.state, right.state), isQuantity: false },
} satisfies Record<string, { compare: Compare; isQuantity: boolean }>

/** What is known of connections alone. */
const OF_PAIRS = ['retransmissions', 'handshake', 'missed']

export function needsPairs({ field }: SortOrder): boolean {
  return OF_PAIRS.includes(field)
}

function retransmissionsOf(row: Partial<Connection>): number {
  return (row.orig?.retransmissions ?? 0) + (row.resp?.retransmissions ?? 0)
}

function missedOf(row: Partial<Connection>): number {
  return (row.orig?.missed ?? 0) + (row.resp?.missed ?? 0)
}

function handshakeOf(row: Partial<Connection>): number {
  return row.handshakeNanoseconds ?? -1
}

export const SORT_FIELDS = Object.keys(FIELDS).join(', ')

/** The same where the fields are known. */
export function parseFlowSort(text: string): SortOrder {
  const order = parseSort(text)
  if (Object.hasOwn(FIELDS, order.field)) return order
  throw new InvalidArgumentError(`Give one of ${SORT_FIELDS}, with :asc or :desc if you like.`)
}

/** Orders rows; equal ones by the time of their first packet. */
export function comparison({ field, way }: SortOrder): Compare {
  const { compare, isQuantity } = FIELDS[field as keyof typeof FIELDS]
  const sign = (way ?? (isQuantity ? 'desc' : 'asc')) === 'desc' ? -1 : 1
  return (left, right) => sign * compare(left, right) || byFirst(left, right)
}

/** The first of many rows in an order, in memory for twice as many as are wanted. */
export class FirstRows<Row extends FlowRow> {
  readonly #compare: Compare
  readonly #limit: number
  #rows: Row[] = []

  constructor(compare: Compare, limit: number) {
    this.#compare = compare
    this.#limit = limit
  }

  add(row: Row): void {
    if (this.#rows.push(row) >= 2 * this.#limit + 1000) this.#rows = this.sorted()
  }

  sorted(): Row[] {
    return this.#rows.sort(this.#compare).slice(0, this.#limit)
  }
}

function byDuration(left: FlowRow, right: FlowRow): number {
  const seconds = (row: FlowRow) => row.lastSeconds - row.firstSeconds
  const nanoseconds = (row: FlowRow) => row.lastNanoseconds - row.firstNanoseconds
  return (seconds(left) - seconds(right)) * 1e9 + nanoseconds(left) - nanoseconds(right)
}

function byAddress(
  leftVersion: number,
  left: Uint32Array,
  rightVersion: number,
  right: Uint32Array,
): number {
  if (leftVersion !== rightVersion) return leftVersion - rightVersion
  const at = left.findIndex((word, index) => word !== right[index])
  return at === -1 ? 0 : left[at]! - right[at]!
}

function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
