import { cutCauseText } from '../../analyze/cut-cause-text.js'
import { formatOctets } from '../../analyze/quantities.js'
import type { CaptureLoss } from '../../pcap/capture-loss.js'
import type { CutCause } from '../../session/cut-frames.js'
import type { LedgerReport, SessionReport } from '../../session/ledger.js'
import { type Column, fittedTable } from '../../terminal/fitted-table.js'

/** Sessions in the table. */
const LISTED_MAX = 100

const LOSS_TEXTS: Readonly<Record<CaptureLoss, string>> = {
  disk: 'by the disk',
  'no-file': 'as too many files were open',
  'no-directory': 'as too many directories were new',
  'link-type': 'of another link type than the file',
}

/** A ledger for people: one equation, then a table of the sessions. */
export function formatLedger(report: LedgerReport): string[] {
  const malformed = Object.entries(report.malformed)
  const malformedTotal = malformed.reduce((sum, [, count]) => sum + count, 0)
  const parts = [
    `${report.accepted} accepted`,
    `${report.filtered} filtered`,
    `${report.unknownSession} unknown session`,
    `${report.duplicate} duplicate`,
    `${malformedTotal} malformed`,
  ]
  if (report.crashLost > 0) parts.push(`${report.crashLost} lost in a crash`)
  const lines = [`${report.received} received = ${parts.join(' + ')}`]
  if (malformed.length > 0) {
    lines.push(`malformed: ${malformed.map(([reason, count]) => `${reason} ${count}`).join(', ')}`)
  }
  const lost = report.kernelLost === null ? 'not known here' : String(report.kernelLost)
  const { live, capacity, recordsWritten, recordsLost } = report.flows
  lines.push(
    `lost by the kernel: ${lost}; connections: ${live} of ${capacity}; ` +
      `flow log records: ${recordsWritten} written, ${recordsLost} lost`,
  )
  if (report.eventLogs !== undefined) {
    const { written, lost } = report.eventLogs
    lines.push(`event log rows: ${written} written, ${lost} lost`)
  }
  if (report.workerRestarts > 0) {
    lines.push(`receiving threads started again after a crash: ${report.workerRestarts}`)
  }
  if (report.reservedBits > 0) lines.push(`reserved VXLAN bits set: ${report.reservedBits}`)
  if (report.inDoubt > 0) lines.push(`perhaps no VXLAN, not unwrapped: ${report.inDoubt}`)
  if (report.noRoom > 0) {
    lines.push(
      `of unknown sessions, as too many were open or new (--max-sessions): ${report.noRoom}`,
    )
  }
  const { removed } = report
  if (removed !== undefined) {
    lines.push(
      `finished files removed to keep within bounds: ${removed.files} of ${formatOctets(removed.bytes)}, ` +
        `${removed.undeliveredFiles} of them not delivered`,
    )
  }
  const losses = Object.entries(report.captureLosses) as [CaptureLoss, number][]
  if (losses.length > 0) {
    const texts = losses.map(([why, count]) => `${count} ${LOSS_TEXTS[why]}`)
    lines.push(`lost to captures: ${texts.join(', ')}`)
  }
  if (report.evictedSessions.sessions > 0) {
    const { sessions, received, captured, captureLost } = report.evictedSessions
    lines.push(
      `sessions closed to make room: ${sessions}, which had received ${received}; ` +
        `${captured} of those captured, ${captureLost} lost to captures`,
    )
  }
  if (report.deletedSessions.sessions > 0) {
    const { sessions, received } = report.deletedSessions
    lines.push(`sessions deleted or renamed: ${sessions}, which had received ${received}`)
  }
  const heard = report.sessions.filter(({ received }) => received > 0)
  const quiet = report.sessions.length - heard.length
  if (quiet > 0) lines.push(`sessions that nothing came for: ${quiet}`)
  const shown = mostHeard(heard)
  if (shown.length > 0) lines.push(...sessionTable(shown))
  if (shown.length < heard.length) {
    lines.push(
      `sessions with fewer packets: ${heard.length - shown.length}; --stats lists them all`,
    )
  }
  lines.push(...formatCuts(shown))
  return lines
}

/** Those that are listed, in the order they came: senders can make up any number. */
function mostHeard(sessions: SessionReport[]): SessionReport[] {
  if (sessions.length <= LISTED_MAX) return sessions
  const most = sessions.toSorted((a, b) => b.received - a.received).slice(0, LISTED_MAX)
  const shown = new Set(most)
  return sessions.filter((session) => shown.has(session))
}

/** What the sessions' cut frames point to, a line each session that has any. */
export function formatCuts(sessions: readonly SessionReport[]): string[] {
  return sessions
    .filter(({ cut }) => cut > 0)
    .map((session) => {
      const causes = Object.entries(session.cutCauses) as [CutCause, number][]
      const texts = causes.map(
        ([cause, count]) => `${count} ${cutCauseText(cause, session.packetLength)}`,
      )
      return `${session.session ?? 'not mirrored'}: ${session.cut} frames cut: ${texts.join(', ')}`
    })
}

/** The same in one short line, to be redrawn. */
export function formatLedgerLine(report: LedgerReport): string {
  const lost = report.kernelLost === null ? '' : `, ${report.kernelLost} lost`
  const bad = report.received - report.accepted
  return (
    `${report.received} received${lost}, ${bad} not accepted, ` +
    `${report.sessions.length} sessions, ${report.flows.live} connections`
  )
}

function sessionTable(sessions: readonly SessionReport[]): string[] {
  const count = (name: string, of: (session: SessionReport) => number): Column<SessionReport> => ({
    name,
    cell: (session) => String(of(session)),
    right: true,
  })
  const columns: Column<SessionReport>[] = [
    { name: 'session', cell: ({ session }) => session ?? '-' },
    count('received', ({ received }) => received),
    count('filtered', ({ filtered }) => filtered),
    count('captured', ({ captured }) => captured),
    count('in flows', ({ flowPackets }) => flowPackets),
    count('untracked', ({ untracked }) => untracked),
    count('malformed', ({ malformed }) => malformed),
    count('cut', ({ cut }) => cut),
    { name: 'size', cell: ({ bytes }) => formatOctets(bytes), right: true },
  ]
  return fittedTable(columns, sessions, Number.POSITIVE_INFINITY)
}
