import { CAPTURE_LOSSES, type CaptureLoss } from '../pcap/capture-loss.js'
import { FAULTS, type Fault } from '../wire/fault.js'
import type { CutCause } from './cut-frames.js'
import { type FragmentReport, noFragments } from './reassembly.js'

/**
 * Where every received datagram went, by one reason each:
 *
 *     received = accepted + filtered + unknownSession + duplicate + Σ malformed (+ crashLost)
 *
 * Packets throughout. What the kernel lost before we could read it stands beside
 * it, in `kernelLost`. `duplicate` counts only what was dropped for being one.
 */
export class Ledger {
  received = 0
  /** Passed on to a session's flows and captures. */
  accepted = 0
  /** Turned away by a session's filter or by `--vni`, or mirrored by none of the sessions that share it. */
  filtered = 0
  /** Of a session nobody announced, where those are dropped or there is no room for it. */
  unknownSession = 0
  /** Of those, packets of sessions that were not opened because too many were open or new. */
  noRoom = 0
  /** Dropped as a copy of a packet that another session had brought. */
  duplicate = 0
  /** By reason. A malformed inner frame is captured all the same: it is the one worth keeping. */
  readonly malformed: Record<Fault, number>

  /** Datagrams with reserved bits set in their VXLAN header; they are accepted (RFC 7348 §5). */
  reservedBits = 0
  /** Datagrams to the port of a tunnel that stayed what they are, for they may be none; see Demux. */
  inDoubt = 0
  /** Of capture files: what became of datagrams in fragments. One that was put together is received once. */
  readonly fragments = noFragments()
  /** Datagrams longer than the receiver's slot, whose tail is gone; they go on. */
  cutDatagrams = 0
  /** Packets that sessions lost to their captures, by what kept them out. */
  readonly captureLosses = noCaptureLosses()
  /** Sessions closed to make room for others. */
  readonly evictedSessions = noClosedSessions()
  /** Sessions with packets that were closed because they were deleted, or go on under the id they were registered with. */
  readonly deletedSessions = noClosedSessions()

  constructor() {
    this.malformed = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>
  }

  /** Sum of `malformed`. */
  get malformedTotal(): number {
    return FAULTS.reduce((sum, fault) => sum + this.malformed[fault], 0)
  }

  /** Takes over the counts of a session that is closed. */
  close(session: CountedSession, why: 'evicted' | 'deleted'): void {
    const { counters } = session
    if (why === 'deleted' && counters.received === 0) return
    const closed = why === 'evicted' ? this.evictedSessions : this.deletedSessions
    closed.sessions++
    addTotals(closed, session.report())
    counters.closedInto = closed
  }

  /** With what others know, as data. */
  report(
    others: Pick<LedgerReport, 'kernelLost' | 'sessions'> & { flows?: FlowReport },
  ): LedgerReport {
    const faults = FAULTS.filter((fault) => this.malformed[fault] > 0)
    const losses = CAPTURE_LOSSES.filter((why) => this.captureLosses[why] > 0)
    const { evictedSessions, deletedSessions } = this
    const totals = noTotals()
    for (const counts of [evictedSessions, deletedSessions, ...others.sessions]) {
      addTotals(totals, counts)
    }
    return {
      received: this.received,
      kernelLost: others.kernelLost,
      accepted: this.accepted,
      filtered: this.filtered,
      unknownSession: this.unknownSession,
      noRoom: this.noRoom,
      duplicate: this.duplicate,
      malformed: Object.fromEntries(faults.map((fault) => [fault, this.malformed[fault]])),
      reservedBits: this.reservedBits,
      inDoubt: this.inDoubt,
      fragments: { ...this.fragments },
      cutDatagrams: this.cutDatagrams,
      crashLost: 0,
      workerRestarts: 0,
      captureLosses: Object.fromEntries(losses.map((why) => [why, this.captureLosses[why]])),
      flows: others.flows ?? noFlows(),
      totals,
      evictedSessions: { ...evictedSessions },
      deletedSessions: { ...deletedSessions },
      sessions: others.sessions,
    }
  }
}

