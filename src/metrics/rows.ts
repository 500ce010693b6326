import { type Latency, QUANTILES } from '../durations.js'
import { SESSION_COUNTS } from '../session/ledger.js'
import { FAULTS } from '../wire/fault.js'
import type { DeliverySums } from './delivery-sums.js'
import type { MetricsFacts } from './facts.js'
import type { SessionSample } from './session-series.js'

/** What a row is read from. */
export interface Sampled extends MetricsFacts {
  readonly sessions: readonly SessionSample[]
  readonly deliverySums: readonly DeliverySums[]
}

/** One value of a metric. A value of null is not known, and left out. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number | null
}

/** One metric. Names of counters are without `_total`, those of all without `mirrortap_`. */
export interface MetricRow {
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  read(from: Sampled): Iterable<Sample>
}

/** A distribution of seconds. */
export interface SummaryRow {
  readonly name: string
  readonly help: string
  read(from: Sampled): Iterable<{ labels: Readonly<Record<string, string>>; latency: Latency }>
}

function counter(name: string, help: string, read: MetricRow['read']): MetricRow {
  return { name, help, kind: 'counter', read }
}

function gauge(name: string, help: string, read: MetricRow['read']): MetricRow {
  return { name, help, kind: 'gauge', read }
}

/** A sample each of a record, its key as a label. */
function byKey(label: string, record: Readonly<Record<string, number | undefined>>): Sample[] {
  return Object.entries(record).map(([key, value]) => ({
    labels: { [label]: snake(key) },
    value: value ?? null,
  }))
}

/** `unknownSession` and `inner-truncated` as labels and names have them. */
function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_')
}

function total(record: Readonly<Partial<Record<string, number>>>): number {
  return Object.values(record).reduce<number>((sum, count) => sum + (count ?? 0), 0)
}

const LEDGER: readonly MetricRow[] = [
  counter('received_packets', 'Mirrored packets received.', ({ ledger }) => [
    { value: ledger.received },
  ]),
  counter(
    'packets',
    'Received packets by what became of them; the sum is received_packets.',
    ({ ledger }) => {
      const { accepted, filtered, unknownSession, duplicate, malformed, crashLost } = ledger
      const outcomes = { accepted, filtered, unknownSession, duplicate, crashLost }
      return byKey('outcome', { ...outcomes, malformed: total(malformed) })
    },
  ),
  counter('malformed_packets', 'Malformed packets by what is wrong.', ({ ledger }) =>
    byKey('reason', Object.fromEntries(FAULTS.map((name) => [name, ledger.malformed[name] ?? 0]))),
  ),
  counter(
    'kernel_lost_packets',
    'Packets that the kernel dropped before they were read.',
    ({ ledger }) => [{ value: ledger.kernelLost }],
  ),
  counter(
    'no_room_packets',
    'Packets of sessions that were not opened, as too many were open or new.',
    ({ ledger }) => [{ value: ledger.noRoom }],
  ),
  counter('reserved_header_packets', 'Packets with reserved VXLAN bits set.', ({ ledger }) => [
    { value: ledger.reservedBits },
  ]),
  counter(
    'in_doubt_packets',
    'Packets to the port of a tunnel that stayed what they are.',
    ({ ledger }) => [{ value: ledger.inDoubt }],
  ),
  counter('cut_datagrams', 'Datagrams longer than the buffer they are read to.', ({ ledger }) => [
    { value: ledger.cutDatagrams },
  ]),
  counter('fragments', 'Fragments of mirror datagrams, by what became of them.', ({ ledger }) =>
    byKey('outcome', { ...ledger.fragments }),
  ),
  counter('worker_restarts', 'Receiving threads started again after a crash.', ({ ledger }) => [
    { value: ledger.workerRestarts },
  ]),
  counter('capture_lost_packets', 'Packets lost to captures, by reason.', ({ ledger }) =>
    byKey('reason', ledger.captureLosses),
  ),
  gauge('sessions', 'Mirror sessions that are open.', ({ ledger }) => [
    { value: ledger.sessions.length },
  ]),
  counter('closed_sessions', 'Mirror sessions that were closed, by reason.', ({ ledger }) =>
    byKey('reason', {
      evicted: ledger.evictedSessions.sessions,
      deleted: ledger.deletedSessions.sessions,
    }),
  ),
  gauge('flow_table_connections', 'Connections in the flow table.', ({ ledger }) => [
    { value: ledger.flows.live },
  ]),
  gauge('flow_table_capacity', 'Connections that the flow table holds at most.', ({ ledger }) => [
    { value: ledger.flows.capacity },
  ]),
  gauge(
    'flow_table_emergency',
    '1 while the flow table is so full that idle time-outs are short.',
    ({ ledger }) => [{ value: ledger.flows.inEmergency ? 1 : 0 }],
  ),
  counter('flow_table_emergencies', 'Times that the flow table got so full.', ({ ledger }) => [
    { value: ledger.flows.emergencies },
  ]),
  counter('ended_connections', 'Connections that ended, by reason.', ({ ledger }) =>
    byKey('reason', ledger.flows.ended),
  ),
  counter('flow_log_records', 'Flow log records written and lost.', ({ ledger }) =>
    byKey('outcome', { written: ledger.flows.recordsWritten, lost: ledger.flows.recordsLost }),
  ),
  counter('event_log_rows', 'Rows of event logs written and lost.', ({ ledger }) =>
    byKey('outcome', { ...ledger.eventLogs }),
  ),
  gauge(
    'flow_table_longest_pause_seconds',
    'Longest time that the flow table held a receiving thread in one go.',
    ({ ledger }) => [{ value: ledger.flows.longestPauseMs / 1000 }],
  ),
]

