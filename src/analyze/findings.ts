import type { CutCause } from '../session/cut-frames.js'
import type { AnalysisReport, Finding, FindingKind, SessionAnalysis } from './analysis-report.js'
import { behaviorFindings } from './behavior-findings.js'
import type { Behavior } from './behavior-report.js'
import { cutCauseText } from './cut-cause-text.js'
import { counted, formatNanoseconds, formatOctets, formatShare } from './quantities.js'

/** Segments sent again, in every hundred, from which on it is worth a word. */
const RETRANSMISSIONS_PERCENT = 1
/** The same of connections that were refused or not answered. */
const FAILED_PERCENT = 5
/** Fewer of them say nothing. */
const FAILED_MIN = 3

/** Reads a report as a person would who knows what matters. */
export function findingsOf(
  report: Omit<AnalysisReport, 'findings'>,
  behavior: Behavior,
): Finding[] {
  return [
    ...damage(report),
    ...loss(report),
    ...missingFragments(report),
    ...cuts(report),
    ...flowTable(report),
    ...malformed(report),
    ...retransmissions(report),
    ...failedConnections(report, behavior),
    ...behaviorFindings(behavior),
    ...duplicates(report),
    ...tunnelDoubt(report),
    ...unclaimedFragments(report),
    ...ordering(report),
    ...untimed(report),
  ]
}

type Source = Omit<AnalysisReport, 'findings'>

function damage({ files }: Source): Finding[] {
  return files.flatMap(({ file, damage }) =>
    damage === null
      ? []
      : [problem('damage', `${file} is damaged at byte ${damage.offset}; all before it was used`)],
  )
}

function loss({ tcp, totals }: Source): Finding[] {
  if (tcp.gapsAcknowledged === 0) return []
  const gaps = counted(tcp.gapsAcknowledged, 'gap')
  const size = formatOctets(tcp.acknowledgedMissingBytes)
  const who = totals.mirrored > 0 ? 'the mirror' : 'whoever captured it'
  return [
    problem(
      'loss',
      `${size} of TCP data in ${gaps} reached the receiver but not this capture: ${who} lost packets`,
    ),
  ]
}

function missingFragments({ totals }: Source): Finding[] {
  const { leftover, overlapping } = totals.fragments
  if (leftover === 0) return []
  const overlaps =
    overlapping === 0
      ? ''
      : `; parts overlap in ${counted(overlapping, 'datagram')}, which are refused`
  return [
    problem(
      'fragments-missing',
      `${counted(leftover, 'fragment')} of mirror datagrams left out: the other parts did not come ` +
        `in time, so that a receiver gets no frame either${overlaps}`,
    ),
  ]
}

function cuts({ sessions }: Source): Finding[] {
  return sessions
    .filter(({ cut }) => cut > 0)
    .map((session) => {
      const causes = Object.entries(session.cutCauses) as [CutCause, number][]
      const texts = causes.map(
        ([cause, count]) => `${count} ${cutCauseText(cause, session.packetLength)}`,
      )
      const share = formatShare(session.cut, session.packets)
      const frames = counted(session.cut, 'frame')
      return problem(
        'cut',
        `${sessionText(session)}: ${frames} (${share}) cut: ${texts.join(', ')}`,
      )
    })
}

function flowTable({ flows }: Source): Finding[] {
  if (flows.evicted === 0) return []
  const connections = counted(flows.evicted, 'connection')
  return [
    problem(
      'flow-table-full',
      `the flow table was full: ${connections} summed up early and perhaps in parts; raise max-flows`,
    ),
  ]
}

function malformed({ totals }: Source): Finding[] {
  const reasons = Object.entries(totals.malformed)
  if (reasons.length === 0) return []
  const count = reasons.reduce((sum, [, each]) => sum + each, 0)
  const texts = reasons.map(([reason, each]) => `${reason} ${each}`)
  return [problem('malformed', `${counted(count, 'frame')} could not be read: ${texts.join(', ')}`)]
}

function retransmissions({ tcp }: Source): Finding[] {
  if (100 * tcp.retransmissions < RETRANSMISSIONS_PERCENT * tcp.segments) return []
  if (tcp.retransmissions === 0) return []
  const share = formatShare(tcp.retransmissions, tcp.segments)
  const segments = counted(tcp.retransmissions, 'TCP segment')
  return [notice('retransmissions', `${segments} (${share}) sent again`)]
}

function failedConnections({ tcp }: Source, { failures }: Behavior): Finding[] {
  const failed = tcp.refused + tcp.unanswered
  if (failed < FAILED_MIN || 100 * failed < FAILED_PERCENT * tcp.attempted) return []
  const services = failures
    .filter(({ refused, unanswered }) => refused + unanswered > 0)
    .map(({ port, attempted, refused, unanswered }) => {
      return `port ${port}, ${refused + unanswered} of ${attempted}`
    })
  const ports = failures.map(({ port }) => `tcp port ${port}`)
  return [
    {
      ...notice(
        'connections-failed',
        `${failed} of ${counted(tcp.attempted, 'TCP connection')} failed: ${tcp.refused} refused, ` +
          `${tcp.unanswered} not answered; most: ${services.join('; ')}`,
      ),
      filter: `(${ports.join(' or ')}) and tcp[tcpflags] & (tcp-syn|tcp-rst) != 0`,
    },
  ]
}

function duplicates({ totals }: Source): Finding[] {
  if (totals.duplicates === 0) return []
  const packets = counted(totals.duplicates, 'packet')
  return [
    notice(
      'duplicates',
      `${packets} came twice, mirrored at both ends; duplicates=drop counts them once`,
    ),
  ]
}

function tunnelDoubt({ totals }: Source): Finding[] {
  if (totals.inDoubt === 0) return []
  const datagrams = counted(totals.inDoubt, 'datagram')
  return [
    notice(
      'tunnel-doubt',
      `${datagrams} to the port of a tunnel may be no tunnel and stayed as found: ` +
        'reserved bits set around no known kind of frame, or answers to a client at that port',
    ),
  ]
}

function unclaimedFragments({ totals }: Source): Finding[] {
  const { unclaimed } = totals.fragments
  if (unclaimed === 0 || totals.mirrored === 0) return []
  return [
    notice(
      'fragments-unclaimed',
      `${counted(unclaimed, 'UDP fragment')} without the first of their datagram: not known to be ` +
        'mirrored, so passed on as they are',
    ),
  ]
}

function ordering({ files }: Source): Finding[] {
  return files
    .filter(({ ordering: { backwards } }) => backwards > 0)
    .map(({ file, ordering: { backwards, largestStepNs } }) =>
      notice(
        'ordering',
        `${file}: ${counted(backwards, 'packet')} earlier than the one before, by up to ${formatNanoseconds(largestStepNs)}`,
      ),
    )
}

function untimed({ files }: Source): Finding[] {
  return files
    .filter((file) => file.untimed > 0)
    .map(({ file, untimed: count }) =>
      notice(
        'untimed',
        `${file}: ${counted(count, 'packet')} without a time, left out of all times`,
      ),
    )
}

function sessionText({ session }: SessionAnalysis): string {
  return session ?? 'not mirrored'
}

function problem(kind: FindingKind, text: string): Finding {
  return { kind, level: 'problem', text }
}

function notice(kind: FindingKind, text: string): Finding {
  return { kind, level: 'notice', text }
}
