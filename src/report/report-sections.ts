import type {
  AnalysisReport,
  FlowSummary,
  SessionAnalysis,
  TalkerRow,
  TroubledFlow,
} from '../analyze/analysis-report.js'
import type { DistributionReport } from '../analyze/distribution.js'
import {
  formatMoment,
  formatNanoseconds,
  formatOctets,
  formatShare,
  nanosecondsBetween,
} from '../analyze/quantities.js'
import { protocolName } from '../wire/protocol.js'
import { type Html, html } from './html.js'
import { type PageColumn, pageTable } from './page-table.js'
import { talkMatrix } from './talk-matrix.js'

/** The body of a report page: what a person should know first, first. */
export function reportSections(report: AnalysisReport): Html {
  return html`${header(report)}
${findings(report)}
<noscript><p class="dim">The charts need JavaScript; the tables hold all the rest.</p></noscript>
${traffic(report)}
${sessions(report)}
${talkers(report)}
${matrix(report)}
${protocols(report)}
${tcp(report)}
${flows(report)}
${packets(report)}
${files(report)}
<footer>Made by mirrortap. Bytes of frames are those on the wire with their link layer; bytes of flows and
addresses are those of IP. Times are UTC.</footer>`
}

function header({ files, totals, flows, sessions }: AnalysisReport): Html {
  const name = files.length === 1 ? files[0]!.file : `${files.length} capture files`
  const nanoseconds = totals.span === null ? 0 : Number(totals.span) * 1e9
  const rate = nanoseconds === 0 ? '–' : `${formatOctets(totals.bytes / (nanoseconds / 1e9))}/s`
  const mirrored = sessions.filter(({ vni }) => vni !== null).length
  return html`<header><h1>${name}</h1>
${
  totals.first === null
    ? html`<p class="dim">no packet has a time</p>`
    : html`<p class="dim">${formatMoment(totals.first)} to ${formatMoment(totals.last!)}</p>`
}
<dl class="tiles">
${tile('packets', grouped(totals.packets))}
${tile('size on the wire', formatOctets(totals.bytes), mirrored > 0 ? 'with what the mirror wraps around' : undefined)}
${tile('duration', totals.span === null ? '–' : formatNanoseconds(nanoseconds))}
${tile('mean rate', rate)}
${tile('flows', grouped(flows.count), `${grouped(flows.connections)} connections`)}
${mirrored > 0 && tile('mirror sessions', grouped(mirrored))}
</dl></header>`
}

function findings({ findings, totals }: AnalysisReport): Html | undefined {
  if (totals.packets === 0)
    return html`<ul class="findings"><li class="notice">There are no packets.</li></ul>`
  if (findings.length === 0) {
    return html`<ul class="findings"><li class="good">No findings: nothing is lost, cut or damaged.</li></ul>`
  }
  return html`<ul class="findings">
${findings.map(
  ({ level, text, filter }) =>
    html`<li class="${level}">${text}${filter !== undefined && html`: <code>${filter}</code>`}</li>\n`,
)}</ul>`
}

function traffic({ series, sessions }: AnalysisReport): Html | undefined {
  if (series.start === null) return undefined
  const width = formatNanoseconds(Number(series.binSeconds) * 1e9)
  const bySession =
    sessions.some(({ vni }) => vni !== null) &&
    html`<h3>by session</h3><div class="chart" data-chart="sessions" role="img" aria-label="Traffic over time by session"></div>`
  return html`<section id="traffic"><h2>Traffic over time</h2>
<div class="switches"><span>
<button type="button" data-measure="bytes" aria-pressed="true">bytes</button>
<button type="button" data-measure="packets" aria-pressed="false">packets</button>
</span></div>
<p class="dim">Means of ${width} each, on top of each other. Drag to zoom, double click to go back; a click on a name hides it.</p>
${bySession}
<h3>by protocol</h3><div class="chart" data-chart="protocols" role="img" aria-label="Traffic over time by protocol"></div>
</section>`
}