/** A session as the ledger knows it. */
interface CountedSession {
  readonly counters: {
    readonly received: number
    /** Once it is closed: the sums that its counts went into. */
    closedInto: ClosedSessions | undefined
  }
  report(): SessionReport
}

/** A ledger as data: what `--stats` writes and what crosses threads. */
export interface LedgerReport {
  received: number
  /** null where it cannot be known. */
  kernelLost: number | null
  accepted: number
  filtered: number
  unknownSession: number
  /** Packets of `unknownSession` whose session was not opened because too many were open or new. */
  noRoom: number
  duplicate: number
  /** Only reasons that occurred. */
  malformed: Partial<Record<Fault, number>>
  reservedBits: number
  /** To the port of a tunnel, and perhaps none: left as they were. */
  inDoubt: number
  /** Of tunnel datagrams in capture files; beside `received`, as what the kernel lost is. */
  fragments: FragmentReport
  cutDatagrams: number
  /** Received by receiving threads that crashed before they had dealt with them. */
  crashLost: number
  /** Receiving threads that were started again after a crash. */
  workerRestarts: number
  /** `captureLost` of all sessions, open and closed, by what kept the packets out; only reasons that occurred. */
  captureLosses: Partial<Record<CaptureLoss, number>>
  flows: FlowReport
  /** The counts of all sessions, open and closed. */
  totals: SessionTotals
  /** Sessions closed to make room, and their counts. */
  evictedSessions: ClosedSessions
  /** Sessions that were deleted, or registered and so closed under their old name; all others are listed. */
  deletedSessions: ClosedSessions
  sessions: SessionReport[]
  /** Rows of event logs, where those are written. */
  eventLogs?: RowCounts
  /** Of an appliance: finished files that were removed to keep within its bounds. */
  removed?: RemovedFiles
}

export interface RowCounts {
  readonly written: number
  readonly lost: number
}

/** Those of `undeliveredFiles` had yet to be delivered. */
export interface RemovedFiles {
  readonly files: number
  readonly bytes: number
  readonly undeliveredFiles: number
}

function noCaptureLosses(): Record<CaptureLoss, number> {
  return Object.fromEntries(CAPTURE_LOSSES.map((why) => [why, 0])) as Record<CaptureLoss, number>
}

export interface FlowReport {
  /** Connections in the table, and how many it holds at most. */
  live: number
  capacity: number
  /** Connections that ended, by reason; only reasons that occurred. */
  ended: Record<string, number>
  emergencies: number
  inEmergency: boolean
  /** Flow log records written and lost, where flow logs are on. */
  recordsWritten: number
  recordsLost: number
  /** The longest time the flow table held its thread in one go, in milliseconds. */
  longestPauseMs: number
}

/** Of a command that does not track flows. */
function noFlows(): FlowReport {
  return {
    live: 0,
    capacity: 0,
    ended: {},
    emergencies: 0,
    inEmergency: false,
    recordsWritten: 0,
    recordsLost: 0,
    longestPauseMs: 0,
  }
}

export interface SessionReport {
  /** `tms-…` or `vni-<VNI>_<source>`; null for packets that were not mirrored. */
  session: string | null
  vni: number | null
  source: string | null
  received: number
  accepted: number
  /** Packets in capture files, and those kept out of them: see `captureLosses`. */
  captured: number
  captureLost: number
  /** Packets counted in flows; with `untracked` they make `accepted`. */
  flowPackets: number
  untracked: number
  malformed: number
  /** Packets the session's filter turned away. */
  filtered: number
  /** Packets that a mirror filter let in while it was not known which way they ran: by either list of rules. */
  unknownDirection: number
  /** Accepted packets by their direction at the mirrored interface, where it is known; CloudWatch's NetworkPacketsMirrorIn and so on. */
  ingressPackets: number
  ingressBytes: number
  egressPackets: number
  egressBytes: number
  /** Copies of packets that another session had brought; those dropped are in no other count but `received`. */
  duplicates: number
  /** Frames shorter than they were on the wire. */
  cut: number
  /** The same by what they point to, see cut-frames.ts; only causes that occurred. */
  cutCauses: Partial<Record<CutCause, number>>
  /** Bytes that the session's PacketLength seems to leave of each frame. */
  packetLength: number | null
  /** UDP ports that its datagrams came from: so many at least, and 64 at most. Of sessions of one source and VNI, counted in the first. */
  outerPorts: number
  /** Of the mirrored interface, once its frames have told. */
  macAddress: string | null
  /** Bytes on the wire, by the frames' own lengths. */
  bytes: number
}

