import { NO_ENTRY } from './flow-entry.js'

/** One list a second; a flow due later than this is looked at once on the way. */
const SLOTS = 1024
const HORIZON = SLOTS / 2

/**
 * Which flows may be due, by the second.
 *
 * A packet does not move its flow: it only pushes the flow's deadline. When the
 * wheel comes to a flow, the flow's deadline decides, and one that is not yet due
 * is put where it will be. So a packet costs the wheel nothing, and a flow costs
 * one look for each time-out that passes.
 *
 * The lists lie beside the entries, not in them: to follow one is to wait for each of
 * its members in turn, and these are a tenth as far apart.
 */
export class TimingWheel {
  /** The neighbours of each flow in its list, and which list that is. */
  readonly #next: Uint32Array
  readonly #previous: Uint32Array
  readonly #slots: Uint16Array
  readonly #heads = new Uint32Array(SLOTS).fill(NO_ENTRY)
  /** Taken out of their slot, not yet looked at. */
  #pending = NO_ENTRY
  /** The next second to look at; -1 before the first flow. */
  #cursor = -1

  /** `capacity`: flows are below this. */
  constructor(capacity: number) {
    this.#next = new Uint32Array(capacity)
    this.#previous = new Uint32Array(capacity)
    this.#slots = new Uint16Array(capacity)
  }

  /** Puts a flow on the list of the second after `deadline`. `now` is the packet clock. */
  insert(flow: number, deadline: number, now: number): void {
    if (this.#cursor < 0) this.#cursor = now
    const at = deadline - now < HORIZON ? Math.max(deadline + 1, this.#cursor) : now + HORIZON
    const slot = at % SLOTS
    const head = this.#heads[slot]!
    this.#next[flow] = head
    this.#previous[flow] = NO_ENTRY
    if (head !== NO_ENTRY) this.#previous[head] = flow
    this.#slots[flow] = slot
    this.#heads[slot] = flow
  }

  /** The clock was set back to `now`. The wheel is empty. */
  restart(now: number): void {
    this.#cursor = now
  }

  remove(flow: number): void {
    const next = this.#next[flow]!
    const previous = this.#previous[flow]!
    if (next !== NO_ENTRY) this.#previous[next] = previous
    if (previous !== NO_ENTRY) {
      this.#next[previous] = next
      return
    }
    const slot = this.#slots[flow]!
    if (this.#heads[slot] === flow) this.#heads[slot] = next
    else this.#pending = next
  }

  /**
   * The next flow to look at among those whose second has come by `now`, taken
   * out of the wheel, or NO_ENTRY when there is none. The caller ends it or
   * inserts it again.
   */
  next(now: number): number {
    while (this.#pending === NO_ENTRY) {
      if (this.#cursor < 0 || this.#cursor > now) return NO_ENTRY
      // After a leap of the clock every list is looked at, once.
      if (now - this.#cursor >= SLOTS) this.#cursor = now - SLOTS + 1
      const slot = this.#cursor % SLOTS
      this.#pending = this.#heads[slot]!
      this.#heads[slot] = NO_ENTRY
      this.#cursor++
    }
    const flow = this.#pending
    const next = this.#next[flow]!
    this.#pending = next
    if (next !== NO_ENTRY) this.#previous[next] = NO_ENTRY
    return flow
  }
}