function sessions({ sessions }: AnalysisReport): Html | undefined {
  const isMirrored = sessions.some(({ vni }) => vni !== null)
  const isCut = sessions.some(({ cut }) => cut > 0)
  if (!isMirrored && !isCut) return undefined
  const rows = [...sessions].sort((left, right) => right.bytes - left.bytes)
  const columns: PageColumn<SessionAnalysis>[] = [
    { name: 'session', cell: ({ session }) => session ?? 'not mirrored', kind: 'address' },
    { name: 'interface', cell: ({ macAddress }) => macAddress ?? '–', kind: 'address' },
    { name: 'packets', cell: ({ packets }) => grouped(packets), kind: 'number' },
    { name: 'size', cell: ({ bytes }) => formatOctets(bytes), kind: 'number' },
    { name: 'in', cell: (row) => directionText(row, 'ingress'), kind: 'number' },
    { name: 'out', cell: (row) => directionText(row, 'egress'), kind: 'number' },
    { name: 'flows', cell: ({ flows }) => grouped(flows), kind: 'number' },
    { name: 'copies', cell: ({ duplicates }) => grouped(duplicates), kind: 'number' },
    {
      name: 'cut frames',
      cell: ({ cut, packets }) =>
        cut === 0 ? '0' : `${grouped(cut)} (${formatShare(cut, packets)})`,
      kind: 'number',
      isBad: ({ cut }) => cut > 0,
    },
    {
      name: 'lost by the mirror',
      cell: ({ tcp }) => formatOctets(tcp.acknowledgedMissingBytes),
      kind: 'number',
      isBad: ({ tcp }) => tcp.acknowledgedMissingBytes > 0,
    },
  ]
  return html`<section id="sessions"><h2>Sessions, cut frames and loss</h2>
${pageTable(columns, rows)}
<p class="dim">Lost: TCP data that its receiver acknowledged and that is not in the capture. Of other protocols, loss leaves no trace.</p>
</section>`
}

function talkers({ talkers, names }: AnalysisReport): Html | undefined {
  if (talkers.byBytes.length === 0) return undefined
  const most = Math.max(...talkers.byBytes.flatMap((row) => [row.sentBytes, row.receivedBytes]))
  const columns: PageColumn<(typeof talkers.byBytes)[number]>[] = [
    { name: 'address', cell: ({ address }) => address, kind: 'address' },
    ...(talkers.byBytes.some(({ address }) => names[address] !== undefined)
      ? [{ name: 'name', cell: ({ address }: TalkerRow) => names[address] ?? '' }]
      : []),
    { name: 'sent, received', bars: (row) => [row.sentBytes / most, row.receivedBytes / most] },
    { name: 'sent', cell: (row) => formatOctets(row.sentBytes), kind: 'number' },
    { name: 'received', cell: (row) => formatOctets(row.receivedBytes), kind: 'number' },
    { name: 'packets sent', cell: (row) => grouped(row.sentPackets), kind: 'number' },
    { name: 'packets received', cell: (row) => grouped(row.receivedPackets), kind: 'number' },
    { name: 'flows', cell: (row) => grouped(row.flows), kind: 'number' },
  ]
  const rest = talkers.addresses - talkers.byBytes.length
  return html`<section id="talkers"><h2>Top talkers</h2>
${pageTable(columns, talkers.byBytes)}
${rest > 0 && html`<p class="dim">and ${grouped(rest)} more addresses</p>`}
${talkers.lackBytesMax > 0 && html`<p class="dim">Too many to count all: a row may lack up to ${formatOctets(talkers.lackBytesMax)}.</p>`}
</section>`
}

function matrix({ conversations, names }: AnalysisReport): Html | undefined {
  if (conversations.matrix.addresses.length === 0) return undefined
  return html`<section id="matrix"><h2>Who talks to whom</h2>
<p class="dim">Bytes from the address of the row to that of the column.</p>
${talkMatrix(conversations.matrix, names)}
</section>`
}

function protocols({ protocols, services }: AnalysisReport): Html | undefined {
  if (protocols.length === 0) return undefined
  const bytes = protocols.reduce((sum, row) => sum + row.bytes, 0)
  const most = Math.max(...services.map((row) => row.bytes))
  const severalVersions = protocols.some(({ ipVersion }) => ipVersion === 6)
  return html`<section id="protocols"><h2>Protocols and services</h2><div class="pair">
<div><h3>protocols</h3>${pageTable(
    [
      {
        name: 'protocol',
        cell: ({ name, ipVersion }) =>
          severalVersions && ipVersion !== null ? `${name}, IPv${ipVersion}` : name,
      },
      { name: 'share', bars: (row) => [row.bytes / bytes] },
      { name: 'size', cell: (row) => formatOctets(row.bytes), kind: 'number' },
      { name: 'packets', cell: (row) => grouped(row.packets), kind: 'number' },
    ],
    protocols,
  )}</div>
${
  services.length > 0 &&
  html`<div><h3>services, by port</h3>${pageTable(
    [
      { name: 'port', cell: ({ protocol, port }) => `${protocol}/${port}` },
      { name: 'share', bars: (row) => [row.bytes / most] },
      { name: 'size', cell: (row) => formatOctets(row.bytes), kind: 'number' },
      { name: 'flows', cell: (row) => grouped(row.flows), kind: 'number' },
    ],
    services,
  )}</div>`
}
</div></section>`
}

