import type { Connection } from '../flow/connection.js'
import { ConnectionFacts } from '../flow/connection-facts.js'
import { CONNECTION_STATES } from '../flow/connection-state.js'
import { SESSION_INDICES } from '../flow/flow-entry.js'
import type { EndReason, FlowRecord, OnFlowRecord } from '../flow/flow-record.js'
import { type FlowRow, rowsOf } from '../flow/flow-row.js'
import { STATE_NAMES } from '../flow/flow-state.js'
import { FlowTracker } from '../flow/flow-tracker.js'
import type { Lifetime } from '../flow/lifetime.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import { addressOf, numberOf, wordOf } from '../flowlog/record-values.js'
import { Offline, type OfflineOptions } from '../offline/offline.js'
import type { ReadOptions } from '../pcap/reader.js'
import type { PacketObserver } from '../session/pipeline.js'
import type { Session } from '../session/session.js'
import { u32 } from '../wire/bytes.js'
import { FAULTS } from '../wire/fault.js'
import { DIRECTION_UNKNOWN, EGRESS, type Frame } from '../wire/frame.js'
import type { Geneve } from '../wire/geneve.js'
import { ApplicationRows } from './application-rows.js'
import type { Confined, DuckDb } from './duckdb.js'
import { DuckDbRows } from './duckdb-rows.js'
import { FlowNames } from './flow-names.js'
import {
  PACKET_AT as AT,
  CAPTURE_TABLES,
  type CaptureTable,
  DIRECTIONS,
  FLOW_AT,
  keptTable,
  NAMED_ENDPOINT,
  NAMED_NETWORK,
  PAIR_AT,
  RECORD_FIELDS,
  SECONDS_MAX,
} from './sql-tables.js'

export interface LoadOptions {
  readonly offline: Omit<OfflineOptions, 'flows' | 'counter' | 'observe'>
  /** Of the table `records`. */
  readonly lifetime: Lifetime
  readonly windowSeconds: number
  readonly maxFlows: number
  /** Whether names of addresses are asked for. */
  readonly names: boolean
  /** As ReadOptions.open. */
  readonly open: NonNullable<ReadOptions['open']>
}

/** Of the tables asked for. */
type Rows = Partial<Record<CaptureTable['name'], DuckDbRows>>

/** What reads the captures, each packet once, whatever tables it fills. */
export type CaptureRun = Pick<Offline, 'ledger' | 'readAll' | 'setBackSeconds' | 'clampedTimes'>

/**
 * Fills the tables that are `named`. `read` is to have every capture read by the run it is
 * given. Rejects with what that rejects with, and with what DuckDB throws when a
 * table outgrows its memory and its disk.
 */
export async function loadCaptures(
  duckdb: DuckDb,
  database: Confined,
  named: ReadonlySet<string>,
  options: LoadOptions,
  read: (run: CaptureRun) => Promise<void>,
): Promise<void> {
  const rows: Rows = {}
  for (const table of CAPTURE_TABLES.filter(({ name }) => named.has(name))) {
    const types = table.kept.map(([, type]) => type)
    rows[table.name] = await DuckDbRows.open(duckdb, database, keptTable(table), types)
  }
  const hasFlows = named.has('flows') || named.has('pairs')
  const names = hasFlows ? await FlowNames.open(duckdb, database, options.names) : undefined
  const applications = await ApplicationRows.open(
    duckdb,
    database,
    named,
    names?.addresses,
    options.offline.duplicates,
  )
  const observers = [
    ...(rows.packets ? [packetObserver(rows.packets)] : []),
    ...(applications ? [applications.packets.observe] : []),
  ]
  const trackers: FlowTracker[] = []
  const counters: PacketCounter[] = []
  const offline = new Offline({
    ...options.offline,
    open: options.open,
    ...(observers.length > 0 && { observe: eachObserver(observers) }),
    counter: (complete) => {
      if ((rows.flows ?? rows.pairs) !== undefined) {
        const { tracker, counter } = flowsTracker(rows, names, options)
        trackers.push(tracker)
        counters.push(counter)
      }
      if (rows.records !== undefined) {
        const tracker = recordsTracker(rows.records, options, complete)
        trackers.push(tracker)
        counters.push(tracker)
      }
      return counters.length > 1 ? new EachCounter(counters) : counters[0]
    },
  })
  await read(offline)
  applications?.close()
  for (const tracker of trackers) tracker.shutdown()
  for (const table of Object.values(rows)) table.close()
  names?.close()
  await loadSessions(database, offline.sessions)
}

