import type {
  AnalysisReport,
  FileReport,
  FlowSummary,
  SessionAnalysis,
  TalkerRow,
} from '../analyze/analysis-report.js'
import type { DistributionReport } from '../analyze/distribution.js'
import {
  formatMoment,
  formatNanoseconds,
  formatOctets,
  formatShare,
  nanosecondsBetween,
} from '../analyze/quantities.js'
import { type Column, fittedTable } from '../terminal/fitted-table.js'
import { formatProtocol } from '../terminal/format.js'
import { wrapped } from '../terminal/text-width.js'
import { visible } from '../visible.js'

export interface AnalysisTextOptions {
  /** Of the terminal, in characters; Infinity where there is none. */
  width: number
  /** Gives text a style, or leaves it as it is: `styleText` of node:util for a stream. */
  styled: (style: Style, text: string) => string
  /** Rows of lists that the report has all of. */
  top: number
}

type Style = 'bold' | 'red' | 'yellow' | 'green' | 'dim'

/** A report for people, most important first. */
export function formatAnalysis(report: AnalysisReport, options: AnalysisTextOptions): string[] {
  return new AnalysisText(report, options).lines()
}

class AnalysisText {
  readonly #report: AnalysisReport
  readonly #width: number
  readonly #top: number
  readonly #styled: AnalysisTextOptions['styled']

  constructor(report: AnalysisReport, options: AnalysisTextOptions) {
    this.#report = report
    this.#width = options.width
    this.#top = options.top
    this.#styled = options.styled
  }