function tcp({ tcp, distributions, sessions }: AnalysisReport): Html | undefined {
  if (tcp.segments === 0) return undefined
  const { handshake, synToSynAck, synAckToAck } = distributions
  const hasTimes = handshake.count > 0
  return html`<section id="tcp"><h2>TCP health</h2><dl class="tiles">
${tile('connections', grouped(tcp.connections), `${grouped(tcp.completed)} of ${grouped(tcp.attempted)} handshakes completed`)}
${tile('failed', grouped(tcp.refused + tcp.unanswered), `${grouped(tcp.refused)} refused, ${grouped(tcp.unanswered)} not answered`)}
${tile('reset', grouped(tcp.resetConnections), 'connections')}
${tile('sent again', formatShare(tcp.retransmissions, tcp.segments), `${grouped(tcp.retransmissions)} of ${grouped(tcp.segments)} segments`)}
${tile('out of order', grouped(tcp.outOfOrder), 'segments')}
${tile('never seen', formatOctets(tcp.missingBytes), `in ${grouped(tcp.gapsUnfilled)} gaps; ${formatOctets(tcp.acknowledgedMissingBytes)} of it reached the receiver`)}
</dl>
${
  hasTimes &&
  html`<h3>handshake round trip</h3><div class="chart" data-chart="handshake" role="img" aria-label="Distribution of handshake round trips"></div>
${percentiles([
  ['whole', handshake],
  ['server side (SYN to SYN-ACK)', synToSynAck],
  ['client side (SYN-ACK to ACK)', synAckToAck],
])}`
}
${
  tcp.worst.length > 0 &&
  html`<h3>flows with most trouble</h3>${pageTable<TroubledFlow>(
    [
      endsColumn<TroubledFlow>(),
      { name: 'packets', cell: (flow) => grouped(flow.packets), kind: 'number' },
      { name: 'sent again', cell: (flow) => grouped(flow.retransmissions), kind: 'number' },
      { name: 'out of order', cell: (flow) => grouped(flow.outOfOrder), kind: 'number' },
      { name: 'never seen', cell: (flow) => formatOctets(flow.missingBytes), kind: 'number' },
      ...sessionColumn<TroubledFlow>(sessions),
    ],
    tcp.worst,
  )}`
}
</section>`
}

function flows({ flows, distributions, sessions }: AnalysisReport): Html | undefined {
  if (flows.count === 0) return undefined
  const columns: PageColumn<FlowSummary>[] = [
    endsColumn<FlowSummary>(),
    { name: 'size', cell: (flow) => formatOctets(flow.bytes), kind: 'number' },
    { name: 'packets', cell: (flow) => grouped(flow.packets), kind: 'number' },
    {
      name: 'duration',
      cell: (flow) => formatNanoseconds(nanosecondsBetween(flow.firstSeen, flow.lastSeen)),
      kind: 'number',
    },
    { name: 'protocol', cell: ({ protocol }) => protocolName(protocol) ?? String(protocol) },
    ...sessionColumn<FlowSummary>(sessions),
  ]
  return html`<section id="flows"><h2>Flows</h2><div class="pair">
<div><h3>duration</h3><div class="chart" data-chart="flowDuration" role="img" aria-label="Distribution of flow durations"></div></div>
<div><h3>size</h3><div class="chart" data-chart="flowBytes" role="img" aria-label="Distribution of flow sizes"></div></div>
</div>
${percentiles([
  ['duration', distributions.flowDuration],
  ['bytes', distributions.flowBytes],
  ['packets', distributions.flowPackets],
])}
<h3>largest by bytes</h3>${pageTable(columns, flows.topByBytes)}
<h3>largest by packets</h3>${pageTable(columns, flows.topByPackets)}
</section>`
}

