import { FRAGMENT_NONE, type Frame } from '../wire/frame.js'
import { Emergency } from './emergency.js'
import {
  BYTES_0,
  COLD_WORDS,
  DEADLINE,
  FIRST_SECONDS_0,
  FLAGS,
  HOT_WORDS,
  LAST_SECONDS_0,
  NEVER,
  NO_ENTRY,
  PACKETS_0,
  PACKETS_1,
  PORTS,
  SESSION,
  STATE,
  WINDOW_END,
} from './flow-entry.js'
import type { FlowHash } from './flow-hash.js'
import { END_REASONS, type EndReason } from './flow-record.js'
import {
  INTERFACE_CONFIRMED,
  INTERFACE_MASK,
  INTERFACE_SHIFT,
  initialState,
  nextState,
  reopens,
  STATE_CLOSED,
  STATE_MASK,
  STATE_RESET,
  STATE_UNTIMED,
  vpcFlags,
} from './flow-state.js'
import { FlowTable, NO_FLOW } from './flow-table.js'
import { Fragments, UNTIMED, WAITING_SECONDS } from './fragments.js'
import { compileLifetime, type Lifetime, timeoutIndex } from './lifetime.js'
import { isWorthLess, leastValuable, SAMPLE } from './pressure.js'
import { SessionFlows } from './session-flows.js'
import { FAR, StoredTime } from './stored-time.js'
import { TimingWheel } from './timing-wheel.js'
import { WindowReports, type WindowReportsOptions } from './window-reports.js'

export interface FlowTrackerOptions extends WindowReportsOptions {
  /** Connections held at most. */
  capacity: number
  /** Session indices are below this. */
  sessions: number
  /** Connections one session may hold at most. */
  sessionQuota?: number
  /** Idle time-outs; without them a flow lives until the end (offline reports over a whole file). */
  lifetime?: Lifetime
  /** A connection is about to be taken out of the table; its entry can still be read. */
  onEnd?: (flow: number, reason: EndReason) => void
  /** For tests; by default keyed at random. */
  hash?: FlowHash
}

/** A packet may be this much older than one that came before it and still find its flow and window open. */
const GRACE_SECONDS = 1

/**
 * Counts packets into flows and hands over a record for each flow and window.
 *
 * Two clocks are kept apart: a flow's *life* ends by idle time-outs and TCP
 * flags; its *record* ends with every aggregation window. Both run on packet
 * time. Whether a packet continues a flow or begins it anew depends on the times
 * of that flow's own packets alone, so a live run and a replay agree; `work` only
 * decides how soon memory is freed and records leave.
 */
export class FlowTracker {
  readonly table: FlowTable
  readonly sessions: SessionFlows
  /** Connections that ended, by reason. */
  readonly ended: Record<EndReason, number>
  /** The latest second in which a flow was ended before its time, as the table keeps it; -1: never. */
  evictedAt = -1
  /** The packet clock: the latest second seen, as the table keeps it. */
  now = 0

  readonly fragments: Fragments

  readonly #time = new StoredTime()
  readonly #reports: WindowReports
  readonly #wheel: TimingWheel
  /** Undefined where flows do not time out, and with it the emergency that shortens time-outs. */
  readonly #timeouts: Uint32Array | undefined
  readonly #emergency: Emergency | undefined
  readonly #onEnd: FlowTrackerOptions['onEnd']
  readonly #quota: number
  /** No packet from before this second is expected any more. */
  #settled = 0
  /** Where the search for something to evict goes on. */
  #hand = 0

  constructor(options: FlowTrackerOptions) {
    this.table = new FlowTable(options.capacity, options.hash)
    this.sessions = new SessionFlows(this.table, options.sessions)
    this.ended = Object.fromEntries(END_REASONS.map((reason) => [reason, 0])) as typeof this.ended
    this.fragments = new Fragments(
      (frame, session, seconds, nanoseconds) =>
        this.#count(frame, session, seconds, nanoseconds, nanoseconds !== UNTIMED),
      options.windowSeconds,
    )
    this.#reports = new WindowReports(this.table, this.#time, options)
    this.#wheel = new TimingWheel(this.table)
    this.#timeouts = options.lifetime && compileLifetime(options.lifetime)
    this.#emergency = this.#timeouts && new Emergency(this.table, this.#timeouts)
    this.#onEnd = options.onEnd
    this.#quota = options.sessionQuota ?? options.capacity
  }

