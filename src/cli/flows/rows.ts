import { decimalSeconds, formatMoment } from '../../analyze/quantities.js'
import { communityId } from '../../application/community-id.js'
import type { Connection } from '../../flow/connection.js'
import type { FlowPair } from '../../flow/flow-pair.js'
import { ageOf, type FlowRow } from '../../flow/flow-row.js'
import type { PointInTime } from '../../offline/offline.js'
import type { SessionReport } from '../../session/ledger.js'
import type { Column } from '../../terminal/fitted-table.js'
import { formatFlags, formatProtocol } from '../../terminal/format.js'
import { formatWords } from '../../wire/address.js'

/** The session of a row, by its index. */
export type Sessions = (session: number) => SessionReport

/** The names of both ends of a row. */
export type Names = (row: FlowRow) => {
  readonly source: string | undefined
  readonly destination: string | undefined
}

/** What a row of a flow says as JSON; without `names` nothing of them. */
export function flowJson(
  row: FlowRow,
  sessions: Sessions,
  names: Names | undefined,
  at: PointInTime,
) {
  const named = names?.(row)
  return {
    ...sessionJson(row, sessions),
    srcAddr: formatWords(row.ipVersion, row.packetSource),
    dstAddr: formatWords(row.ipVersion, row.packetDestination),
    srcPort: row.sourcePort,
    dstPort: row.destinationPort,
    protocol: row.protocol,
    packets: row.packets,
    bytes: row.bytes,
    firstSeen: firstSeen(row),
    lastSeen: lastSeen(row),
    ageSeconds: row.timed ? ageOf(row, at.seconds, at.nanoseconds) : null,
    tcpFlags: row.tcpFlags,
    state: row.state,
    direction: row.direction ?? null,
    ...(named && { srcName: named.source ?? null, dstName: named.destination ?? null }),
    communityId: communityId(row) ?? null,
  }
}

/** What a connection says as JSON: `orig` and `resp` are Zeek's words for who sent first, and the other. */
export function pairJson(
  pair: FlowPair & Partial<Connection>,
  sessions: Sessions,
  names: Names | undefined,
  at: PointInTime,
) {
  const { originator, responder, orig, resp, history, connState, handshakeNanoseconds } = pair
  const named = names?.(pair)
  return {
    ...sessionJson(pair, sessions),
    origAddr: formatWords(pair.ipVersion, pair.packetSource),
    respAddr: formatWords(pair.ipVersion, pair.packetDestination),
    origPort: pair.sourcePort,
    respPort: pair.destinationPort,
    protocol: pair.protocol,
    origPackets: originator.packets,
    respPackets: responder.packets,
    origBytes: originator.bytes,
    respBytes: responder.bytes,
    firstSeen: firstSeen(pair),
    lastSeen: lastSeen(pair),
    duration: durationOf(pair),
    ageSeconds: pair.timed ? ageOf(pair, at.seconds, at.nanoseconds) : null,
    origTcpFlags: originator.tcpFlags,
    respTcpFlags: responder.tcpFlags,
    state: pair.state,
    connState: connState ?? null,
    history: history === '' ? null : (history ?? null),
    handshakeSeconds:
      handshakeNanoseconds === undefined ? null : ofNanoseconds(handshakeNanoseconds),
    origPayloadBytes: orig?.payload ?? null,
    respPayloadBytes: resp?.payload ?? null,
    origRetransmissions: orig?.retransmissions ?? null,
    respRetransmissions: resp?.retransmissions ?? null,
    missedBytes: orig && resp ? orig.missed + resp.missed : null,
    direction: pair.direction ?? null,
    ...(named && { origName: named.source ?? null, respName: named.destination ?? null }),
    communityId: communityId(pair) ?? null,
  }
}

function sessionJson(row: FlowRow, sessions: Sessions) {
  const { session, vni, source } = sessions(row.session)
  return { session, vni, source }
}

/** The columns of a table; `isVertical`: also what a table has no room for. */
export function flowColumns(
  sessions: Sessions,
  hasSessions: boolean,
  isVertical: boolean,
): Column<FlowRow>[] {
  return [
    sessionColumn(sessions, hasSessions),
    ...endColumns('source', 'destination'),
    number('packets', ({ packets }) => packets),
    number('bytes', ({ bytes }) => bytes),
    ...(isVertical ? TIMES : []),
    SECONDS,
    { name: 'flags', cell: ({ tcpFlags }) => formatFlags(tcpFlags), drop: 7 },
    STATE,
    ...(isVertical ? [DIRECTION] : []),
  ]
}

export function pairColumns(
  sessions: Sessions,
  hasSessions: boolean,
  isVertical: boolean,
): Column<FlowPair>[] {
  return [
    sessionColumn(sessions, hasSessions),
    ...endColumns('originator', 'responder'),
    number('orig pkts', ({ originator }) => originator.packets, 3),
    number('resp pkts', ({ responder }) => responder.packets, 4),
    number('orig bytes', ({ originator }) => originator.bytes),
    number('resp bytes', ({ responder }) => responder.bytes),
    ...(isVertical ? TIMES : []),
    SECONDS,
    ...(isVertical ? PAIR_FLAGS : []),
    STATE,
    ...CONNECTION,
    ...(isVertical ? CONNECTION_DETAILS : []),
    ...(isVertical ? [DIRECTION] : []),
  ]
}