function packets({ distributions, totals }: AnalysisReport): Html | undefined {
  if (totals.packets === 0) return undefined
  const { frameSize, interArrival } = distributions
  return html`<section id="packets"><h2>Packets</h2><div class="pair">
${frameSize.count > 0 && html`<div><h3>frame size</h3><div class="chart" data-chart="frameSize" role="img" aria-label="Distribution of frame sizes"></div></div>`}
${interArrival.count > 0 && html`<div><h3>time between packets</h3><div class="chart" data-chart="interArrival" role="img" aria-label="Distribution of times between packets"></div></div>`}
</div>
${percentiles([
  ['frame size', frameSize],
  ['between packets', interArrival],
])}
</section>`
}

function files({ files }: AnalysisReport): Html {
  return html`<section id="files"><h2>Files</h2>
${pageTable(
  [
    { name: 'file', cell: ({ file }) => file },
    {
      name: 'format',
      cell: ({ format, compression }) =>
        compression === 'none' ? format : `${format}, ${compression}`,
    },
    {
      name: 'link types',
      cell: ({ linkTypes }) => linkTypes.map(({ name }) => name).join(', ') || '–',
    },
    {
      name: 'snaplen',
      cell: ({ snaplen }) => (snaplen === 0 ? 'none' : grouped(snaplen)),
      kind: 'number',
    },
    { name: 'packets', cell: ({ packets }) => grouped(packets), kind: 'number' },
    { name: 'size', cell: ({ bytes }) => formatOctets(bytes), kind: 'number' },
    { name: 'first packet', cell: ({ first }) => (first === null ? '–' : formatMoment(first)) },
    {
      name: 'out of order',
      cell: ({ ordering }) => grouped(ordering.backwards),
      kind: 'number',
    },
    {
      name: 'damage',
      cell: ({ damage }) =>
        damage === null ? '–' : `at octet ${damage.offset}: ${damage.message}`,
      isBad: ({ damage }) => damage !== null,
    },
  ],
  files,
)}
</section>`
}

/** Last, since what counts must be seen without scrolling. */
function sessionColumn<Row extends FlowSummary>(
  sessions: readonly SessionAnalysis[],
): PageColumn<Row>[] {
  if (sessions.length <= 1) return []
  return [{ name: 'session', cell: (flow) => flow.session ?? 'not mirrored', kind: 'address' }]
}

/** One below the other on a phone, so that what counts is seen beside them. */
function endsColumn<Row extends FlowSummary>(): PageColumn<Row> {
  return {
    name: 'source → destination',
    cell: (flow) =>
      html`<span>${endText(flow.srcAddr, flow.srcPort)}</span> <span>→ ${endText(flow.dstAddr, flow.dstPort)}</span>`,
    kind: 'address',
  }
}

function percentiles(rows: readonly (readonly [name: string, DistributionReport])[]): Html {
  const shown = rows.filter(([, { count }]) => count > 0)
  const at = (
    key: 'min' | 'p50' | 'p90' | 'p99' | 'p999' | 'max',
  ): PageColumn<(typeof shown)[number]> => ({
    name: key === 'p999' ? 'p99.9' : key,
    cell: ([, distribution]) => quantityText(distribution.unit, distribution[key]),
    kind: 'number',
  })
  return pageTable(
    [
      { name: '', cell: ([name]) => name },
      at('min'),
      at('p50'),
      at('p90'),
      at('p99'),
      at('p999'),
      at('max'),
    ],
    shown,
  )
}

function tile(name: string, value: string, more?: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}${more !== undefined && html`<small>${more}</small>`}</dd></div>\n`
}

function directionText({ directions }: SessionAnalysis, way: 'ingress' | 'egress'): string {
  const { ingress, egress, unknown } = directions
  if (ingress.packets + egress.packets === 0) return '–'
  return formatShare(directions[way].bytes, ingress.bytes + egress.bytes + unknown.bytes)
}

function endText(address: string, port: number): string {
  if (port === 0) return address
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

function quantityText(unit: DistributionReport['unit'], value: number | null): string {
  if (value === null) return '–'
  if (unit === 'ns') return formatNanoseconds(value)
  if (unit === 'packets') return grouped(value)
  // Sizes of frames say more to the byte.
  return value < 10_000 ? `${grouped(value)} B` : formatOctets(value)
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