/** A flow is all that the files have of it. */
function flowsTracker(
  { flows, pairs }: Rows,
  names: FlowNames | undefined,
  { maxFlows }: LoadOptions,
): { tracker: FlowTracker; counter: PacketCounter } {
  let facts: ConnectionFacts | undefined
  const tracker: FlowTracker = new FlowTracker({
    capacity: maxFlows,
    sessions: SESSION_INDICES,
    onEnd: (flow) => {
      if (flows !== undefined) for (const row of rowsOf(tracker, flow)) putFlow(row, names, flows)
      if (pairs === undefined) return
      putPair(facts!.connectionOf(flow), names!, pairs)
      facts!.forget(flow)
    },
  })
  if (pairs !== undefined) facts = new ConnectionFacts(tracker, maxFlows)
  return { tracker, counter: facts ?? tracker }
}

function recordsTracker(
  rows: DuckDbRows,
  { maxFlows, lifetime, windowSeconds }: LoadOptions,
  complete: OnFlowRecord,
): FlowTracker {
  return new FlowTracker({
    capacity: maxFlows,
    sessions: SESSION_INDICES,
    lifetime,
    windowSeconds,
    complete,
    onRecord: recordWriter(rows),
  })
}

/** Counts each packet by every one of several counters. */
class EachCounter implements PacketCounter {
  readonly #counters: readonly PacketCounter[]