  /** Times the table became nearly full. */
  get emergencies(): number {
    return this.#emergency?.count ?? 0
  }

  /** Whether it is nearly full now, and time-outs are short. */
  get inEmergency(): boolean {
    return this.#emergency?.active ?? false
  }

  /**
   * Counts one packet that carries IP. Its direction is then in `table.direction`.
   * A packet that is not `timed` counts as of now and leaves the flow's first and
   * last times alone. Returns the flow, WAITING_FLOW for a fragment that waits for
   * its first, or NO_FLOW where the capacity is 0.
   */
  track(frame: Frame, session: number, seconds: number, nanoseconds: number, timed = true): number {
    if (!timed) seconds = this.now
    else if (seconds >= FAR) seconds = this.#time.storeFar(seconds)
    if (seconds > this.now) {
      this.now = seconds
      this.#settle(seconds - GRACE_SECONDS)
    }
    return frame.fragment === FRAGMENT_NONE
      ? this.#count(frame, session, seconds, nanoseconds, timed)
      : this.fragments.track(frame, session, seconds, timed ? nanoseconds : UNTIMED)
  }

  #count(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): number {
    const table = this.table
    let flow = table.touch(frame, session)
    if (flow === NO_FLOW) {
      if (!this.#makeRoom()) return NO_FLOW
      flow = table.touch(frame, session)
    }
    const words = table.words
    const at = flow * HOT_WORDS
    const direction = table.direction
    const tcpFlags = frame.tcpFlags

    if (table.created) {
      this.#begin(flow, session, direction, frame.protocol, seconds)
      if (this.sessions.counts[session]! > this.#quota) this.#evictFrom(session, flow)
    } else if (seconds > words[at + DEADLINE]!) {
      this.#beginAgain(flow, direction, frame.protocol, seconds)
    } else if (reopens(words[at + STATE]!, tcpFlags) && this.#timeouts !== undefined) {
      this.#beginAgain(flow, direction, frame.protocol, seconds)
    }
    if (seconds >= words[at + WINDOW_END]!) this.#reports.enter(flow, seconds)

    const counts = table.counts
    const countsAt = at >>> 1
    const packets = counts[countsAt + PACKETS_0 + direction * 2]! + 1
    counts[countsAt + PACKETS_0 + direction * 2] = packets
    counts[countsAt + BYTES_0 + direction * 2]! += frame.ipLength

    const last = at + LAST_SECONDS_0 + direction * 2
    const lastSeconds = words[last]!
    const untimed = STATE_UNTIMED << direction
    if (!timed) {
      if (packets === 1) {
        words[at + STATE]! |= untimed
        // Nothing of the flow that had the entry before must show.
        words.fill(0, last, last + 2)
        const first = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
        table.cold.fill(0, first, first + 2)
      }
    } else if (packets === 1 || (words[at + STATE]! & untimed) !== 0) {
      words[at + STATE]! &= ~untimed
      const first = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
      table.cold[first] = seconds
      table.cold[first + 1] = nanoseconds
      words[last] = seconds
      words[last + 1] = nanoseconds
    } else if (
      seconds > lastSeconds ||
      (seconds === lastSeconds && nanoseconds >= words[last + 1]!)
    ) {
      words[last] = seconds
      words[last + 1] = nanoseconds
    } else {
      this.#noteEarlier(flow, direction, seconds, nanoseconds)
    }
    this.#reports.note(flow, direction, seconds)

    const state = words[at + STATE]!
    const next = nextState(state, direction, tcpFlags)
    words[at + FLAGS]! |= ((tcpFlags << 16) | vpcFlags(tcpFlags)) << (direction * 8)
    if (next !== state) words[at + STATE] = next
    const timeouts = this.#timeouts
    if (timeouts !== undefined) {
      const deadline = seconds + timeouts[timeoutIndex(next)]!
      if (next !== state) this.#changeTimeout(flow, state, next, seconds)
      else if (deadline > words[at + DEADLINE]!) words[at + DEADLINE] = deadline
    }
    return flow
  }

  /**
   * Moves the clock forward from a timer, so that a quiet session is written out
   * too. `seconds` must lie behind every packet that the receiver may still hold.
   */
  advance(seconds: number): void {
    if (seconds > this.now) this.now = seconds
    this.#settle(seconds)
  }

  /**
   * Does what has become due: ends idle flows, hands over the records of windows
   * that are over, frees memory in an emergency. Looks at about `budget` flows and
   * returns whether something is left to do, so that a receiver is never kept
   * waiting for long.
   */
  work(budget: number): boolean {
    this.fragments.expire(this.#settled)
    let left = this.#expire(budget)
    if (left > 0) left = this.#reports.sweep(left, (end) => this.fragments.flush(end))
    if (left <= 0) return true
    return this.#emergency?.relieve(this.now, left, (flow) => this.#endEarly(flow)) ?? false
  }

  /** The longest idle time-out, in seconds; Infinity where flows do not time out. */
  get longestTimeout(): number {
    return this.#timeouts === undefined ? Number.POSITIVE_INFINITY : Math.max(...this.#timeouts)
  }

  /**
   * Whether to ask which end of the flow the mirrored interface is: while that is
   * not known and confirmed, at the flow's first packets and at every 64th from then on.
   */
  wantsInterface(flow: number): boolean {
    const at = flow * HOT_WORDS
    const state = this.table.words[at + STATE]!
    if ((state & INTERFACE_MASK) !== 0 && (state & INTERFACE_CONFIRMED) !== 0) return false
    const { counts } = this.table
    const packets = counts[(at >>> 1) + PACKETS_0]! + counts[(at >>> 1) + PACKETS_1]!
    return packets <= 4 || packets % 64 === 0
  }

  /**
   * `end`: A_IS_LOCAL, A_IS_REMOTE, or 0 while it is not known; the first answer stays.
   * `confirmed`: whether the outer source is known to be the interface's. Both are kept
   * with the flow, so that its records say what was known at its own packets.
   */
  setInterface(flow: number, end: number, confirmed: boolean): void {
    const at = flow * HOT_WORDS + STATE
    const { words } = this.table
    if ((words[at]! & INTERFACE_MASK) === 0) words[at]! |= end << INTERFACE_SHIFT
    if (confirmed) words[at]! |= INTERFACE_CONFIRMED
  }

  /** Ends every flow of a session. */
  endSession(session: number, reason: EndReason): void {
    this.fragments.flush(Number.POSITIVE_INFINITY, session)
    for (let flow = this.sessions.oldest(session); flow !== NO_ENTRY; ) {
      const younger = this.sessions.younger(flow)
      this.#end(flow, reason)
      flow = younger
    }
  }

  /** Ends one connection that is in the table; what comes of it later begins anew, in mid-stream. */
  flush(flow: number): void {
    this.#end(flow, 'flushed')
  }

  /** Ends everything. Nothing may be tracked afterwards. */
  shutdown(): void {
    this.fragments.flush(Number.POSITIVE_INFINITY)
    while (this.work(Number.MAX_SAFE_INTEGER));
    for (let flow = 0; flow < this.table.used; flow++) {
      if (this.table.isLive(flow)) this.#end(flow, 'shutdown')
    }
  }

  /** Seconds since the epoch for a time as the table keeps it. */
  secondsOf(stored: number): number {
    return this.#time.secondsOf(stored)
  }

  #settle(seconds: number): void {
    if (seconds > this.#settled) this.#settled = seconds
    this.#reports.advance(this.now, this.#settled)
  }

  #begin(
    flow: number,
    session: number,
    direction: number,
    protocol: number,
    seconds: number,
  ): void {
    this.sessions.add(flow, session)
    this.#reset(flow, direction, protocol, seconds)
    if (this.#timeouts !== undefined) {
      this.#wheel.insert(flow, this.table.words[flow * HOT_WORDS + DEADLINE]!, this.#settled)
    }
    this.#emergency?.noteAdded()
  }

  /** Ends a flow and begins it again in the same entry: idle for too long, or its port is used anew. */
  #beginAgain(flow: number, direction: number, protocol: number, seconds: number): void {
    const reason = this.#reasonOfEnd(flow)
    this.#reports.report(flow, reason)
    this.#onEnd?.(flow, reason)
    this.ended[reason]++
    this.#wheel.remove(flow)
    this.#reset(flow, direction, protocol, seconds)
    this.#wheel.insert(flow, this.table.words[flow * HOT_WORDS + DEADLINE]!, this.#settled)
  }

