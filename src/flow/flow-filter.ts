import { parseCidr } from '../wire/address.js'
import type { FlowRow } from './flow-row.js'

/**
 * Flow filters of Network Firewall's StartFlowCapture (API 2020-11-12, FlowFilter):
 * a flow passes when any filter matches it, and a filter matches when all that it
 * names does. A flow has a direction: source and destination are as its packets
 * had them.
 */
export interface FlowFilter {
  readonly source: AddressBlock | undefined
  readonly destination: AddressBlock | undefined
  readonly sourcePort: PortRange | undefined
  readonly destinationPort: PortRange | undefined
  /** IANA numbers; undefined: any. */
  readonly protocols: ReadonlySet<number> | undefined
}

interface AddressBlock {
  readonly version: 4 | 6
  /** As flow rows have addresses: IPv4 in word 0. */
  readonly first: Uint32Array
  readonly mask: Uint32Array
}

interface PortRange {
  readonly low: number
  readonly high: number
}

/** AWS takes no more in one operation. */
export const FLOW_FILTERS_MAX = 20

const MEMBERS = [
  'SourceAddress',
  'DestinationAddress',
  'SourcePort',
  'DestinationPort',
  'Protocols',
] as const

/**
 * Reads filters as the AWS CLI and SDKs pass them: an array of objects with
 * SourceAddress and DestinationAddress ({AddressDefinition: CIDR or address}),
 * SourcePort and DestinationPort ("443", "1990:1994", "ANY") and Protocols
 * (["6", "17"]). Returns the filters, or what is wrong with them, in words that
 * name the place.
 */
export function parseFlowFilters(value: unknown): FlowFilter[] | string {
  if (!Array.isArray(value)) return 'FlowFilters must be a list of filters'
  if (value.length > FLOW_FILTERS_MAX) {
    return `FlowFilters holds ${value.length} filters, and ${FLOW_FILTERS_MAX} is the most`
  }
  const filters: FlowFilter[] = []
  for (const [index, entry] of value.entries()) {
    const filter = parseFilter(entry)
    if (typeof filter === 'string') return `FlowFilters[${index}]${filter}`
    filters.push(filter)
  }
  return filters
}

function parseFilter(value: unknown): FlowFilter | string {
  if (!isObject(value)) return ' must be an object'
  const unknown = unknownMember(value, MEMBERS)
  if (unknown !== undefined) return unknown
  const source = parseAddress(value, 'SourceAddress')
  if (typeof source === 'string') return source
  const destination = parseAddress(value, 'DestinationAddress')
  if (typeof destination === 'string') return destination
  const sourcePort = parsePort(value, 'SourcePort')
  if (typeof sourcePort === 'string') return sourcePort
  const destinationPort = parsePort(value, 'DestinationPort')
  if (typeof destinationPort === 'string') return destinationPort
  const protocols = parseProtocols(value['Protocols'])
  if (typeof protocols === 'string') return protocols
  return { source, destination, sourcePort, destinationPort, protocols }
}

function parseAddress(
  filter: Record<string, unknown>,
  name: string,
): AddressBlock | string | undefined {
  const value = filter[name]
  if (value === undefined || value === null) return undefined
  const text = isObject(value) ? value['AddressDefinition'] : undefined
  if (!isObject(value) || typeof text !== 'string') {
    return `.${name} must be {"AddressDefinition": "10.0.0.0/8"}`
  }
  const unknown = unknownMember(value, ['AddressDefinition'])
  if (unknown !== undefined) return `.${name}${unknown}`
  const cidr = parseCidr(text)
  if (cidr === undefined) {
    return `.${name}.AddressDefinition ${JSON.stringify(text)} is neither an address nor a CIDR block`
  }
  const { version, first, mask } = cidr
  return version === 4
    ? { version, first: first.subarray(3), mask: mask.subarray(3) }
    : { version, first, mask }
}

function parsePort(filter: Record<string, unknown>, name: string): PortRange | string | undefined {
  const value = filter[name]
  if (value === undefined || value === null || value === 'ANY') return undefined
  const match = typeof value === 'string' ? /^(\d{1,5})(?::(\d{1,5}))?$/.exec(value) : null
  const low = Number(match?.[1])
  const high = Number(match?.[2] ?? match?.[1])
  if (match === null || high > 65_535 || low > high) {
    return `.${name} ${JSON.stringify(value)} must be a port "1994", a range "1990:1994" or "ANY"`
  }
  return { low, high }
}

function parseProtocols(value: unknown): ReadonlySet<number> | string | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) return '.Protocols must be a list of IANA numbers such as ["6", "17"]'
  const numbers = new Set<number>()
  for (const entry of value) {
    if (typeof entry !== 'string' || !/^\d{1,3}$/.test(entry) || Number(entry) > 255) {
      return `.Protocols: ${JSON.stringify(entry)} is no IANA protocol number such as "6"`
    }
    numbers.add(Number(entry))
  }
  return numbers.size === 0 ? undefined : numbers
}

/** What is wrong when a request names something that would not be looked at. */
function unknownMember(
  value: Record<string, unknown>,
  known: readonly string[],
): string | undefined {
  const name = Object.keys(value).find((member) => !known.includes(member))
  if (name === undefined) return undefined
  // As in JSON: it may hold anything.
  const shown = JSON.stringify(name).slice(1, -1)
  return `.${shown} is not known; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}`
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a flow passes. No filters let everything pass. */
export function passesFilters(row: FlowRow, filters: readonly FlowFilter[]): boolean {
  if (filters.length === 0) return true
  // Asked for every row of a live table: no closure.
  for (const filter of filters) if (matches(row, filter)) return true
  return false
}

function matches(row: FlowRow, filter: FlowFilter): boolean {
  return (
    (filter.protocols === undefined || filter.protocols.has(row.protocol)) &&
    inRange(row.sourcePort, filter.sourcePort) &&
    inRange(row.destinationPort, filter.destinationPort) &&
    inBlock(row.ipVersion, row.packetSource, filter.source) &&
    inBlock(row.ipVersion, row.packetDestination, filter.destination)
  )
}

function inRange(port: number, range: PortRange | undefined): boolean {
  return range === undefined || (port >= range.low && port <= range.high)
}

function inBlock(version: 4 | 6, address: Uint32Array, block: AddressBlock | undefined): boolean {
  if (block === undefined) return true
  if (version !== block.version) return false
  for (let word = 0; word < block.first.length; word++) {
    if (((address[word]! & block.mask[word]!) ^ block.first[word]!) !== 0) return false
  }
  return true
}
