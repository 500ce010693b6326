import { FRAGMENT_NONE, type Frame } from '../wire/frame.js'
import type { FlowHash } from './flow-hash.js'
import type { FlowQueue } from './flow-queue.js'
import { Fragments, UNTIMED } from './fragments.js'
import { FAR, type StoredTime } from './stored-time.js'

/** A packet may be this much older than one that came before it and still find its flow and window open. */
export const GRACE_SECONDS = 1

/** What is older than `settled` by more than this is not late: the clock was set back, or was ahead before. */
export const STEP_SECONDS = 10
/** This many packets in a row, or this many times of the timer, move the clock back. */
const STEP_VOTES = 8

/**
 * What a packet passes on its way to a flow table: the packet clock, the wait of
 * a fragment for its first, and the queue.
 */
export class FlowIntake {
  /** The packet clock: the latest second seen, as the table keeps it. */
  now = 0
  /** No packet from before this second is expected any more. */
  settled = 0
  /** How often the clock went back, and by how many seconds the last time. */
  stepsBack = 0
  lastStepSeconds = 0
  readonly time: StoredTime
  readonly fragments: Fragments

  readonly #queue: FlowQueue
  /** In a row so far: times long past, and the latest of them. */
  #votes = 0
  #votedSeconds = 0
  /** Whether a timer tells the time: then packets alone do not set it back, as they may have waited long in a socket. */
  #hasTimer = false

  /** `windowSeconds`: length of the aggregation windows, 0 where there are none. */
  constructor(queue: FlowQueue, time: StoredTime, windowSeconds: number, hash: FlowHash) {
    this.time = time
    this.#queue = queue
    this.fragments = new Fragments(
      (frame, session, seconds, nanoseconds) => {
        const timed = nanoseconds !== UNTIMED
        queue.add(frame, session, seconds, timed ? nanoseconds : 0, timed)
      },
      windowSeconds,
      hash,
    )
  }

  /**
   * Takes one packet that carries IP. One that is not `timed` counts as of now.
   * Returns whether it was queued; a fragment that waits for its first will be.
   */
  take(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean {
    if (!timed) seconds = this.now
    else if (seconds >= FAR) seconds = this.time.storeFar(seconds)
    if (seconds + STEP_SECONDS >= this.settled) this.#votes = 0
    else if (!this.#hasTimer) this.#voteForStep(seconds)
    const isLater = seconds > this.now
    // No branch: one that is taken once in thousands of packets is compiled as if it never were.
    this.now = Math.max(this.now, seconds)
    this.#settle(this.now - GRACE_SECONDS)
    if (frame.fragment === FRAGMENT_NONE) {
      this.#queue.add(frame, session, seconds, nanoseconds, timed)
      return true
    }
    const counted = this.fragments.track(frame, session, seconds, timed ? nanoseconds : UNTIMED)
    if (!counted && isLater) this.#queue.addClock(seconds)
    return counted
  }

  /**
   * By a timer, moves the clock forward: no packet from before `seconds` is expected any more.
   * Moves it back where the timer has told for some time, and no packet has gainsaid, that it was set back.
   */
  advance(seconds: number): void {
    this.#hasTimer = true
    if (seconds + STEP_SECONDS >= this.settled) this.#votes = 0
    else this.#voteForStep(seconds)
    this.now = Math.max(this.now, seconds)
    this.#settle(seconds)
  }

  #voteForStep(seconds: number): void {
    this.#votedSeconds = this.#votes === 0 ? seconds : Math.max(this.#votedSeconds, seconds)
    if (++this.#votes < STEP_VOTES) return
    this.#votes = 0
    this.stepsBack++
    this.lastStepSeconds = this.now - this.#votedSeconds
    // Their wait would last until the old time is reached again.
    this.fragments.flush(Number.POSITIVE_INFINITY)
    this.now = this.#votedSeconds
    this.settled = this.now - GRACE_SECONDS
    this.#queue.addClock(this.now)
  }

  #settle(seconds: number): void {
    this.settled = Math.max(this.settled, seconds)
  }
}
