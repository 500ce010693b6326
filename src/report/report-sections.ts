import type {
  AnalysisReport,
  ConversationRow,
  FileReport,
  FlowSummary,
  ProtocolRow,
  ServiceRow,
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
import {
  filterMarkup,
  type PageColumn,
  pageTable,
  plainTable,
  type RowFacts,
} from './page-table.js'
import {
  flowFilter,
  hostFilter,
  protocolFilter,
  serviceFilter,
  sessionFilter,
} from './row-filters.js'
import { talkMatrix } from './talk-matrix.js'

/** What the page shows in addition to the report. */
export interface PageOptions {
  /** URL of the appliance that has the packets, for links. */
  appliance?: string | undefined
}

/** What every section is given. */
interface Shown extends AnalysisReport {
  appliance: string | undefined
  /** The name of an address, if it has one. */
  nameOf(address: string): string | undefined
}

/** The body of a report page, most important sections first. */
export function reportSections(analysis: AnalysisReport, { appliance }: PageOptions = {}): Html {
  const { names } = analysis
  const report: Shown = { ...analysis, appliance, nameOf: (address) => names[address] }
  return html`${header(report)}
${findings(report)}
<noscript><p class="dim">The charts need JavaScript; the tables hold all the rest.</p></noscript>
${traffic(report)}
${sessions(report)}
${talkers(report)}
${conversations(report)}
${matrix(report)}
${protocols(report)}
${tcp(report)}
${flows(report)}
${packets(report)}
${files(report)}
<footer>Made by mirrortap. Bytes of frames are those on the wire with their link layer; bytes of flows and
addresses are those of IP. Times are UTC.</footer>`
}

/** Shown, if a session is chosen, with numbers that are not counted by session. */
const OF_ALL = html`<p class="dim of-all" hidden>of all sessions together</p>`

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

function findings({ findings, totals, appliance }: Shown): Html | undefined {
  if (totals.packets === 0)
    return html`<ul class="findings"><li class="notice">There are no packets.</li></ul>`
  if (findings.length === 0) {
    return html`<ul class="findings"><li class="good">No findings: nothing is lost, cut or damaged.</li></ul>`
  }
  return html`<ul class="findings">
${findings.map(
  ({ level, text, filter }) =>
    html`<li class="${level}">${text} ${filterMarkup({ filter }, appliance)}</li>\n`,
)}</ul>`
}

function traffic({ series, sessions }: AnalysisReport): Html | undefined {
  if (series.start === null) return undefined
  const { periods } = series
  const width = formatNanoseconds(Number(series.binSeconds) * 1e9)
  const what =
    periods.length === 0
      ? `Means of ${width} each, on top of each other.`
      : `Packets came in ${periods.length} periods; the axis leaves out what is between them, and each has its own scale of time.`
  const bySession =
    sessions.some(({ vni }) => vni !== null) &&
    html`<h3>by session</h3><div class="chart" data-chart="sessions" role="img" aria-label="Traffic over time by session"></div>`
  return html`<section id="traffic"><h2>Traffic over time</h2>
<div class="switches"><span>
<button type="button" data-measure="bytes" aria-pressed="true">bytes</button>
<button type="button" data-measure="packets" aria-pressed="false">packets</button>
</span><span><button type="button" data-log aria-pressed="false">log scale</button></span></div>
<p class="dim">${what} Drag to zoom, double click to go back; a click on a name hides it.</p>
${bySession}
<h3>by protocol</h3>${OF_ALL}<div class="chart" data-chart="protocols" role="img" aria-label="Traffic over time by protocol"></div>
</section>`
}

function sessions({ sessions, appliance }: Shown): Html | undefined {
  const isMirrored = sessions.some(({ vni }) => vni !== null)
  const isCut = sessions.some(({ cut }) => cut > 0)
  if (!isMirrored && !isCut) return undefined
  const rows = [...sessions].sort((left, right) => right.bytes - left.bytes)
  const columns: PageColumn<SessionAnalysis>[] = [
    { name: 'session', cell: ({ session }) => session ?? 'not mirrored', kind: 'address' },
    { name: 'interface', cell: ({ macAddress }) => macAddress ?? '–', kind: 'address' },
    counted('packets', ({ packets }) => packets),
    sized('size', ({ bytes }) => bytes),
    { name: 'in', cell: (row) => directionText(row, 'ingress'), kind: 'number' },
    { name: 'out', cell: (row) => directionText(row, 'egress'), kind: 'number' },
    counted('flows', ({ flows }) => flows),
    counted('copies', ({ duplicates }) => duplicates),
    {
      name: 'cut frames',
      cell: ({ cut, packets }) =>
        cut === 0 ? '0' : `${grouped(cut)} (${formatShare(cut, packets)})`,
      value: ({ cut }) => cut,
      kind: 'number',
      isBad: ({ cut }) => cut > 0,
    },
    {
      ...sized<SessionAnalysis>('lost by the mirror', ({ tcp }) => tcp.acknowledgedMissingBytes),
      isBad: ({ tcp }) => tcp.acknowledgedMissingBytes > 0,
    },
  ]
  return html`<section id="sessions"><h2>Sessions, cut frames and loss</h2>
${pageTable({
  columns,
  rows,
  facts: (row) => ({
    filter: sessionFilter(row),
    session: row.session,
    ...timesOf(row.first, row.last),
  }),
  appliance,
})}
<p class="dim">Lost: TCP data that its receiver acknowledged and that is not in the capture. Of other protocols, loss leaves no trace.</p>
</section>`
}

function talkers({ talkers, appliance, nameOf, totals }: Shown): Html | undefined {
  if (talkers.byBytes.length === 0) return undefined
  const most = Math.max(...talkers.byBytes.flatMap((row) => [row.sentBytes, row.receivedBytes]))
  const columns: PageColumn<TalkerRow>[] = [
    { name: 'address', cell: ({ address }) => address, kind: 'address' },
    ...(talkers.byBytes.some(({ address }) => nameOf(address) !== undefined)
      ? [{ name: 'name', cell: ({ address }: TalkerRow) => nameOf(address) ?? '' }]
      : []),
    { name: 'sent, received', bars: (row) => [row.sentBytes / most, row.receivedBytes / most] },
    sized('sent', (row) => row.sentBytes),
    sized('received', (row) => row.receivedBytes),
    counted('packets sent', (row) => row.sentPackets),
    counted('packets received', (row) => row.receivedPackets),
    counted('flows', (row) => row.flows),
  ]
  const rest = talkers.addresses - talkers.byBytes.length
  return html`<section id="talkers"><h2>Top talkers</h2>${OF_ALL}
${pageTable({
  columns,
  rows: talkers.byBytes,
  facts: ({ address }) => ({ filter: hostFilter(address), ...timesOf(totals.first, totals.last) }),
  appliance,
})}
${rest > 0 && html`<p class="dim">and ${grouped(rest)} more addresses</p>`}
${talkers.lackBytesMax > 0 && html`<p class="dim">Too many to count all: a row may lack up to ${formatOctets(talkers.lackBytesMax)}.</p>`}
</section>`
}

function conversations({ conversations, appliance, nameOf, totals }: Shown): Html | undefined {
  const { top, pairs } = conversations
  if (top.length === 0) return undefined
  const columns: PageColumn<ConversationRow>[] = [
    { name: 'between', cell: ({ a }) => hostMarkup(a, nameOf(a)), kind: 'address' },
    { name: 'and', cell: ({ b }) => hostMarkup(b, nameOf(b)), kind: 'address' },
    sized('→', (row) => row.aToBBytes),
    sized('←', (row) => row.bToABytes),
    counted('packets →', (row) => row.aToBPackets),
    counted('packets ←', (row) => row.bToAPackets),
  ]
  const rest = pairs - top.length
  return html`<section id="conversations"><h2>Conversations</h2>${OF_ALL}
${pageTable({
  columns,
  rows: top,
  facts: ({ a, b }) => ({ filter: hostFilter(a, b), ...timesOf(totals.first, totals.last) }),
  appliance,
})}
${rest > 0 && html`<p class="dim">and ${grouped(rest)} more pairs of addresses</p>`}
</section>`
}

function matrix({ conversations, names }: Shown): Html | undefined {
  if (conversations.matrix.addresses.length === 0) return undefined
  return html`<section id="matrix"><h2>Who talks to whom</h2>${OF_ALL}
<p class="dim">Bytes from the address of the row to that of the column.</p>
${talkMatrix(conversations.matrix, names)}
</section>`
}

function protocols({ protocols, services, ...shown }: Shown): Html | undefined {
  if (protocols.length === 0) return undefined
  const { appliance, totals, unansweredPorts } = shown
  const bytes = protocols.reduce((sum, row) => sum + row.bytes, 0)
  const most = Math.max(...services.map((row) => row.bytes))
  const severalVersions = protocols.some(({ ipVersion }) => ipVersion === 6)
  const times = timesOf(totals.first, totals.last)
  return html`<section id="protocols"><h2>Protocols and services</h2>${OF_ALL}<div class="pair">
<div><h3>protocols</h3>${pageTable<ProtocolRow>({
    columns: [
      {
        name: 'protocol',
        cell: ({ name, ipVersion }) =>
          severalVersions && ipVersion !== null ? `${name}, IPv${ipVersion}` : name,
      },
      { name: 'share', bars: (row) => [row.bytes / bytes] },
      sized('size', (row) => row.bytes),
      counted('packets', (row) => row.packets),
    ],
    rows: protocols,
    facts: (row) => ({ filter: protocolFilter(row), ...times }),
    appliance,
  })}</div>
${
  services.length + unansweredPorts > 0 &&
  html`<div><h3>services, by port</h3>${pageTable<ServiceRow>({
    columns: [
      {
        name: 'port',
        cell: ({ protocol, port, name }) =>
          name === null
            ? `${protocol}/${port}`
            : html`${protocol}/${port} <span class="dim">${name}</span>`,
        value: ({ port }) => port,
      },
      { name: 'share', bars: (row) => [row.bytes / most] },
      sized('size', (row) => row.bytes),
      counted('flows', (row) => row.flows),
    ],
    rows: services,
    facts: (row) => ({ filter: serviceFilter(row), ...times }),
    appliance,
  })}
${unansweredPorts > 0 && html`<p class="dim">and ${grouped(unansweredPorts)} ports on which nothing answered</p>`}</div>`
}
</div></section>`
}

function tcp({ tcp, distributions, ...shown }: Shown): Html | undefined {
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
  html`<h3>flows with most trouble</h3>${pageTable<TroubledFlow>({
    columns: [
      endsColumn<TroubledFlow>(shown),
      counted('packets', (flow) => flow.packets),
      counted('sent again', (flow) => flow.retransmissions),
      counted('out of order', (flow) => flow.outOfOrder),
      sized('never seen', (flow) => flow.missingBytes),
      ...sessionColumn<TroubledFlow>(shown.sessions),
    ],
    rows: tcp.worst,
    facts: flowFacts,
    appliance: shown.appliance,
  })}`
}
</section>`
}

function flows({ flows, distributions, ...shown }: Shown): Html | undefined {
  if (flows.count === 0) return undefined
  const columns: PageColumn<FlowSummary>[] = [
    endsColumn<FlowSummary>(shown),
    sized('size', (flow) => flow.bytes),
    counted('packets', (flow) => flow.packets),
    {
      name: 'duration',
      cell: (flow) => formatNanoseconds(durationOf(flow)),
      value: durationOf,
      kind: 'number',
    },
    { name: 'protocol', cell: ({ protocol }) => protocolName(protocol) ?? String(protocol) },
    ...sessionColumn<FlowSummary>(shown.sessions),
  ]
  const { appliance, sessions } = shown
  return html`<section id="flows"><h2>Flows</h2><div class="pair">
<div><h3>duration</h3><div class="chart" data-chart="flowDuration" role="img" aria-label="Distribution of flow durations"></div></div>
<div><h3>size</h3><div class="chart" data-chart="flowBytes" role="img" aria-label="Distribution of flow sizes"></div></div>
</div>
${percentiles([
  ['duration', distributions.flowDuration],
  ['bytes', distributions.flowBytes],
  ['packets', distributions.flowPackets],
])}
<h3>largest by bytes</h3>${pageTable({ columns, rows: withThoseOfSessions(flows.topByBytes, sessions), facts: flowOrExtra(flows.topByBytes), appliance })}
<h3>largest by packets</h3>${pageTable({ columns, rows: flows.topByPackets, facts: flowFacts, appliance })}
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

function files({ files, appliance }: Shown): Html {
  return html`<section id="files"><h2>Files</h2>
${pageTable<FileReport>({
  columns: [
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
      value: ({ snaplen }) => snaplen,
      kind: 'number',
    },
    counted('packets', ({ packets }) => packets),
    sized('size', ({ bytes }) => bytes),
    { name: 'first packet', cell: ({ first }) => (first === null ? '–' : formatMoment(first)) },
    counted('out of order', ({ ordering }) => ordering.backwards),
    {
      name: 'damage',
      cell: ({ damage }) => (damage === null ? '–' : `at byte ${damage.offset}: ${damage.message}`),
      isBad: ({ damage }) => damage !== null,
    },
  ],
  rows: files,
  appliance,
})}
</section>`
}

/** Last, so that more important columns are seen without scrolling. */
function sessionColumn<Row extends FlowSummary>(
  sessions: readonly SessionAnalysis[],
): PageColumn<Row>[] {
  if (sessions.length <= 1) return []
  return [{ name: 'session', cell: (flow) => flow.session ?? 'not mirrored', kind: 'address' }]
}

/** Stacked on a phone, so that the numbers are seen beside them. */
function endsColumn<Row extends FlowSummary>({ nameOf }: Pick<Shown, 'nameOf'>): PageColumn<Row> {
  const end = (address: string, port: number): Html => {
    const name = nameOf(address)
    const text = endText(address, port)
    return name === undefined ? html`${text}` : html`${text} <b>${name}</b>`
  }
  return {
    name: 'source → destination',
    cell: (flow) =>
      html`<span>${end(flow.srcAddr, flow.srcPort)}</span> <span>→ ${end(flow.dstAddr, flow.dstPort)}</span>`,
    kind: 'address',
  }
}

function hostMarkup(address: string, name: string | undefined): string | Html {
  return name === undefined ? address : html`${address} <b>${name}</b>`
}

function flowFacts(flow: FlowSummary): RowFacts {
  const { session, firstSeen, lastSeen } = flow
  return { filter: flowFilter(flow), session, ...timesOf(firstSeen, lastSeen) }
}

/** Marks a flow that is shown only if its session is chosen, because it is not among the largest of all. */
function flowOrExtra(largest: readonly FlowSummary[]): (flow: FlowSummary) => RowFacts {
  const shown = new Set(largest)
  return (flow) => ({ ...flowFacts(flow), isExtra: !shown.has(flow) })
}

function withThoseOfSessions(
  largest: readonly FlowSummary[],
  sessions: readonly SessionAnalysis[],
): FlowSummary[] {
  if (sessions.length <= 1) return [...largest]
  const known = new Set(largest.map(flowKey))
  const others = sessions.flatMap(({ topFlows }) => topFlows)
  return [...largest, ...others.filter((flow) => !known.has(flowKey(flow)))]
}

function flowKey({ session, srcAddr, srcPort, dstAddr, dstPort, ...rest }: FlowSummary): string {
  return [session, srcAddr, srcPort, dstAddr, dstPort, rest.protocol, rest.firstSeen].join(' ')
}

function timesOf(since: string | null, until: string | null): Pick<RowFacts, 'since' | 'until'> {
  return { since, until }
}

function durationOf({ firstSeen, lastSeen }: FlowSummary): number {
  return nanosecondsBetween(firstSeen, lastSeen)
}

function counted<Row>(name: string, value: (row: Row) => number): PageColumn<Row> {
  return { name, cell: (row) => grouped(value(row)), value, kind: 'number' }
}

function sized<Row>(name: string, value: (row: Row) => number): PageColumn<Row> {
  return { name, cell: (row) => formatOctets(value(row)), value, kind: 'number' }
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
  return plainTable(
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
  // Frame sizes are exact, in bytes.
  return value < 10_000 ? `${grouped(value)} B` : formatOctets(value)
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}
