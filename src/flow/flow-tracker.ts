import type { Frame } from '../wire/frame.js'
import { BATCH, FlowCounter } from './flow-counter.js'
import { FlowHash } from './flow-hash.js'
import { FlowIntake } from './flow-intake.js'
import { FlowLives, type FlowTrackerOptions } from './flow-lives.js'
import { PLACE_WORDS } from './flow-place.js'
import { FlowQueue } from './flow-queue.js'
import type { EndReason } from './flow-record.js'
import type { FlowTable } from './flow-table.js'
import type { Fragments } from './fragments.js'
import type { PacketCounter } from './packet-counter.js'
import type { SessionFlows } from './session-flows.js'
import { StoredTime } from './stored-time.js'

/** In place of a flow: the fragment waits for its first, and will be counted. */
export const WAITING_FLOW = -2

/**
 * Counts packets into flows and hands over a record for each flow and window.
 *
 * Two clocks are kept apart: a flow's *life* ends by idle time-outs and TCP
 * flags; its *record* ends with every aggregation window. Both run on packet
 * time. Whether a packet continues a flow or begins it anew depends on the times
 * of that flow's own packets alone, so a live run and a replay agree; `work` only
 * decides how soon memory is freed and records leave.
 *
 * A packet passes an intake (the clock, the wait for first fragments) and a short
 * queue, and is counted together with a few others: flow-counter.ts says why.
 */
export class FlowTracker implements PacketCounter {
  readonly #lives: FlowLives
  readonly #counter: FlowCounter
  readonly #queue: FlowQueue
  readonly #intake: FlowIntake

  constructor(options: FlowTrackerOptions) {
    const time = new StoredTime()
    this.#lives = new FlowLives(options, time)
    this.#counter = new FlowCounter(this.#lives)
    const places = new Uint32Array(BATCH * PLACE_WORDS)
    const hash = options.hash ?? new FlowHash()
    this.#queue = new FlowQueue(places, BATCH, hash, () => this.countQueued())
    this.#intake = new FlowIntake(this.#queue, time, options.windowSeconds ?? 0, hash)
  }

  get table(): FlowTable {
    return this.#lives.table
  }

  get sessions(): SessionFlows {
    return this.#lives.sessions
  }

  get fragments(): Fragments {
    return this.#intake.fragments
  }

  /** The packet clock: the latest second seen, as the table keeps it. */
  get now(): number {
    return this.#lives.now
  }

  /** How often the packet clock went back, and by how many seconds the last time. */
  get stepsBack(): number {
    return this.#intake.stepsBack
  }

  get lastStepSeconds(): number {
    return this.#intake.lastStepSeconds
  }

  get clampedTimes(): number {
    return this.#intake.time.clamped
  }

  /** Connections that ended, by reason. */
  get ended(): Record<EndReason, number> {
    return this.#lives.ended
  }

  /** The latest second in which a flow was ended before its time, as the table keeps it; -1: never. */
  get evictedAt(): number {
    return this.#lives.evictedAt
  }

  set evictedAt(stored: number) {
    this.#lives.evictedAt = stored
  }

  /** Times the table became nearly full. */
  get emergencies(): number {
    return this.#lives.emergency?.count ?? 0
  }

  /** Whether it is nearly full now, and time-outs are short. */
  get inEmergency(): boolean {
    return this.#lives.emergency?.active ?? false
  }

  /**
   * Counts one packet that carries IP, at once. Its direction is then in
   * `table.direction`. A packet that is not `timed` counts as of now and leaves the
   * flow's first and last times alone. Returns the flow, WAITING_FLOW for a fragment
   * that waits for its first, or NO_FLOW where the capacity is 0.
   */
  track(frame: Frame, session: number, seconds: number, nanoseconds: number, timed = true): number {
    const queued = this.#intake.take(frame, session, seconds, nanoseconds, timed)
    this.countQueued()
    return queued ? this.#counter.latest : WAITING_FLOW
  }

  /**
   * The same for callers who need not know the flow: it is counted a few packets
   * later, by `countQueued` at the latest, which whoever looks at the table calls first.
   * False where the capacity is 0.
   */
  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    this.#intake.take(frame, session, seconds, nanoseconds, timed)
    return this.table.capacity > 0
  }

  /** Counts what waits in the queue. */
  countQueued(): void {
    const queue = this.#queue
    if (queue.length === 0) return
    this.#counter.count(queue.words, queue.base, queue.length)
    queue.length = 0
  }

  /**
   * Moves the clock forward from a timer, so that a quiet session is written out
   * too, and back where that was set back. `seconds` must lie after every packet that the receiver may still hold.
   */
  advance(seconds: number): void {
    this.#intake.advance(seconds)
    this.#comeUp()
  }

  /**
   * Does what has become due: ends idle flows, hands over the records of windows
   * that are over, frees memory in an emergency. Looks at about `budget` flows and
   * returns whether something is left to do, so that a receiver is never kept
   * waiting for long.
   */
  work(budget: number): boolean {
    this.#comeUp()
    return this.#lives.work(budget, this.fragments.waiting > 0)
  }

  /** The longest idle time-out, in seconds; Infinity where flows do not time out. */
  get longestTimeout(): number {
    return this.#lives.timeouts === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(...this.#lives.timeouts)
  }

  /** Ends every flow of a session. */
  endSession(session: number, reason: EndReason): void {
    this.fragments.flush(Number.POSITIVE_INFINITY, session)
    this.countQueued()
    this.#lives.endSession(session, reason)
  }

  /** Hands over a record of what each flow of a session did so far in its windows, as if those were over. */
  reportSession(session: number): void {
    this.countQueued()
    this.#lives.reportSession(session)
  }

  /** Ends one connection that is in the table; what comes of it later begins anew, in mid-stream. */
  flush(flow: number): void {
    this.#lives.end(flow, 'flushed')
  }

  /** Ends everything. Nothing may be tracked afterwards. */
  shutdown(): void {
    while (this.shutdownSome(Number.MAX_SAFE_INTEGER));
  }

  /** The same for about `budget` flows; returns whether something is left to do. */
  shutdownSome(budget: number): boolean {
    this.fragments.flush(Number.POSITIVE_INFINITY)
    return this.work(budget) || this.#lives.endAll(budget)
  }

  /** Seconds since the epoch for a time as the table keeps it. */
  secondsOf(stored: number): number {
    return this.#intake.time.secondsOf(stored)
  }

  /** Counts what the intake has given up or still holds, and goes by its clock. */
  #comeUp(): void {
    const intake = this.#intake
    intake.fragments.expire(intake.settled)
    this.countQueued()
    this.#lives.moveClock(intake.now, intake.settled)
  }
}