  lines(): string[] {
    const sections = [this.#files()]
    if (this.#report.totals.packets > 0) {
      sections.push(
        this.#findings(),
        this.#sessions(),
        this.#protocols(),
        this.#services(),
        this.#talkers(),
        this.#flows('flows by bytes', this.#report.flows.topByBytes),
        this.#flowsByPackets(),
        this.#tcp(),
        this.#troubled(),
        this.#distributions(),
      )
    }
    const shown = sections.filter((lines) => lines.length > 0)
    return shown.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines]))
  }

  #files(): string[] {
    const { files, totals } = this.#report
    const lines = files.slice(0, this.#top).flatMap((file) => this.#file(file))
    if (files.length > this.#top) lines.push(this.#more(files.length - this.#top, 'files'))
    if (files.length > 1) {
      const size = `${totals.packets} packets, ${formatOctets(totals.bytes)}`
      lines.push(`all ${files.length} files: ${size}${spanText(totals.span, totals.first)}`)
    }
    return lines
  }

  #file(file: FileReport): string[] {
    const types = file.linkTypes.map(({ name }) => name).join(', ') || 'no interface'
    const compression = file.compression === 'none' ? '' : `, ${file.compression}`
    const snaplen = file.snaplen === 0 ? '' : `, snaplen ${file.snaplen}`
    const what = `${file.format}${compression}, ${types}${snaplen}`
    if (file.packets === 0)
      return [`${this.#styled('bold', visible(file.file))}: ${what}, no packets`]
    const size = `${file.packets} packets, ${formatOctets(file.bytes)}`
    return [
      ...this.#wrapped(`${this.#styled('bold', visible(file.file))}: ${what}`),
      ...this.#wrapped(`${size}${spanText(file.span, file.first)}`, '  '),
    ]
  }

  #findings(): string[] {
    const { findings } = this.#report
    if (findings.length === 0) {
      return [this.#styled('green', 'no findings: nothing is lost, cut or damaged')]
    }
    const shown = findings.slice(0, Math.max(this.#top, 10))
    const lines = shown.flatMap(({ level, text, filter }) => {
      const mark = level === 'problem' ? this.#styled('red', '!') : this.#styled('yellow', '-')
      const packets = filter === undefined ? '' : `; --filter '${filter}'`
      return this.#wrapped(visible(text + packets), `${mark} `)
    })
    if (findings.length > shown.length) {
      lines.push(this.#more(findings.length - shown.length, 'findings'))
    }
    return lines
  }

  #sessions(): string[] {
    const { sessions } = this.#report
    if (sessions.every(({ vni }) => vni === null)) return []
    const share = ({ directions }: SessionAnalysis): string => {
      const { ingress, egress, unknown } = directions
      if (ingress.packets + egress.packets === 0) return '-'
      const all = ingress.bytes + egress.bytes + unknown.bytes
      return `${formatShare(ingress.bytes, all)} / ${formatShare(egress.bytes, all)}`
    }
    const rows = [...sessions].sort((left, right) => right.bytes - left.bytes)
    return this.#table('sessions', rows, [
      { name: 'session', cell: ({ session }) => session ?? 'not mirrored', min: 12 },
      { name: 'interface', cell: ({ macAddress }) => macAddress ?? '-', drop: 2 },
      { name: 'packets', cell: ({ packets }) => String(packets), right: true },
      { name: 'size', cell: ({ bytes }) => formatOctets(bytes), right: true },
      { name: 'in / out', cell: share, right: true, drop: 4 },
      { name: 'flows', cell: ({ flows }) => String(flows), right: true, drop: 3 },
      { name: 'copies', cell: ({ duplicates }) => String(duplicates), right: true, drop: 5 },
      { name: 'cut', cell: ({ cut }) => String(cut), right: true },
      {
        name: 'lost',
        cell: ({ tcp }) => formatOctets(tcp.acknowledgedMissingBytes),
        right: true,
      },
    ])
  }

  #protocols(): string[] {
    const { protocols, sessions } = this.#report
    const bytes = protocols.reduce((sum, row) => sum + row.bytes, 0)
    const versions = new Set(sessions.length === 0 ? [] : protocols.map((row) => row.ipVersion))
    return this.#table('protocols', protocols, [
      {
        name: 'protocol',
        cell: ({ name, ipVersion }) =>
          ipVersion === 6 && versions.has(4) && !name.endsWith('v6') ? `${name} (IPv6)` : name,
      },
      { name: 'packets', cell: ({ packets }) => String(packets), right: true },
      { name: 'size', cell: (row) => formatOctets(row.bytes), right: true },
      { name: 'share', cell: (row) => formatShare(row.bytes, bytes), right: true, drop: 1 },
    ])
  }

  #services(): string[] {
    return this.#table('services', this.#report.services, [
      { name: 'port', cell: ({ protocol, port }) => `${protocol}/${port}` },
      { name: 'flows', cell: ({ flows }) => String(flows), right: true },
      { name: 'packets', cell: ({ packets }) => String(packets), right: true },
      { name: 'size', cell: ({ bytes }) => formatOctets(bytes), right: true },
    ])
  }

  #talkers(): string[] {
    const { talkers, names } = this.#report
    const nameOf = ({ address }: TalkerRow): string | undefined => names[address]
    const lines = this.#table('talkers', talkers.byBytes, [
      { name: 'address', cell: ({ address }) => address, min: 15 },
      ...(talkers.byBytes.some(nameOf)
        ? [{ name: 'name', cell: (row: TalkerRow) => nameOf(row) ?? '-', min: 12, drop: 4 }]
        : []),
      { name: 'sent', cell: ({ sentBytes }) => formatOctets(sentBytes), right: true },
      { name: 'received', cell: (row) => formatOctets(row.receivedBytes), right: true },
      {
        name: 'packets sent',
        cell: ({ sentPackets }) => String(sentPackets),
        right: true,
        drop: 2,
      },
      {
        name: 'packets received',
        cell: ({ receivedPackets }) => String(receivedPackets),
        right: true,
        drop: 3,
      },
      { name: 'flows', cell: ({ flows }) => String(flows), right: true, drop: 1 },
    ])
    if (talkers.addresses > talkers.byBytes.length && lines.length > 0) {
      lines.push(this.#more(talkers.addresses - talkers.byBytes.length, 'addresses'))
    }
    if (talkers.lackBytesMax > 0) {
      const lack = formatOctets(talkers.lackBytesMax)
      lines.push(...this.#wrapped(`too many to count all: a row may lack up to ${lack}`))
    }
    return lines
  }

  #flows(heading: string, flows: readonly FlowSummary[]): string[] {
    const lines = this.#table(heading, flows, this.#flowColumns())
    const more = this.#report.flows.count - flows.length
    if (more > 0 && lines.length > 0) lines.push(this.#more(more, 'flows'))
    return lines
  }

  /** Only where it is another list. */
  #flowsByPackets(): string[] {
    const { topByBytes, topByPackets } = this.#report.flows
    const keys = new Set(topByBytes.map(flowKey))
    if (topByPackets.every((flow) => keys.has(flowKey(flow)))) return []
    return this.#flows('flows by packets', topByPackets)
  }

  #flowColumns(): Column<FlowSummary>[] {
    const { sessions } = this.#report
    const severalSessions = sessions.length > 1
    const session: Column<FlowSummary>[] = severalSessions
      ? [{ name: 'session', cell: (flow) => flow.session ?? '-', min: 10, drop: 1 }]
      : []
    return [
      ...session,
      { name: 'source', cell: (flow) => endText(flow.srcAddr, flow.srcPort), min: 15 },
      { name: 'destination', cell: (flow) => endText(flow.dstAddr, flow.dstPort), min: 15 },
      { name: 'protocol', cell: ({ protocol }) => formatProtocol(protocol), drop: 2 },
      { name: 'packets', cell: ({ packets }) => String(packets), right: true },
      { name: 'size', cell: ({ bytes }) => formatOctets(bytes), right: true },
      { name: 'duration', cell: durationText, right: true, drop: 3 },
    ]
  }

  #tcp(): string[] {
    const { tcp } = this.#report
    if (tcp.segments === 0) return []
    const lines = [this.#styled('bold', 'tcp')]
    const facts: [string, string][] = [
      [
        'connections',
        `${tcp.connections}: ${tcp.completed} of ${tcp.attempted} handshakes completed, ` +
          `${tcp.refused} refused, ${tcp.unanswered} not answered`,
      ],
      ['resets', `${tcp.resetConnections} connections, ${tcp.resets} segments`],
      [
        'sent again',
        `${tcp.retransmissions} of ${tcp.segments} segments (${formatShare(tcp.retransmissions, tcp.segments)}), ` +
          `${tcp.synRetransmissions} of them SYN`,
      ],
      ['out of order', `${tcp.outOfOrder} segments`],
      ['gaps', this.#gaps()],
      ['keep-alives', `${tcp.keepAlives}; segments with a closed window: ${tcp.zeroWindows}`],
    ]
    for (const [name, text] of facts) {
      lines.push(...this.#wrapped(text, name.padEnd(14)))
    }
    return lines
  }

  #gaps(): string {
    const { tcp } = this.#report
    if (tcp.gaps === 0) return '0'
    if (tcp.gapsUnfilled === 0) return `${tcp.gaps}, all filled later`
    const missing = formatOctets(tcp.missingBytes)
    const lost =
      tcp.gapsAcknowledged === 0
        ? 'the receiver has acknowledged none of it'
        : `the receiver has ${formatOctets(tcp.acknowledgedMissingBytes)} of it, the capture has not`
    return `${tcp.gaps}, of which ${tcp.gapsUnfilled} never filled (${missing}); ${lost}`
  }

  #troubled(): string[] {
    const columns = this.#flowColumns().filter(({ name }) => !['size', 'duration'].includes(name))
    return this.#table('tcp flows with most trouble', this.#report.tcp.worst, [
      ...(columns as Column<AnalysisReport['tcp']['worst'][number]>[]),
      { name: 'again', cell: (flow) => String(flow.retransmissions), right: true },
      { name: 'out of order', cell: (flow) => String(flow.outOfOrder), right: true, drop: 4 },
      { name: 'missing', cell: (flow) => formatOctets(flow.missingBytes), right: true },
    ])
  }

  #distributions(): string[] {
    const names: [keyof AnalysisReport['distributions'], string][] = [
      ['frameSize', 'frame size'],
      ['interArrival', 'between packets'],
      ['flowDuration', 'flow duration'],
      ['flowBytes', 'flow size'],
      ['flowPackets', 'flow packets'],
      ['handshake', 'TCP handshake'],
      ['synToSynAck', '  SYN to SYN-ACK'],
      ['synAckToAck', '  SYN-ACK to ACK'],
    ]
    const rows = names
      .map(([key, name]) => ({ name, ...this.#report.distributions[key] }))
      .filter(({ count }) => count > 0)
    const at = (
      key: 'min' | 'p50' | 'p90' | 'p99' | 'p999' | 'max',
      drop?: number,
    ): Column<(typeof rows)[number]> => ({
      name: key === 'p999' ? 'p99.9' : key,
      cell: (row) => quantityText(row.unit, row[key]),
      right: true,
      ...(drop !== undefined && { drop }),
    })
    return this.#table(
      'distributions',
      rows,
      [
        { name: 'of', cell: ({ name }) => name },
        { name: 'count', cell: ({ count }) => String(count), right: true, drop: 3 },
        at('min', 4),
        at('p50'),
        at('p90', 2),
        at('p99'),
        at('p999', 1),
        at('max'),
      ],
      rows.length,
    )
  }

  #table<Row>(
    heading: string,
    all: readonly Row[],
    columns: readonly Column<Row>[],
    limit = this.#top,
  ): string[] {
    if (all.length === 0) return []
    const rows = all.slice(0, limit)
    const [names, ...lines] = fittedTable(columns, rows, this.#width)
    if (all.length > rows.length) lines.push(this.#more(all.length - rows.length, 'rows'))
    return [this.#styled('bold', heading), this.#styled('dim', names!), ...lines]
  }

  #more(count: number, what: string): string {
    return this.#styled('dim', `… and ${count} more ${what}`)
  }

  #wrapped(text: string, head = ''): string[] {
    return wrapped(text, this.#width, { head })
  }
}

function spanText(span: string | null, first: string | null): string {
  if (span === null || first === null) return ', no times'
  return `, ${formatNanoseconds(Number(span) * 1e9)} from ${formatMoment(first)}`
}

function endText(address: string, port: number): string {
  if (port === 0) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function flowKey(flow: FlowSummary): string {
  return [
    flow.session,
    flow.srcAddr,
    flow.srcPort,
    flow.dstAddr,
    flow.dstPort,
    flow.protocol,
  ].join()
}

function durationText({ firstSeen, lastSeen }: FlowSummary): string {
  return formatNanoseconds(nanosecondsBetween(firstSeen, lastSeen))
}

function quantityText(unit: DistributionReport['unit'], value: number | null): string {
  if (value === null) return '-'
  if (unit === 'ns') return formatNanoseconds(value)
  if (unit === 'packets') return String(value)
  // Sizes of frames say more to the byte.
  return value < 10_000 ? `${value} B` : formatOctets(value)
}
