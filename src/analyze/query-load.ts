import type { FlowRecord } from '../flow/flow-record.js'
import { type FlowRow, rowsOf } from '../flow/flow-row.js'
import { A_IS_LOCAL, STATE_NAMES } from '../flow/flow-state.js'
import type { Lifetime } from '../flow/lifetime.js'
import { type CaptureOutcome, readCaptures } from '../pcap/capture-merge.js'
import { Offline, type OfflineOptions } from '../session/offline.js'
import type { PacketObserver } from '../session/pipeline.js'
import type { Session } from '../session/session.js'
import { FAULTS } from '../wire/fault.js'
import { u32 } from '../wire/octets.js'
import type { Confined, DuckDb } from './duckdb.js'
import { DuckDbRows } from './duckdb-rows.js'
import { type CaptureTable, DIRECTIONS, keptTable, RECORD_FIELDS } from './sql-tables.js'

/** The last whole second that DuckDB's nanoseconds since 1970, 63 bits, can tell. */
const SECONDS_MAX = 9_223_372_035

export interface LoadOptions {
  readonly offline: Omit<OfflineOptions, 'flows' | 'observe'>
  /** Of the table `records`. */
  readonly lifetime: Lifetime
  readonly windowSeconds: number
  readonly maxFlows: number
}

/** Lets whoever loads draw how far it is. */
type OnProgress = (octetsRead: number) => void

/**
 * Reads captures once and fills the tables asked for. Rejects with what DuckDB
 * throws when a table outgrows its memory and its disk.
 */
export async function loadCaptures(
  duckdb: DuckDb,
  database: Confined,
  files: readonly string[],
  tables: readonly CaptureTable[],
  options: LoadOptions,
  onProgress: OnProgress,
): Promise<{ outcomes: CaptureOutcome[]; runs: Offline[] }> {
  const loads = await Promise.all(
    tables.map(async (table) => {
      const types = table.kept.map(([, type]) => type)
      const rows = await DuckDbRows.open(duckdb, database, keptTable(table), types)
      return { rows, run: LOADERS[table.name](rows, options) }
    }),
  )
  const runs = loads.map(({ run }) => run)
  const outcomes = await readCaptures(
    files,
    (packet) => {
      for (const run of runs) run.accept(packet)
    },
    {
      afterBlock: (octetsRead) => {
        for (const run of runs) run.work()
        onProgress(octetsRead)
        // DuckDB's own threads write out what does not fit in memory.
        return undefined
      },
    },
  )
  for (const { rows, run } of loads) {
    run.tracker?.shutdown()
    rows.close()
  }
  await loadSessions(database, runs)
  return { outcomes, runs }
}

const LOADERS: Record<CaptureTable['name'], (rows: DuckDbRows, options: LoadOptions) => Offline> = {
  packets: (rows, { offline }) => new Offline({ ...offline, observe: packetObserver(rows) }),
  // A flow is all that the files have of it.
  flows: (rows, { offline, maxFlows }) => {
    const run: Offline = new Offline({
      ...offline,
      flows: {
        capacity: maxFlows,
        onEnd: (flow) => {
          for (const row of rowsOf(run.tracker!, flow)) putFlow(row, rows)
        },
      },
    })
    return run
  },
  records: (rows, { offline, lifetime, windowSeconds, maxFlows }) => {
    const write = recordWriter(rows)
    const run: Offline = new Offline({
      ...offline,
      flows: {
        capacity: maxFlows,
        lifetime,
        windowSeconds,
        onRecord: (record) => {
          run.session(record.session).completeRecord(record)
          write(record)
        },
      },
    })
    return run
  },
}

/** In the order of PACKETS.kept. */
function packetObserver(rows: DuckDbRows): PacketObserver {
  const { row } = rows
  return (session, packet, frame, fault, isCopy) => {
    const { bytes, ipVersion, srcAt, dstAt } = frame
    row.fill(0)
    row[0] = session.index
    row[1] = ipVersion
    if (ipVersion === 4) {
      row[2] = u32(bytes, srcAt)
      row[6] = u32(bytes, dstAt)
    } else if (ipVersion === 6) {
      for (let word = 0; word < 4; word++) {
        row[2 + word] = u32(bytes, srcAt + word * 4)
        row[6 + word] = u32(bytes, dstAt + word * 4)
      }
    }
    if (ipVersion !== 0) {
      row[10] = frame.srcPort
      row[11] = frame.dstPort
      row[12] = frame.protocol
      row[16] = frame.tcpFlags
      row[17] = frame.ipLength
    }
    const { seconds } = packet
    const isTimed = packet.timed && seconds <= SECONDS_MAX
    row[13] = isTimed ? seconds : 0
    row[14] = isTimed ? packet.nanoseconds : 0
    row[15] = isTimed ? 1 : 0
    row[18] = frame.wireLength()
    row[19] = packet.end - packet.start
    row[20] = frame.etherType
    if (session.vni !== null && fault === undefined && ipVersion !== 0) {
      row[21] = directionOf(session, frame)
    }
    row[22] = isCopy ? 1 : 0
    row[23] = fault === undefined ? 0 : FAULTS.indexOf(fault) + 1
    rows.end()
  }
}

function directionOf(session: Session, frame: Parameters<PacketObserver>[2]): number {
  const end = session.identity.decide(frame, 0)
  if (end === 0) return 0
  return directionCode(end === A_IS_LOCAL ? 'egress' : 'ingress')
}

function directionCode(direction: FlowRow['direction']): number {
  return direction === undefined ? 0 : DIRECTIONS.indexOf(direction) + 1
}

/** In the order of FLOWS.kept. */
function putFlow(flow: FlowRow, rows: DuckDbRows): void {
  const { row } = rows
  row[0] = flow.session
  row[1] = flow.ipVersion
  row.set(flow.packetSource, 2)
  row.set(flow.packetDestination, 6)
  row[10] = flow.sourcePort
  row[11] = flow.destinationPort
  row[12] = flow.protocol
  row[13] = flow.packets
  row[14] = flow.bytes
  row[15] = Math.min(flow.firstSeconds, SECONDS_MAX)
  row[16] = flow.firstNanoseconds
  row[17] = Math.min(flow.lastSeconds, SECONDS_MAX)
  row[18] = flow.lastNanoseconds
  row[19] = flow.tcpFlags
  row[20] = STATE_NAMES.indexOf(flow.state) + 1
  row[21] = directionCode(flow.direction)
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
        row[at] = filling.read(record)
      })
    } else if (filling.from === 'word') {
      next += 1
      puts.push((record) => {
        row[at] = filling.read(record) + 1
      })
    } else if (filling.from === 'address') {
      next += 4
      puts.push((record) => {
        row.set(filling.read(record), at)
      })
    }
  }
  return (record) => {
    row[0] = record.ipVersion
    for (const put of puts) put(record)
    rows.end()
  }
}

/** Every run has numbered the same sessions in the same order. */
async function loadSessions({ connection }: Confined, runs: readonly Offline[]): Promise<void> {
  const sessions = runs[0]?.sessions ?? []
  const insert = await connection.prepare('INSERT INTO loaded.sessions VALUES ($1, $2, $3, $4)')
  for (const session of sessions) {
    const { session: name, vni, source } = session.report()
    insert.bind([session.index, name, vni, source])
    await insert.run()
  }
  insert.destroySync()
}
