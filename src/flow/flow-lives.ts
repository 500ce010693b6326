import { Emergency } from './emergency.js'
import {
  BYTES_0,
  BYTES_1,
  COLD_WORDS,
  DEADLINE,
  FLAGS,
  HOT_WORDS,
  NEVER,
  NO_ENTRY,
  PACKETS_0,
  PACKETS_1,
  PORTS,
  SESSION,
  STATE,
} from './flow-entry.js'
import type { FlowHash } from './flow-hash.js'
import { END_REASONS, type EndReason } from './flow-record.js'
import { initialState, STATE_CLOSED, STATE_MASK, STATE_RESET } from './flow-state.js'
import { FlowTable, NO_FLOW } from './flow-table.js'
import { WAITING_SECONDS } from './fragments.js'
import { compileLifetime, type Lifetime, timeoutIndex } from './lifetime.js'
import { isWorthLess, leastValuable, SAMPLE } from './pressure.js'
import { SessionFlows } from './session-flows.js'
import type { StoredTime } from './stored-time.js'
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

/** Flows that end together. */
const BATCH = 16

/**
 * How the flows of a table begin and end: by idle time-outs, in windows, with
 * their session, for want of room. Runs on packet time.
 */
export class FlowLives {
  readonly table: FlowTable
  readonly sessions: SessionFlows
  readonly reports: WindowReports
  /** Undefined where flows do not time out, and with it the emergency that shortens time-outs. */
  readonly timeouts: Uint32Array | undefined
  readonly emergency: Emergency | undefined
  /** Connections that ended, by reason. */
  readonly ended: Record<EndReason, number>
  /** The latest second in which a flow was ended before its time, as the table keeps it; -1: never. */
  evictedAt = -1
  /** The packet clock: the latest second seen, as the table keeps it. */
  now = 0

  readonly #wheel: TimingWheel
  readonly #onEnd: FlowTrackerOptions['onEnd']
  readonly #quota: number
  /** No packet from before this second is expected any more. */
  #settled = 0
  /** Flows taken from the wheel, to be looked at together. */
  readonly #due = new Uint32Array(BATCH)
  /** What `#bringNear` read, so that its reads are not optimised away. */
  readUnused = 0
  /** Where the search for something to evict goes on. */
  #hand = 0
  #nextToEnd = 0

  constructor(options: FlowTrackerOptions, time: Pick<StoredTime, 'secondsOf'>) {
    this.table = new FlowTable(options.capacity)
    this.sessions = new SessionFlows(this.table, options.sessions)
    this.reports = new WindowReports(this.table, time, options)
    this.timeouts = options.lifetime && compileLifetime(options.lifetime)
    this.emergency = this.timeouts && new Emergency(this.table, this.timeouts)
    this.ended = Object.fromEntries(END_REASONS.map((reason) => [reason, 0])) as typeof this.ended
    this.#wheel = new TimingWheel(options.capacity)
    this.#onEnd = options.onEnd
    this.#quota = options.sessionQuota ?? options.capacity
  }