export const SESSION_COUNTS = [
  'received',
  'accepted',
  'captured',
  'captureLost',
  'flowPackets',
  'untracked',
  'malformed',
  'filtered',
  'unknownDirection',
  'ingressPackets',
  'ingressBytes',
  'egressPackets',
  'egressBytes',
  'duplicates',
  'cut',
  'bytes',
] as const satisfies readonly (keyof SessionReport)[]

export type SessionTotals = Record<(typeof SESSION_COUNTS)[number], number>

/** Sessions that are no more: how many, and the sums of their counts. */
export interface ClosedSessions extends SessionTotals {
  sessions: number
}

function noTotals(): SessionTotals {
  return Object.fromEntries(SESSION_COUNTS.map((name) => [name, 0])) as SessionTotals
}

function noClosedSessions(): ClosedSessions {
  return { sessions: 0, ...noTotals() }
}

export function addTotals(into: SessionTotals, from: SessionTotals): void {
  for (const name of SESSION_COUNTS) into[name] += from[name]
}

/** Adds `from` to `into`, for the reports of several workers. Sessions that several saw are joined. */
export function addReport(into: LedgerReport, from: LedgerReport): void {
  into.received += from.received
  into.kernelLost =
    into.kernelLost === null || from.kernelLost === null ? null : into.kernelLost + from.kernelLost
  into.accepted += from.accepted
  into.filtered += from.filtered
  into.unknownSession += from.unknownSession
  into.noRoom += from.noRoom
  into.duplicate += from.duplicate
  addCounts(into.malformed, from.malformed)
  into.reservedBits += from.reservedBits
  into.inDoubt += from.inDoubt
  for (const name of FRAGMENT_COUNTS) into.fragments[name] += from.fragments[name]
  into.cutDatagrams += from.cutDatagrams
  into.crashLost += from.crashLost
  into.workerRestarts += from.workerRestarts
  addCounts(into.captureLosses, from.captureLosses)
  into.flows.live += from.flows.live
  into.flows.capacity += from.flows.capacity
  addCounts(into.flows.ended, from.flows.ended)
  into.flows.emergencies += from.flows.emergencies
  into.flows.inEmergency ||= from.flows.inEmergency
  into.flows.recordsWritten += from.flows.recordsWritten
  into.flows.recordsLost += from.flows.recordsLost
  into.flows.longestPauseMs = Math.max(into.flows.longestPauseMs, from.flows.longestPauseMs)
  if (from.eventLogs !== undefined) {
    const { written, lost } = into.eventLogs ?? { written: 0, lost: 0 }
    into.eventLogs = {
      written: written + from.eventLogs.written,
      lost: lost + from.eventLogs.lost,
    }
  }
  addTotals(into.totals, from.totals)
  for (const name of ['evictedSessions', 'deletedSessions'] as const) {
    into[name].sessions += from[name].sessions
    addTotals(into[name], from[name])
  }
  const bySession = new Map(into.sessions.map((session) => [session.session, session]))
  for (const session of from.sessions) {
    const known = bySession.get(session.session)
    if (known === undefined) {
      const copy = structuredClone(session)
      into.sessions.push(copy)
      bySession.set(copy.session, copy)
    } else {
      addTotals(known, session)
      addCounts(known.cutCauses, session.cutCauses)
      known.outerPorts = Math.max(known.outerPorts, session.outerPorts)
      known.packetLength ??= session.packetLength
      known.macAddress ??= session.macAddress
      known.source ??= session.source
    }
  }
}

const FRAGMENT_COUNTS = Object.keys(noFragments()) as (keyof FragmentReport)[]

function addCounts(into: Record<string, number>, from: Record<string, number>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count
}