/** Of the ends that have names. */
export function nameColumns(
  rows: readonly FlowRow[],
  names: Names,
  arePairs: boolean,
): Column<FlowRow>[] {
  const column = (name: string, end: 'source' | 'destination'): Column<FlowRow>[] =>
    rows.some((row) => names(row)[end] !== undefined)
      ? [{ name, cell: (row) => names(row)[end] ?? '-', min: 12, drop: 8 }]
      : []
  return arePairs
    ? [...column('originator name', 'source'), ...column('responder name', 'destination')]
    : [...column('source name', 'source'), ...column('destination name', 'destination')]
}

function sessionColumn(sessions: Sessions, hasSessions: boolean): Column<FlowRow> {
  return {
    name: 'session',
    cell: ({ session }) => sessions(session).session ?? '-',
    ...(hasSessions ? { min: 12, cut: 'middle' as const } : { drop: 9 }),
  }
}

/** An IPv4 address and its port are never cut. */
const END_MIN = '255.255.255.255:65535'.length

function endColumns(source: string, destination: string): Column<FlowRow>[] {
  const end = (row: FlowRow, words: Uint32Array, port: number): string => {
    const address = formatWords(row.ipVersion, words)
    if (row.sourcePort === 0 && row.destinationPort === 0) return address
    return row.ipVersion === 6 ? `[${address}]:${port}` : `${address}:${port}`
  }
  return [
    {
      name: source,
      cell: (row) => end(row, row.packetSource, row.sourcePort),
      min: END_MIN,
      cut: 'middle',
    },
    {
      name: destination,
      cell: (row) => end(row, row.packetDestination, row.destinationPort),
      min: END_MIN,
      cut: 'middle',
    },
    { name: 'protocol', cell: ({ protocol }) => formatProtocol(protocol), drop: 1 },
  ]
}

function number<Row>(name: string, value: (row: Row) => number, drop?: number): Column<Row> {
  return {
    name,
    cell: (row) => String(value(row)),
    right: true,
    ...(drop !== undefined && { drop }),
  }
}

const SECONDS: Column<FlowRow> = {
  name: 'seconds',
  cell: (row) => {
    if (!row.timed) return '-'
    const seconds = row.lastSeconds - row.firstSeconds
    return (seconds + (row.lastNanoseconds - row.firstNanoseconds) / 1e9).toFixed(3)
  },
  right: true,
  drop: 5,
}

const STATE: Column<FlowRow> = { name: 'state', cell: ({ state }) => state, drop: 6 }

const DIRECTION: Column<FlowRow> = { name: 'direction', cell: ({ direction }) => direction ?? '-' }

const TIMES: readonly Column<FlowRow>[] = [
  { name: 'first seen', cell: (row) => momentCell(firstSeen(row)) },
  { name: 'last seen', cell: (row) => momentCell(lastSeen(row)) },
]

/** Decimal seconds, or null where no packet had a time. */
function firstSeen(row: FlowRow): string | null {
  return row.timed ? decimalSeconds(row.firstSeconds, row.firstNanoseconds) : null
}

function lastSeen(row: FlowRow): string | null {
  return row.timed ? decimalSeconds(row.lastSeconds, row.lastNanoseconds) : null
}

function momentCell(moment: string | null): string {
  return moment === null ? '-' : formatMoment(moment)
}

const CONNECTION: readonly Column<FlowPair & Partial<Connection>>[] = [
  { name: 'conn', cell: ({ connState }) => connState ?? '-', drop: 10 },
  { name: 'history', cell: ({ history }) => history || '-', drop: 2 },
]

const CONNECTION_DETAILS: readonly Column<FlowPair & Partial<Connection>>[] = [
  {
    name: 'handshake',
    cell: ({ handshakeNanoseconds: taken }) =>
      taken === undefined ? '-' : `${ofNanoseconds(taken)} s`,
  },
  {
    name: 'retransmissions',
    cell: ({ orig, resp }) =>
      orig && resp ? `${orig.retransmissions} and ${resp.retransmissions}` : '-',
  },
  {
    name: 'missed bytes',
    cell: ({ orig, resp }) => (orig && resp ? `${orig.missed + resp.missed}` : '-'),
  },
]

const PAIR_FLAGS: readonly Column<FlowPair>[] = [
  { name: 'orig flags', cell: ({ originator }) => formatFlags(originator.tcpFlags) },
  { name: 'resp flags', cell: ({ responder }) => formatFlags(responder.tcpFlags) },
]

function ofNanoseconds(nanoseconds: number): string {
  return decimalSeconds(Math.floor(nanoseconds / 1e9), nanoseconds % 1e9)
}

/** Decimal seconds from the first packet to the last, exact; null where no packet had a time. */
function durationOf(row: FlowRow): string | null {
  if (!row.timed) return null
  const nanoseconds = row.lastNanoseconds - row.firstNanoseconds
  const seconds = row.lastSeconds - row.firstSeconds
  return nanoseconds < 0
    ? decimalSeconds(seconds - 1, nanoseconds + 1e9)
    : decimalSeconds(seconds, nanoseconds)
}