  #reset(flow: number, direction: number, protocol: number, seconds: number): void {
    const { words, counts } = this.table
    const at = flow * HOT_WORDS
    const state = initialState(protocol, direction)
    words[at + STATE] = state
    words[at + FLAGS] = 0
    words[at + DEADLINE] =
      this.#timeouts === undefined ? NEVER : seconds + this.#timeouts[timeoutIndex(state)]!
    counts.fill(0, (at >>> 1) + PACKETS_0, (at >>> 1) + PACKETS_0 + 4)
    this.#reports.begin(flow, seconds)
  }

  /** A packet older than one before it. */
  #noteEarlier(flow: number, direction: number, seconds: number, nanoseconds: number): void {
    const cold = this.table.cold
    const at = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
    const first = cold[at]!
    if (seconds > first || (seconds === first && nanoseconds >= cold[at + 1]!)) return
    cold[at] = seconds
    cold[at + 1] = nanoseconds
  }

  /** A change of state has set another time-out. It runs from the latest packet, which that of `seconds` need not be. */
  #changeTimeout(flow: number, from: number, to: number, seconds: number): void {
    const words = this.table.words
    const timeouts = this.#timeouts!
    const at = flow * HOT_WORDS
    const before = words[at + DEADLINE]!
    const lastSeen = Math.max(seconds, before - timeouts[timeoutIndex(from)]!)
    const deadline = lastSeen + timeouts[timeoutIndex(to)]!
    words[at + DEADLINE] = deadline
    if (deadline >= before) return
    // Nearer than it was: the wheel must look sooner.
    this.#wheel.remove(flow)
    this.#wheel.insert(flow, deadline, this.#settled)
  }

  #reasonOfEnd(flow: number): EndReason {
    const state = this.table.words[flow * HOT_WORDS + STATE]!
    if ((state & STATE_MASK) !== STATE_CLOSED) return 'idle'
    return (state & STATE_RESET) !== 0 ? 'reset' : 'closed'
  }

  /** What short time-outs call idle may still be open by those that hold. */
  #endEarly(flow: number): void {
    const reason = this.#reasonOfEnd(flow)
    if (reason === 'idle' && this.table.words[flow * HOT_WORDS + DEADLINE]! >= this.now) {
      this.evictedAt = this.now
    }
    this.#end(flow, reason)
  }

  #end(flow: number, reason: EndReason): void {
    this.#reports.report(flow, reason)
    if (this.#timeouts !== undefined) this.#wheel.remove(flow)
    this.#free(flow, reason)
  }

  #free(flow: number, reason: EndReason): void {
    this.#onEnd?.(flow, reason)
    this.ended[reason]++
    if (reason === 'evicted') this.evictedAt = this.now
    this.sessions.remove(flow, this.table.words[flow * HOT_WORDS + SESSION]!)
    this.table.remove(flow)
  }

  #expire(budget: number): number {
    if (this.#timeouts === undefined) return budget
    const words = this.table.words
    // Not `now`: a packet that is still to come may be older, and go on with its flow.
    const settled = this.#settled
    for (; budget > 0; budget--) {
      const flow = this.#wheel.next(settled)
      if (flow === NO_ENTRY) return budget
      const at = flow * HOT_WORDS
      // A flow without ports waits for the fragments that may yet be given up and be its own.
      const patience = words[at + PORTS] === 0 && this.fragments.waiting > 0 ? WAITING_SECONDS : 0
      const due = words[at + DEADLINE]! + patience
      if (due >= settled) {
        this.#wheel.insert(flow, due, settled)
        continue
      }
      const reason = this.#reasonOfEnd(flow)
      this.#reports.report(flow, reason)
      this.#free(flow, reason)
    }
    return 0
  }

  /** Evicts the least valuable flow; false where there is nothing to evict. */
  #makeRoom(): boolean {
    const table = this.table
    if (table.count === 0) return false
    const victim = leastValuable(table, this.sessions, this.#hand)
    this.#hand = (this.#hand + SAMPLE) % table.used
    this.#end(victim, 'evicted')
    return true
  }

  /** Keeps a session to its quota by evicting one of its own older flows. */
  #evictFrom(session: number, keep: number): void {
    let victim = this.sessions.oldest(session)
    for (let looked = 0, flow = victim; looked < SAMPLE && flow !== keep; looked++) {
      if (isWorthLess(this.table, flow, victim)) victim = flow
      flow = this.sessions.younger(flow)
    }
    if (victim !== keep) this.#end(victim, 'evicted')
  }
}