const SESSION_HELP: Readonly<Record<(typeof SESSION_COUNTS)[number], string>> = {
  received: 'Packets received of a session.',
  accepted: 'Packets of a session passed on to flows and captures.',
  captured: 'Packets of a session in capture files.',
  captureLost: 'Packets of a session lost to its capture.',
  flowPackets: 'Packets of a session counted in flows.',
  untracked: 'Packets of a session that are of no flow.',
  malformed: 'Packets of a session that are malformed.',
  filtered: 'Packets of a session that a filter turned away.',
  unknownDirection: 'Packets of a session accepted by rules of either direction.',
  ingressPackets:
    'Accepted packets that the interface received, NetworkPacketsMirrorIn of CloudWatch.',
  ingressBytes:
    'Bytes of accepted packets that the interface received, NetworkMirrorIn of CloudWatch.',
  egressPackets: 'Accepted packets that the interface sent, NetworkPacketsMirrorOut of CloudWatch.',
  egressBytes: 'Bytes of accepted packets that the interface sent, NetworkMirrorOut of CloudWatch.',
  duplicates: 'Packets of a session that another session had brought.',
  cut: 'Frames of a session shorter than they were on the wire.',
  bytes: 'Bytes of a session, by the own lengths of its frames.',
}

/** The names end in what is counted. */
const SESSION_UNITS: Partial<Record<(typeof SESSION_COUNTS)[number], string>> = {
  flowPackets: 'flow_packets',
  ingressPackets: 'ingress_packets',
  ingressBytes: 'ingress_bytes',
  egressPackets: 'egress_packets',
  egressBytes: 'egress_bytes',
  duplicates: 'duplicate_packets',
  cut: 'cut_frames',
  bytes: 'bytes',
}

const SESSIONS: readonly MetricRow[] = [
  ...SESSION_COUNTS.map((count) =>
    counter(
      `session_${SESSION_UNITS[count] ?? `${snake(count)}_packets`}`,
      `${SESSION_HELP[count]} Sessions without series of their own are summed as "other".`,
      ({ sessions }) =>
        sessions.map(({ labels, counts }) => ({ labels: { ...labels }, value: counts[count] })),
    ),
  ),
  gauge(
    'session_cut_frames_by_cause',
    'Frames of a session that were cut, by what their lengths point to.',
    ({ sessions }) =>
      sessions.flatMap(({ labels, report }) =>
        byKey('cause', report?.cutCauses ?? {}).map((sample) => ({
          labels: { session: labels.session, ...sample.labels },
          value: sample.value,
        })),
      ),
  ),
]

const DELIVERIES: readonly MetricRow[] = [
  gauge('delivery_waiting_files', 'Files that have yet to arrive.', ({ deliverySums }) =>
    deliverySums.map(({ kind, waitingFiles }) => ({ labels: { kind }, value: waitingFiles })),
  ),
  gauge('delivery_waiting_bytes', 'Bytes of files that have yet to arrive.', ({ deliverySums }) =>
    deliverySums.map(({ kind, waitingBytes }) => ({ labels: { kind }, value: waitingBytes })),
  ),
  gauge('delivery_lag_seconds', 'Age of the oldest file that has yet to arrive.', (from) =>
    from.deliverySums.map(({ kind, lagSeconds }) => ({ labels: { kind }, value: lagSeconds })),
  ),
  gauge('deliveries_failing', 'Deliveries whose last attempt failed.', ({ deliverySums }) =>
    deliverySums.map(({ kind, failing }) => ({ labels: { kind }, value: failing })),
  ),
  ...(
    [
      ['delivered_files', 'deliveredFiles', 'Files that arrived.'],
      ['delivered_bytes', 'deliveredBytes', 'Bytes of files that arrived.'],
      ['delivery_refused_records', 'refusedRecords', 'Records refused for good.'],
      ['delivery_lost_files', 'lostFiles', 'Files that were gone or no files of a queue.'],
      ['delivery_failures', 'failures', 'Attempts that failed.'],
    ] as const
  ).map(([name, count, help]) =>
    counter(name, help, ({ deliverySums }) =>
      deliverySums.map((sums) => ({ labels: { kind: sums.kind }, value: sums[count] })),
    ),
  ),
]

