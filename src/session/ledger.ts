import { CAPTURE_LOSSES, type CaptureLoss } from '../pcap/capture-loss.js'
import { FAULTS, type Fault } from '../wire/fault.js'
import type { CutCause } from './cut-frames.js'
import { type FragmentReport, noFragments } from './reassembly.js'

/**
 * What became of every received datagram, with one reason for each:
 *
 *     received = accepted + filtered + unknownSession + duplicate + Σ malformed (+ crashLost)
 *
 * All counts are packets. Datagrams that the kernel lost before they could be read are
 * separate, in `kernelLost`. `duplicate` counts only the duplicates that were dropped.
 */
export class Ledger {
  received = 0
  /** Passed on to a session's flows and captures. */
  accepted = 0
  /** Rejected by a session's filter or by `--vni`, or mirrored by none of the sessions that share it. */
  filtered = 0
  /** Packets of unknown sessions that were dropped, because of an option or because there was no room. */
  unknownSession = 0
  /** The part of `unknownSession` for which there was no room: too many sessions were open or new. */
  noRoom = 0
  /** Dropped as copies of packets of another session. */
  duplicate = 0
  /** By reason. A malformed inner frame is captured like any other, because it may be the one to look for. */
  readonly malformed: Record<Fault, number>

  /** Datagrams with reserved bits set in their VXLAN header; they are accepted (RFC 7348 §5). */
  reservedBits = 0
  /** Datagrams to the port of a tunnel that were not unwrapped, because they may be something else; see Demux. */
  inDoubt = 0
  /** For capture files: what became of fragments. A reassembled datagram is received once. */
  readonly fragments = noFragments()
  /** Datagrams longer than the receiver's slot. They are accepted without their last bytes. */
  cutDatagrams = 0
  /** Packets that are missing in captures, by cause. */
  readonly captureLosses = noCaptureLosses()
  /** Sessions closed to make room for others. */
  readonly evictedSessions = noClosedSessions()
  /** Sessions with packets that were deleted, or that were registered and go on under their new id. */
  readonly deletedSessions = noClosedSessions()

  constructor() {
    this.malformed = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>
  }

  /** Sum of `malformed`. */
  get malformedTotal(): number {
    return FAULTS.reduce((sum, fault) => sum + this.malformed[fault], 0)
  }

  /** Adds the counts of a session that is being closed. */
  close(session: CountedSession, why: 'evicted' | 'deleted'): void {
    const { counters } = session
    if (why === 'deleted' && counters.received === 0) return
    const closed = why === 'evicted' ? this.evictedSessions : this.deletedSessions
    closed.sessions++
    addTotals(closed, session.report())
    counters.closedInto = closed
  }

  /** The ledger as data, with counts from elsewhere. */
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
    /** After it was closed: the sums that include its counts. */
    closedInto: ClosedSessions | undefined
  }
  report(): SessionReport
}

/** A ledger as data, as `--stats` writes it and as it is sent between threads. */
export interface LedgerReport {
  received: number
  /** null if it is not known. */
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
  /** Datagrams to the port of a tunnel that were not unwrapped, because they may be something else. */
  inDoubt: number
  /** Fragments of tunnel datagrams in capture files. They are not part of `received`. */
  fragments: FragmentReport
  cutDatagrams: number
  /** Received by threads that crashed before they had processed them. */
  crashLost: number
  /** Receiving threads that were started again after a crash. */
  workerRestarts: number
  /** `captureLost` of all sessions, open and closed, by cause; only causes that occurred. */
  captureLosses: Partial<Record<CaptureLoss, number>>
  flows: FlowReport
  /** The counts of all sessions, open and closed. */
  totals: SessionTotals
  /** Sessions closed to make room, and their counts. */
  evictedSessions: ClosedSessions
  /** Counts of sessions that were deleted, or that were registered and closed under their old name. */
  deletedSessions: ClosedSessions
  sessions: SessionReport[]
  /** Rows of event logs, if they are written. */
  eventLogs?: RowCounts
  /** For an appliance: finished files that were removed because of its limits on disk space. */
  removed?: RemovedFiles
}

export interface RowCounts {
  readonly written: number
  readonly lost: number
}

/** `undeliveredFiles` is the part that had not been delivered yet. */
export interface RemovedFiles {
  readonly files: number
  readonly bytes: number
  readonly undeliveredFiles: number
}

function noCaptureLosses(): Record<CaptureLoss, number> {
  return Object.fromEntries(CAPTURE_LOSSES.map((why) => [why, 0])) as Record<CaptureLoss, number>
}

export interface FlowReport {
  /** Connections in the table, and the size of the table. */
  live: number
  capacity: number
  /** Connections that ended, by reason; only reasons that occurred. */
  ended: Record<string, number>
  emergencies: number
  inEmergency: boolean
  /** Flow log records in finished files, and records lost. */
  recordsWritten: number
  recordsLost: number
  /** The longest time that the flow table occupied its thread at once, in milliseconds. */
  longestPauseMs: number
}

/** For a command that does not track flows. */
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
  /** Packets in capture files, and packets missing there; see `captureLosses`. */
  captured: number
  captureLost: number
  /** Packets counted in flows; with `untracked` they make `accepted`. */
  flowPackets: number
  untracked: number
  malformed: number
  /** Packets rejected by the session's filter. */
  filtered: number
  /** Packets of unknown direction that a mirror filter accepted by the rules of either direction. */
  unknownDirection: number
  /** Accepted packets by direction at the mirrored interface, if that is known: CloudWatch's NetworkPacketsMirrorIn and so on. */
  ingressPackets: number
  ingressBytes: number
  egressPackets: number
  egressBytes: number
  /** Copies of packets of another session. Those that were dropped are in no other count than `received`. */
  duplicates: number
  /** Frames shorter than they were on the wire. */
  cut: number
  /** The same by probable cause, see cut-frames.ts; only causes that occurred. */
  cutCauses: Partial<Record<CutCause, number>>
  /** The PacketLength that the session seems to have. */
  packetLength: number | null
  /** How many UDP source ports its datagrams had, up to 64. Of several sessions with the same source and VNI, the first has this count. */
  outerPorts: number
  /** MAC address of the mirrored interface, after frames have shown it. */
  macAddress: string | null
  /** Bytes of the frames on the wire. */
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

/** Closed sessions: how many, and the sums of their counts. */
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

/** Adds `from` to `into`, for the reports of several workers. Sessions in both are merged. */
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
