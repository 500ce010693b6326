import { FRAGMENT_NONE, type Frame } from '../wire/frame.js'
import {
  BYTES_0,
  COLD_WORDS,
  DEADLINE,
  FIRST_SECONDS_0,
  FLAGS,
  HOT_WORDS,
  LAST_SECONDS_0,
  NO_ENTRY,
  PACKETS_0,
  PACKETS_1,
  REPORTED_PACKETS_0,
  SESSION,
  STATE,
  WINDOW_END,
  WINDOW_FIRST,
} from './flow-entry.js'
import type { FlowHash } from './flow-hash.js'
import { END_REASONS, type EndReason, FlowRecord, type OnFlowRecord } from './flow-record.js'
import {
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
import { Fragments } from './fragments.js'
import { compileLifetime, EMERGENCY_LIFETIME, type Lifetime } from './lifetime.js'
import { isWorthLess, leastValuable, SAMPLE } from './pressure.js'
import { readRecord } from './read-record.js'
import { SessionFlows } from './session-flows.js'
import { TimingWheel } from './timing-wheel.js'

export interface FlowTrackerOptions {
  /** Connections held at most. */
  capacity: number
  /** Session indices are below this. */
  sessions: number
  /** Connections one session may hold at most. */
  sessionQuota?: number
  /** Idle time-outs; without them a flow lives until the end (offline reports over a whole file). */
  lifetime?: Lifetime
  /** Aggregation interval in seconds, aligned to the epoch; without it a record spans a flow's life. */
  windowSeconds?: number
  /** Takes what each flow did in each window. */
  onRecord?: OnFlowRecord
  /** A connection is about to be taken out of the table; its entry can still be read. */
  onEnd?: (flow: number, reason: EndReason) => void
  /** A window is over and every record of it has been handed over. */
  onWindow?: (windowStart: number, windowEnd: number) => void
  /** For tests; by default keyed at random. */
  hash?: FlowHash
}

const NEVER = 0xffff_ffff
const DAY = 86_400
/**
 * Times are kept in 32 bits. From this second on, in the year 2097, they are kept
 * as the distance from the first such time, so that a file with a clock gone wild
 * still has its order; both are whole days, so that windows stay aligned.
 */
const FAR = 46_600 * DAY
/** Leaves room for a deadline above it. */
const FARTHEST = NEVER - 100 * DAY
/** Above this share of the capacity time-outs are short, until it falls below the other. */
const EMERGENCY_ENTER = 0.95
const EMERGENCY_LEAVE = 0.85
/** A packet may be this much older than one that came before it and still find its window open. */
const WINDOW_GRACE_SECONDS = 1

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
  /** Times the table became nearly full, and whether it is now. */
  emergencies = 0
  inEmergency = false
  /** The latest second in which a flow was evicted, as the table keeps it; -1: never. */
  evictedAt = -1
  /** The packet clock: the latest second seen, as the table keeps it. */
  now = 0

  readonly fragments: Fragments

  readonly #wheel: TimingWheel
  readonly #record = new FlowRecord()
  readonly #onRecord: OnFlowRecord | undefined
  readonly #onEnd: ((flow: number, reason: EndReason) => void) | undefined
  readonly #onWindow: ((windowStart: number, windowEnd: number) => void) | undefined
  readonly #quota: number
  readonly #windowSeconds: number
  readonly #timeouts: Uint32Array | undefined
  readonly #emergencyTimeouts = compileLifetime(EMERGENCY_LIFETIME)
  readonly #emergencyEnter: number
  readonly #emergencyLeave: number
  /** What FAR stands for; 0 until a time lies there. */
  #farEpoch = 0
  /** Where the search for something to evict goes on. */
  #hand = 0
  /** No packet from before this second is expected any more. */
  #settled = 0
  /** The window whose end is to be swept for next, and how far the sweep has come; -1: none under way. */
  #sweepEnd = NEVER
  #sweepAt = -1
  #emergencyAt = -1

  constructor(options: FlowTrackerOptions) {
    this.table = new FlowTable(options.capacity, options.hash)
    this.sessions = new SessionFlows(this.table, options.sessions)
    this.ended = Object.fromEntries(END_REASONS.map((reason) => [reason, 0])) as typeof this.ended
    this.fragments = new Fragments((frame, session, seconds, nanoseconds) =>
      this.#count(frame, session, seconds, nanoseconds, true),
    )
    this.#wheel = new TimingWheel(this.table)
    this.#onRecord = options.onRecord
    this.#onEnd = options.onEnd
    this.#onWindow = options.onWindow
    this.#quota = options.sessionQuota ?? options.capacity
    this.#windowSeconds = options.windowSeconds ?? 0
    this.#timeouts = options.lifetime && compileLifetime(options.lifetime)
    this.#emergencyEnter = Math.ceil(options.capacity * EMERGENCY_ENTER)
    this.#emergencyLeave = Math.floor(options.capacity * EMERGENCY_LEAVE)
  }

  /**
   * Counts one packet that carries IP. Its direction is then in `table.direction`.
   * A packet that is not `timed` counts as of now and leaves the flow's first and
   * last times alone. Returns the flow, WAITING_FLOW for a fragment that waits for
   * its first, or NO_FLOW where the capacity is 0.
   */
  track(frame: Frame, session: number, seconds: number, nanoseconds: number, timed = true): number {
    if (!timed) seconds = this.now
    else if (seconds >= FAR) seconds = this.#storedFar(seconds)
    return frame.fragment === FRAGMENT_NONE
      ? this.#count(frame, session, seconds, nanoseconds, timed)
      : this.fragments.track(frame, session, seconds, nanoseconds)
  }

  #count(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): number {
    if (seconds > this.now) {
      this.#move(seconds)
      this.#settled = Math.max(this.#settled, seconds - WINDOW_GRACE_SECONDS)
    }
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
    if (seconds >= words[at + WINDOW_END]!) this.#roll(flow, seconds)

    const counts = table.counts
    const countsAt = at >>> 1
    const packets = counts[countsAt + PACKETS_0 + direction * 2]! + 1
    counts[countsAt + PACKETS_0 + direction * 2] = packets
    counts[countsAt + BYTES_0 + direction * 2]! += frame.ipLength

    const last = at + LAST_SECONDS_0 + direction * 2
    const lastSeconds = words[last]!
    const untimed = STATE_UNTIMED << direction
    if (!timed) {
      if (packets === 1) words[at + STATE]! |= untimed
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
    this.#noteWindowFirst(at, direction, seconds)

    const state = words[at + STATE]!
    const next = nextState(state, direction, tcpFlags)
    words[at + FLAGS]! |= ((tcpFlags << 16) | vpcFlags(tcpFlags)) << (direction * 8)
    if (next !== state) words[at + STATE] = next
    const timeouts = this.#timeouts
    if (timeouts !== undefined) {
      const deadline = seconds + timeouts[timeoutIndex(next)]!
      if (deadline > words[at + DEADLINE]!) words[at + DEADLINE] = deadline
      else if (next !== state) this.#shorten(flow, deadline)
    }
    return flow
  }

  /**
   * Moves the clock forward from a timer, so that a quiet session is written out
   * too. `seconds` must lie behind every packet that the receiver may still hold.
   */
  advance(seconds: number): void {
    this.#move(seconds)
    if (seconds > this.#settled) this.#settled = seconds
  }

  /**
   * Does what has become due: ends idle flows, hands over the records of windows
   * that are over, frees memory in an emergency. Looks at about `budget` flows and
   * returns whether something is left to do, so that a receiver is never kept
   * waiting for long.
   */
  work(budget: number): boolean {
    this.fragments.expire(this.now)
    let left = this.#expire(budget)
    if (left > 0) left = this.#sweep(left)
    if (left > 0) left = this.#relieve(left)
    return left <= 0
  }

  /** The longest idle time-out, in seconds; Infinity where flows do not time out. */
  get longestTimeout(): number {
    return this.#timeouts === undefined ? Number.POSITIVE_INFINITY : Math.max(...this.#timeouts)
  }

  /**
   * Whether to ask which end of the flow the mirrored interface is: while that is
   * not known, at the flow's first packets and at every 64th from then on.
   */
  wantsInterface(flow: number): boolean {
    const at = flow * HOT_WORDS
    if ((this.table.words[at + STATE]! & INTERFACE_MASK) !== 0) return false
    const { counts } = this.table
    const packets = counts[(at >>> 1) + PACKETS_0]! + counts[(at >>> 1) + PACKETS_1]!
    return packets <= 4 || packets % 64 === 0
  }

  /** `end`: A_IS_LOCAL, A_IS_REMOTE, or 0 while it is not known. */
  setInterface(flow: number, end: number): void {
    this.table.words[flow * HOT_WORDS + STATE]! |= end << INTERFACE_SHIFT
  }

  /** Ends every flow of a session. */
  endSession(session: number, reason: EndReason): void {
    this.fragments.flush(Number.POSITIVE_INFINITY)
    for (let flow = this.sessions.oldest(session); flow !== NO_ENTRY; ) {
      const younger = this.sessions.younger(flow)
      this.#end(flow, reason)
      flow = younger
    }
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
    return stored < FAR ? stored : stored - FAR + this.#farEpoch
  }

  /** The other way round, for times that 32 bits do not hold. */
  #storedFar(seconds: number): number {
    if (this.#farEpoch === 0) this.#farEpoch = seconds - (seconds % DAY) - DAY
    return Math.min(Math.max(seconds - this.#farEpoch, 0) + FAR, FARTHEST)
  }

  #move(seconds: number): void {
    if (seconds <= this.now) return
    this.now = seconds
    if (this.#sweepEnd === NEVER && this.#windowSeconds > 0) {
      this.#sweepEnd = endOfWindow(seconds, this.#windowSeconds)
    }
  }

  #begin(
    flow: number,
    session: number,
    direction: number,
    protocol: number,
    seconds: number,
  ): void {
    this.sessions.add(flow, session)
    this.#reset(flow, direction, protocol, seconds, 0)
    if (this.#timeouts !== undefined) {
      this.#wheel.insert(flow, this.table.words[flow * HOT_WORDS + DEADLINE]!, this.now)
    }
    if (this.table.count > this.#emergencyEnter) this.#enterEmergency()
  }

  /** Ends a flow and begins it again in the same entry: idle for too long, or its port is used anew. */
  #beginAgain(flow: number, direction: number, protocol: number, seconds: number): void {
    const reason = this.#reasonOfEnd(flow)
    this.#report(flow, reason)
    this.#onEnd?.(flow, reason)
    this.ended[reason]++
    this.#wheel.remove(flow)
    const known = this.table.words[flow * HOT_WORDS + STATE]! & INTERFACE_MASK
    this.#reset(flow, direction, protocol, seconds, known)
    this.#wheel.insert(flow, this.table.words[flow * HOT_WORDS + DEADLINE]!, this.now)
  }

  /** `known`: bits of the STATE word that outlive a flow. */
  #reset(flow: number, direction: number, protocol: number, seconds: number, known: number): void {
    const { words, counts, coldCounts } = this.table
    const at = flow * HOT_WORDS
    const state = initialState(protocol, direction)
    words[at + STATE] = state | known
    words[at + FLAGS] = 0
    words[at + WINDOW_FIRST] = 0
    words[at + WINDOW_END] =
      this.#windowSeconds === 0 ? NEVER : endOfWindow(seconds, this.#windowSeconds)
    words[at + DEADLINE] =
      this.#timeouts === undefined ? NEVER : seconds + this.#timeouts[timeoutIndex(state)]!
    counts.fill(0, (at >>> 1) + PACKETS_0, (at >>> 1) + PACKETS_0 + 4)
    const coldAt = (flow * COLD_WORDS) >>> 1
    coldCounts.fill(0, coldAt + REPORTED_PACKETS_0, coldAt + REPORTED_PACKETS_0 + 4)
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

  /** A packet that comes after its window has been left counts at the start of the present one. */
  #noteWindowFirst(at: number, direction: number, seconds: number): void {
    if (this.#windowSeconds === 0) return
    const words = this.table.words
    const shift = direction === 0 ? 16 : 0
    const both = words[at + WINDOW_FIRST]!
    const before = (both >>> shift) & 0xffff
    const into = Math.max(seconds - (words[at + WINDOW_END]! - this.#windowSeconds), 0) + 1
    if (before !== 0 && before <= into) return
    words[at + WINDOW_FIRST] = (both & (0xffff << (16 - shift))) | (into << shift)
  }

  /** A change of state has brought the end nearer: the wheel must look sooner. */
  #shorten(flow: number, deadline: number): void {
    this.#wheel.remove(flow)
    this.table.words[flow * HOT_WORDS + DEADLINE] = deadline
    this.#wheel.insert(flow, deadline, this.now)
  }

  /** Reports what the flow did in the window it leaves. */
  #roll(flow: number, seconds: number): void {
    this.#report(flow, 'window')
    this.table.words[flow * HOT_WORDS + WINDOW_END] = endOfWindow(seconds, this.#windowSeconds)
  }

  #reasonOfEnd(flow: number): EndReason {
    const state = this.table.words[flow * HOT_WORDS + STATE]!
    if ((state & STATE_MASK) !== STATE_CLOSED) return 'idle'
    return (state & STATE_RESET) !== 0 ? 'reset' : 'closed'
  }

  #end(flow: number, reason: EndReason): void {
    this.#report(flow, reason)
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

  /** Hands over a record for each direction that has something not yet reported. */
  #report(flow: number, reason: EndReason): void {
    const { words, counts, coldCounts } = this.table
    const at = flow * HOT_WORDS
    const countsAt = at >>> 1
    const coldAt = (flow * COLD_WORDS) >>> 1
    for (let direction = 0; direction < 2; direction++) {
      const packets = counts[countsAt + PACKETS_0 + direction * 2]!
      if (packets === coldCounts[coldAt + REPORTED_PACKETS_0 + direction * 2]!) continue
      if (this.#onRecord !== undefined) {
        readRecord(this.table, flow, direction, this.#windowSeconds, this.#record)
        this.#record.reason = reason
        if (this.#farEpoch !== 0) this.#unstore(this.#record)
        this.#onRecord(this.#record)
      }
      coldCounts[coldAt + REPORTED_PACKETS_0 + direction * 2] = packets
      coldCounts[coldAt + REPORTED_PACKETS_0 + 1 + direction * 2] =
        counts[countsAt + BYTES_0 + direction * 2]!
    }
    words[at + WINDOW_FIRST] = 0
    words[at + FLAGS]! &= 0xffff_0000
  }

  #unstore(record: FlowRecord): void {
    record.startSeconds = this.secondsOf(record.startSeconds)
    record.endSeconds = this.secondsOf(record.endSeconds)
    record.windowStart = this.secondsOf(record.windowStart)
    record.windowEnd = this.secondsOf(record.windowEnd)
  }

  #expire(budget: number): number {
    if (this.#timeouts === undefined) return budget
    const words = this.table.words
    for (; budget > 0; budget--) {
      const flow = this.#wheel.next(this.now)
      if (flow === NO_ENTRY) return budget
      const deadline = words[flow * HOT_WORDS + DEADLINE]!
      if (deadline >= this.now) {
        this.#wheel.insert(flow, deadline, this.now)
        continue
      }
      const reason = this.#reasonOfEnd(flow)
      this.#report(flow, reason)
      this.#free(flow, reason)
    }
    return 0
  }

  /** Hands over the records of the window that is over, and says so when all of them have left. */
  #sweep(budget: number): number {
    const words = this.table.words
    while (this.#settled >= this.#sweepEnd) {
      if (this.#sweepAt < 0) {
        this.fragments.flush(this.#sweepEnd)
        this.#sweepAt = 0
      }
      const until = Math.min(this.table.used, this.#sweepAt + budget)
      budget -= until - this.#sweepAt
      for (let flow = this.#sweepAt; flow < until; flow++) {
        if (this.table.isLive(flow) && words[flow * HOT_WORDS + WINDOW_END]! <= this.#sweepEnd) {
          this.#report(flow, 'window')
        }
      }
      this.#sweepAt = until
      if (until < this.table.used) return 0
      this.#closeWindow()
    }
    return budget
  }

  #closeWindow(): void {
    const end = this.#sweepEnd
    // Silence of many windows is one step: nothing was there to be swept.
    const latest = this.#settled - (this.#settled % this.#windowSeconds)
    const next = Math.max(end + this.#windowSeconds, latest)
    this.#sweepAt = -1
    this.#sweepEnd = next
    this.#onWindow?.(this.secondsOf(end - this.#windowSeconds), this.secondsOf(end))
  }

  #enterEmergency(): void {
    if (this.inEmergency) return
    this.inEmergency = true
    this.emergencies++
    this.#emergencyAt = 0
  }

  /** In an emergency, goes round the table ending what the short time-outs call idle. */
  #relieve(budget: number): number {
    if (!this.inEmergency) return budget
    if (this.table.count <= this.#emergencyLeave) {
      this.inEmergency = false
      return budget
    }
    const normal = this.#timeouts
    if (normal === undefined) return budget
    const words = this.table.words
    const until = Math.min(this.table.used, this.#emergencyAt + budget)
    for (let flow = this.#emergencyAt; flow < until; flow++) {
      if (!this.table.isLive(flow)) continue
      const index = timeoutIndex(words[flow * HOT_WORDS + STATE]!)
      const lastSeen = words[flow * HOT_WORDS + DEADLINE]! - normal[index]!
      if (this.now - lastSeen > this.#emergencyTimeouts[index]!) this.#end(flow, 'idle')
    }
    budget -= until - this.#emergencyAt
    // One round a call: the rest waits for the clock.
    this.#emergencyAt = until < this.table.used ? until : 0
    return until < this.table.used ? 0 : budget
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

function timeoutIndex(state: number): number {
  return ((state >>> 6) & 0xc) | (state & STATE_MASK)
}

function endOfWindow(seconds: number, windowSeconds: number): number {
  return seconds - (seconds % windowSeconds) + windowSeconds
}