const APPLIANCE: readonly MetricRow[] = [
  gauge('build_info', '1, with the version.', ({ version }) => [{ labels: { version }, value: 1 }]),
  gauge('ready', '1 while /readyz is 200.', ({ isReady }) => [{ value: isReady ? 1 : 0 }]),
  gauge('worker_silence_seconds', 'Since a receiving thread last showed that it runs.', (from) =>
    from.workers.map(({ worker, silentMs }) => ({
      labels: { worker: String(worker) },
      value: silentMs / 1000,
    })),
  ),
  gauge(
    'disk_operation_seconds',
    'How long the oldest operation at a disk has been under way, by what is written.',
    ({ waitingMs }) =>
      Object.entries(waitingMs).map(([what, ms]) => ({
        labels: { what },
        value: (ms ?? 0) / 1000,
      })),
  ),
  gauge('receive_buffer_bytes', 'Receive buffer of each socket: asked for, granted.', (from) =>
    byKey('which', { ...from.receiveBuffer }),
  ),
  gauge('disk_bytes', 'Size of the file system that is written to.', ({ spaces }) =>
    spaces.map(({ directory, bytes }) => ({ labels: { directory }, value: bytes })),
  ),
  gauge('disk_available_bytes', 'What is left of it.', ({ spaces }) =>
    spaces.map(({ directory, availableBytes }) => ({
      labels: { directory },
      value: availableBytes,
    })),
  ),
  gauge('disk_available_files', 'Files that can still be made there.', ({ spaces }) =>
    spaces.map(({ directory, availableFiles }) => ({
      labels: { directory },
      value: availableFiles ?? null,
    })),
  ),
]

const API: readonly MetricRow[] = [
  counter('api_requests', 'Requests to the API by how they ended.', ({ api }) => {
    if (api === undefined) return []
    const { answered, refused, failed, turnedAway, bodiesGivenUp } = api.counts
    return byKey('outcome', { answered, refused, failed, turnedAway, bodiesGivenUp })
  }),
  gauge('api_connections', 'Connections to the API.', ({ api }) =>
    api === undefined ? [] : [{ value: api.counts.connections }],
  ),
  counter('api_closed_connections', 'Connections closed for others, or not taken.', ({ api }) =>
    api === undefined
      ? []
      : byKey('reason', {
          evicted: api.counts.connectionsEvicted,
          refused: api.counts.connectionsRefused,
        }),
  ),
  counter('audit_lines_lost', 'Lines of the audit log never written.', ({ auditLinesLost }) =>
    auditLinesLost === undefined ? [] : [{ value: auditLinesLost }],
  ),
]

/** In the order they are shown. */
export const METRIC_ROWS = [...APPLIANCE, ...LEDGER, ...SESSIONS, ...DELIVERIES, ...API]

export const SUMMARY_ROWS: readonly SummaryRow[] = [
  {
    name: 'processing_seconds',
    help: 'From the kernel to the end of its way: the first datagram of each batch, of late.',
    read: ({ workers }) =>
      workers.map(({ worker, latency }) => ({ labels: { worker: String(worker) }, latency })),
  },
  {
    name: 'api_request_seconds',
    help: 'From the head of a request to the API to the end of its reply, of late.',
    read: ({ api }) => (api === undefined ? [] : [{ labels: {}, latency: api.latency }]),
  },
]

/** The values of a summary, its name being `name`. */
export function summaryValues(
  name: string,
  labels: Readonly<Record<string, string>>,
  { count, sumSeconds, quantiles }: Latency,
): { metricName?: string; labels: Record<string, string>; value: number }[] {
  return [
    ...QUANTILES.map((quantile, at) => ({
      labels: { ...labels, quantile: String(quantile) },
      // Nothing of late, and none ever, are told apart by the count.
      value: count === 0 ? Number.NaN : quantiles[at]!,
    })),
    { metricName: `${name}_sum`, labels: { ...labels }, value: sumSeconds },
    { metricName: `${name}_count`, labels: { ...labels }, value: count },
  ]
}