  constructor(counters: readonly PacketCounter[]) {
    this.#counters = counters
  }

  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    let isCounted = true
    for (const counter of this.#counters) {
      if (!counter.enqueue(frame, session, seconds, nanoseconds, timed)) isCounted = false
    }
    return isCounted
  }

  get clampedTimes(): number {
    return Math.max(0, ...this.#counters.map(({ clampedTimes }) => clampedTimes))
  }

  work(budget: number): boolean {
    let isMore = false
    for (const counter of this.#counters) if (counter.work(budget)) isMore = true
    return isMore
  }

  endSession(session: number, reason: EndReason): void {
    for (const counter of this.#counters) counter.endSession(session, reason)
  }
}

function eachObserver(observers: readonly PacketObserver[]): PacketObserver {
  if (observers.length === 1) return observers[0]!
  return (session, packet, frame, fault, isCopy) => {
    for (const observe of observers) observe(session, packet, frame, fault, isCopy)
  }
}

function packetObserver(rows: DuckDbRows): PacketObserver {
  const { row } = rows
  return (session, packet, frame, fault, isCopy) => {
    row.fill(0)
    row[AT.session] = session.index
    putIp(row, frame)
    const { seconds } = packet
    if (packet.timed && seconds <= SECONDS_MAX) {
      row[AT.seconds] = seconds
      row[AT.nanoseconds] = packet.nanoseconds
      row[AT.timed] = 1
    }
    row[AT.length] = frame.wireLength()
    row[AT.captured_length] = packet.end - packet.start
    row[AT.ether_type] = frame.etherType
    if (session.vni !== null && fault === undefined && frame.ipVersion !== 0) {
      row[AT.direction] = directionOf(frame)
    }
    row[AT.duplicate] = isCopy ? 1 : 0
    row[AT.fault] = fault === undefined ? 0 : FAULTS.indexOf(fault) + 1
    if (packet.geneve !== undefined) putGeneve(row, packet.geneve)
    rows.end()
  }
}

function putGeneve(row: Float64Array, header: Geneve): void {
  row[AT.named] =
    (header.hasNetworkId ? NAMED_NETWORK : 0) | (header.hasEndpointId ? NAMED_ENDPOINT : 0)
  row[AT.network_id] = header.networkId
  row[AT.endpoint_high] = header.endpointIdHigh
  row[AT.endpoint_low] = header.endpointIdLow
}

function putIp(row: Float64Array, frame: Frame): void {
  const { bytes, ipVersion, srcAt, dstAt } = frame
  if (ipVersion === 0) return
  row[AT.version] = ipVersion
  const words = ipVersion === 4 ? 1 : 4
  for (let word = 0; word < words; word++) {
    row[AT.src_0 + word] = u32(bytes, srcAt + word * 4)
    row[AT.dst_0 + word] = u32(bytes, dstAt + word * 4)
  }
  row[AT.src_port] = frame.srcPort
  row[AT.dst_port] = frame.dstPort
  row[AT.protocol] = frame.protocol
  row[AT.tcp_flags] = frame.tcpFlags
  row[AT.bytes] = frame.ipLength
}

function directionOf({ direction }: Frame): number {
  if (direction === DIRECTION_UNKNOWN) return 0
  return directionCode(direction === EGRESS ? 'egress' : 'ingress')
}

function directionCode(direction: FlowRow['direction']): number {
  return direction === undefined ? 0 : DIRECTIONS.indexOf(direction) + 1
}

/** The columns that flows and pairs have in the same places. */
function putEnds(flow: FlowRow, row: Float64Array): void {
  row[FLOW_AT.session] = flow.session
  row[FLOW_AT.version] = flow.ipVersion
  row.set(flow.packetSource, FLOW_AT.src_0)
  row.set(flow.packetDestination, FLOW_AT.dst_0)
  row[FLOW_AT.src_port] = flow.sourcePort
  row[FLOW_AT.dst_port] = flow.destinationPort
  row[FLOW_AT.protocol] = flow.protocol
}

function putPair(pair: Connection, names: FlowNames, rows: DuckDbRows): void {
  const { row } = rows
  const { originator, responder, orig, resp, handshakeNanoseconds } = pair
  putEnds(pair, row)
  names.put(pair, row, PAIR_AT.src_name, PAIR_AT.dst_name)
  row[PAIR_AT.orig_packets] = originator.packets
  row[PAIR_AT.resp_packets] = responder.packets
  row[PAIR_AT.orig_bytes] = originator.bytes
  row[PAIR_AT.resp_bytes] = responder.bytes
  row[PAIR_AT.timed] = pair.timed ? 1 : 0
  row[PAIR_AT.first_seconds] = pair.firstSeconds
  row[PAIR_AT.first_nanoseconds] = pair.firstNanoseconds
  row[PAIR_AT.last_seconds] = pair.lastSeconds
  row[PAIR_AT.last_nanoseconds] = pair.lastNanoseconds
  row[PAIR_AT.orig_tcp_flags] = originator.tcpFlags
  row[PAIR_AT.resp_tcp_flags] = responder.tcpFlags
  row[PAIR_AT.state] = STATE_NAMES.indexOf(pair.state) + 1
  row[PAIR_AT.direction] = directionCode(pair.direction)
  row[PAIR_AT.conn_state] = CONNECTION_STATES.indexOf(pair.connState) + 1
  row[PAIR_AT.history] = names.numberOf(pair.history === '' ? undefined : pair.history)
  row[PAIR_AT.handshake] = handshakeNanoseconds ?? -1
  row[PAIR_AT.orig_payload] = orig.payload
  row[PAIR_AT.resp_payload] = resp.payload
  row[PAIR_AT.orig_retransmissions] = orig.retransmissions
  row[PAIR_AT.resp_retransmissions] = resp.retransmissions
  row[PAIR_AT.missed_bytes] = orig.missed + resp.missed
  rows.end()
}

function putFlow(flow: FlowRow, names: FlowNames | undefined, rows: DuckDbRows): void {
  const { row } = rows
  putEnds(flow, row)
  names?.put(flow, row, FLOW_AT.src_name, FLOW_AT.dst_name)
  row[FLOW_AT.packets] = flow.packets
  row[FLOW_AT.bytes] = flow.bytes
  row[FLOW_AT.timed] = flow.timed ? 1 : 0
  row[FLOW_AT.first_seconds] = flow.firstSeconds
  row[FLOW_AT.first_nanoseconds] = flow.firstNanoseconds
  row[FLOW_AT.last_seconds] = flow.lastSeconds
  row[FLOW_AT.last_nanoseconds] = flow.lastNanoseconds
  row[FLOW_AT.tcp_flags] = flow.tcpFlags
  row[FLOW_AT.state] = STATE_NAMES.indexOf(flow.state) + 1
  row[FLOW_AT.direction] = directionCode(flow.direction)
  rows.end()
}

/** In the order of RECORDS.kept: the fields that differ from record to record. */
function recordWriter(rows: DuckDbRows): (record: FlowRecord) => void {
  const { row } = rows
  const puts: ((record: FlowRecord) => void)[] = []
  let next = 1
  for (const { filling } of RECORD_FIELDS) {
    const at = next
    if (filling.from === 'number') {
      next += 1
      puts.push((record) => {
        row[at] = numberOf(record, filling.value)
      })
    } else if (filling.from === 'word') {
      next += 1
      puts.push((record) => {
        row[at] = wordOf(record, filling.value)
      })
    } else if (filling.from === 'address') {
      next += 4
      puts.push((record) => {
        row.set(addressOf(record, filling.value), at)
      })
    }
  }
  return (record) => {
    row[0] = record.ipVersion
    for (const put of puts) put(record)
    rows.end()
  }
}

async function loadSessions({ connection }: Confined, sessions: readonly Session[]): Promise<void> {
  const insert = await connection.prepare('INSERT INTO loaded.sessions VALUES ($1, $2, $3, $4)')
  for (const session of sessions) {
    const { session: name, vni, source } = session.report()
    insert.bind([session.index, name, vni, source])
    await insert.run()
  }
  insert.destroySync()
}