  /** Moves the packet clock; no packet from before `settled` is expected any more. */
  moveClock(now: number, settled: number): void {
    if (now > this.now) this.now = now
    if (settled > this.#settled) this.#settled = settled
    this.reports.advance(this.now, this.#settled)
  }

  /**
   * The packet clock was set back to `now`. Flows live on: those last seen in the time
   * that was taken back count as seen now.
   */
  stepBack(now: number, settled: number): void {
    this.now = now
    this.#settled = settled
    if (this.evictedAt > now) this.evictedAt = now
    this.reports.stepBack(now, settled)
    const { timeouts, table } = this
    if (timeouts === undefined) return
    const { words } = table
    for (let flow = 0; flow < table.used; flow++) {
      if (table.isLive(flow)) this.#wheel.remove(flow)
    }
    this.#wheel.restart(settled)
    for (let flow = 0; flow < table.used; flow++) {
      if (!table.isLive(flow)) continue
      const at = flow * HOT_WORDS
      const deadline = Math.min(
        words[at + DEADLINE]!,
        now + timeouts[timeoutIndex(words[at + STATE]!)]!,
      )
      words[at + DEADLINE] = deadline
      this.#wheel.insert(flow, deadline, settled)
    }
  }

  /** Begins the flow of a new entry, and keeps its session to its quota. */
  begin(flow: number, session: number, direction: number, protocol: number, seconds: number): void {
    this.sessions.add(flow, session)
    this.#reset(flow, direction, protocol, seconds)
    if (this.timeouts !== undefined) {
      this.#wheel.insert(flow, this.table.words[flow * HOT_WORDS + DEADLINE]!, this.#settled)
    }
    this.emergency?.noteAdded()
    if (this.sessions.counts[session]! > this.#quota) this.#evictFrom(session, flow)
  }

  /** Ends a flow and begins it again in the same entry: idle for too long, or its port is used anew. */
  beginAgain(flow: number, direction: number, protocol: number, seconds: number): void {
    const reason = this.#reasonOfEnd(flow)
    this.reports.report(flow, reason)
    this.#onEnd?.(flow, reason)
    this.ended[reason]++
    this.#wheel.remove(flow)
    this.#reset(flow, direction, protocol, seconds)
    this.#wheel.insert(flow, this.table.words[flow * HOT_WORDS + DEADLINE]!, this.#settled)
  }

  /**
   * The ports of a flow are used again, by the packet of `seconds` whose key lies at `keys[at]`.
   * Keeps the flow for a while beside what comes, for the packets of it that are late; false where there is no room.
   */
  setAside(flow: number, keys: Uint32Array, at: number, seconds: number): boolean {
    const { table, sessions } = this
    const { words } = table
    const before = table.findAside(keys, at)
    if (before !== NO_FLOW) this.end(before, this.#reasonOfEnd(before))
    const held = sessions.counts[words[flow * HOT_WORDS + SESSION]!]!
    if (table.count >= table.capacity || held >= this.#quota) return false
    table.setAside(flow)
    const state = words[flow * HOT_WORDS + STATE]!
    const deadline = seconds + this.timeouts![timeoutIndex(state | STATE_CLOSED)]!
    if (deadline < words[flow * HOT_WORDS + DEADLINE]!) {
      words[flow * HOT_WORDS + DEADLINE] = deadline
      this.#wheel.remove(flow)
      this.#wheel.insert(flow, deadline, this.#settled)
    }
    return true
  }

  #reset(flow: number, direction: number, protocol: number, seconds: number): void {
    const { words, counts } = this.table
    const at = flow * HOT_WORDS
    const state = initialState(protocol, direction)
    words[at + STATE] = state
    words[at + FLAGS] = 0
    words[at + DEADLINE] =
      this.timeouts === undefined ? NEVER : seconds + this.timeouts[timeoutIndex(state)]!
    const countsAt = at >>> 1
    // By hand: `fill` is a call, and takes longer than this.
    counts[countsAt + PACKETS_0] = 0
    counts[countsAt + BYTES_0] = 0
    counts[countsAt + PACKETS_1] = 0
    counts[countsAt + BYTES_1] = 0
    this.reports.begin(flow, seconds)
  }

  /** A change of state has set another time-out. It runs from the latest packet, which that of `seconds` need not be. */
  changeTimeout(flow: number, from: number, to: number, seconds: number): void {
    const words = this.table.words
    const timeouts = this.timeouts!
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

  /**
   * Does what has become due, for about `budget` flows; see FlowTracker.work.
   * `isWaiting`: fragments wait that may yet be given up.
   */
  work(budget: number, isWaiting: boolean): boolean {
    let left = this.#expire(budget, isWaiting)
    if (left > 0) left = this.reports.sweep(left)
    if (left <= 0) return true
    return this.emergency?.relieve(this.now, left, (flow) => this.#endEarly(flow)) ?? false
  }

  /** Ends every flow of a session. */
  endSession(session: number, reason: EndReason): void {
    for (let flow = this.sessions.oldest(session); flow !== NO_ENTRY; ) {
      const younger = this.sessions.younger(flow)
      this.end(flow, reason)
      flow = younger
    }
  }

  /** Hands over what the flows of a session did so far in their windows. */
  reportSession(session: number): void {
    const { sessions } = this
    for (let flow = sessions.oldest(session); flow !== NO_ENTRY; flow = sessions.younger(flow)) {
      this.reports.reportSoFar(flow)
    }
  }

  /** Ends every flow, of the next `budget` places in the table; whether there are more. */
  endAll(budget = Number.MAX_SAFE_INTEGER): boolean {
    const { table } = this
    const last = Math.min(this.#nextToEnd + budget, table.used)
    for (; this.#nextToEnd < last; this.#nextToEnd++) {
      if (table.isLive(this.#nextToEnd)) this.end(this.#nextToEnd, 'shutdown')
    }
    return last < table.used
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
    this.end(flow, reason)
  }

  /** Ends a flow, which is in the wheel where flows time out. */
  end(flow: number, reason: EndReason): void {
    this.reports.report(flow, reason)
    if (this.timeouts !== undefined) this.#wheel.remove(flow)
    this.#free(flow, reason)
  }

  #free(flow: number, reason: EndReason): void {
    this.#onEnd?.(flow, reason)
    this.ended[reason]++
    if (reason === 'evicted') this.evictedAt = this.now
    this.sessions.remove(flow, this.table.words[flow * HOT_WORDS + SESSION]!)
    this.table.remove(flow)
  }

  #expire(budget: number, isWaiting: boolean): number {
    if (this.timeouts === undefined) return budget
    // Not `now`: a packet that is still to come may be older, and go on with its flow.
    const settled = this.#settled
    const due = this.#due
    while (budget > 0) {
      let length = 0
      while (length < due.length && length < budget) {
        const flow = this.#wheel.next(settled)
        if (flow === NO_ENTRY) break
        due[length++] = flow
      }
      if (length === 0) return budget
      budget -= length
      this.#bringNear(length)
      for (let index = 0; index < length; index++) this.#endIfIdle(due[index]!, isWaiting)
    }
    return 0
  }

  #endIfIdle(flow: number, isWaiting: boolean): void {
    const { words } = this.table
    const at = flow * HOT_WORDS
    // A flow without ports waits for the fragments that may yet be given up and be its own.
    const patience = words[at + PORTS] === 0 && isWaiting ? WAITING_SECONDS : 0
    const due = words[at + DEADLINE]! + patience
    if (due >= this.#settled) {
      this.#wheel.insert(flow, due, this.#settled)
      return
    }
    const reason = this.#reasonOfEnd(flow)
    this.reports.report(flow, reason)
    this.#free(flow, reason)
  }

  /** Reads what ending the first `length` flows of `#due` will read, so that their cache misses overlap; see flow-counter.ts. */
  #bringNear(length: number): void {
    const { table } = this
    const { words, cold } = table
    const due = this.#due
    let seen = 0
    for (let index = 0; index < length; index++) {
      const flow = due[index]!
      seen ^= words[flow * HOT_WORDS]! ^ cold[flow * COLD_WORDS]!
    }
    for (let index = 0; index < length; index++) seen ^= table.homeOf(due[index]!)
    this.readUnused = seen
  }

  /** Evicts the least valuable flow; false where there is nothing to evict. */
  makeRoom(): boolean {
    const table = this.table
    if (table.count === 0) return false
    const victim = leastValuable(table, this.sessions, this.#hand)
    this.#hand = (this.#hand + SAMPLE) % table.used
    this.end(victim, 'evicted')
    return true
  }

  /** Keeps a session to its quota by evicting one of its own older flows. */
  #evictFrom(session: number, keep: number): void {
    let victim = this.sessions.oldest(session)
    for (let looked = 0, flow = victim; looked < SAMPLE && flow !== keep; looked++) {
      if (isWorthLess(this.table, flow, victim)) victim = flow
      flow = this.sessions.younger(flow)
    }
    if (victim !== keep) this.end(victim, 'evicted')
  }
}
