import { byFirst, type FlowRow, rowsOf } from '../flow/flow-row.js'
import { Offline } from '../session/offline.js'
import type { Session } from '../session/session.js'
import { formatIpv4, formatIpv6 } from '../wire/address.js'
import type { FlowsOptions } from './flows.js'
import { formatFlags, formatProtocol, formatTable } from './format.js'
import { formatCuts } from './ledger-text.js'
import { failWith, offlineOptions, readFiles } from './offline-options.js'
import { Output } from './output.js'

/** Rows put out between two looks at how much is waiting. */
const ROWS_AT_A_TIME = 1000

/** Reads the files and prints their flows. */
export async function flows(files: readonly string[], options: FlowsOptions): Promise<void> {
  const rows: FlowRow[] = []
  const offline = new Offline({
    ...offlineOptions(options),
    flows: {
      capacity: options.maxFlows,
      onEnd: (flow) => rows.push(...rowsOf(offline.tracker!, flow)),
    },
  })
  const problems = await readFiles(offline, files)
  offline.tracker!.shutdown()
  await print(rows.sort(byFirst), offline, options)
  failWith(problems)
}

async function print(
  rows: readonly FlowRow[],
  offline: Offline,
  options: FlowsOptions,
): Promise<void> {
  const output = new Output('-')
  const now = offline.tracker!.secondsOf(offline.tracker!.now)
  if (options.json) {
    output.write('[')
    for (const [index, row] of rows.entries()) {
      const object = jsonRow(row, offline.session(row.session), now)
      output.write(`${index === 0 ? '\n' : ',\n'}${JSON.stringify(object)}`)
      if (index % ROWS_AT_A_TIME === 0) await output.room()
      if (!output.open) break
    }
    output.write(rows.length === 0 ? ']\n' : '\n]\n')
  } else {
    const lines = formatTable(
      [
        'session',
        'source',
        'destination',
        'protocol',
        'packets',
        'bytes',
        'seconds',
        'flags',
        'state',
      ],
      rows.map((row) => tableRow(row, offline.session(row.session))),
      [4, 5, 6],
    )
    lines.push(...formatCuts(offline.sessions.map((session) => session.report())))
    for (const [index, line] of lines.entries()) {
      output.write(`${line}\n`)
      if (index % ROWS_AT_A_TIME === 0) await output.room()
      if (!output.open) break
    }
  }
  await output.close()
}

/** Decimal seconds with nine digits, without passing through a floating-point number. */
function formatTime(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

function formatFlowAddress(version: 4 | 6, words: Uint32Array): string {
  return version === 4
    ? formatIpv4(words[0]!)
    : formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}

function jsonRow(row: FlowRow, session: Session, now: number) {
  const { session: name, vni, source } = session.report()
  return {
    session: name,
    vni,
    source,
    srcAddr: formatFlowAddress(row.ipVersion, row.packetSource),
    dstAddr: formatFlowAddress(row.ipVersion, row.packetDestination),
    srcPort: row.sourcePort,
    dstPort: row.destinationPort,
    protocol: row.protocol,
    packets: row.packets,
    bytes: row.bytes,
    firstSeen: formatTime(row.firstSeconds, row.firstNanoseconds),
    lastSeen: formatTime(row.lastSeconds, row.lastNanoseconds),
    ageSeconds: Math.max(now - row.firstSeconds, 0),
    tcpFlags: row.tcpFlags,
    state: row.state,
    direction: row.direction ?? null,
  }
}

function tableRow(row: FlowRow, session: Session): string[] {
  const ports = row.sourcePort !== 0 || row.destinationPort !== 0
  const end = (words: Uint32Array, port: number): string => {
    const address = formatFlowAddress(row.ipVersion, words)
    if (!ports) return address
    return row.ipVersion === 6 ? `[${address}]:${port}` : `${address}:${port}`
  }
  const seconds =
    row.lastSeconds - row.firstSeconds + (row.lastNanoseconds - row.firstNanoseconds) / 1e9
  return [
    session.name ?? '-',
    end(row.packetSource, row.sourcePort),
    end(row.packetDestination, row.destinationPort),
    formatProtocol(row.protocol),
    String(row.packets),
    String(row.bytes),
    seconds.toFixed(3),
    formatFlags(row.tcpFlags),
    row.state,
  ]
}
