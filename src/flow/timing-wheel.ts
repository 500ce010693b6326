import {
  COLD_WORDS,
  HOT_WORDS,
  NEXT_DUE,
  NO_ENTRY,
  PREVIOUS_DUE,
  WHEEL_SLOT,
} from './flow-entry.js'
import type { FlowTable } from './flow-table.js'

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
 */
export class TimingWheel {
  readonly #table: FlowTable
  readonly #heads = new Uint32Array(SLOTS).fill(NO_ENTRY)
  /** Taken out of their slot, not yet looked at. */
  #pending = NO_ENTRY
  /** The next second to look at; -1 before the first flow. */
  #cursor = -1

  constructor(table: FlowTable) {
    this.#table = table
  }

  /** Puts a flow on the list of the second after `deadline`. `now` is the packet clock. */
  insert(flow: number, deadline: number, now: number): void {
    if (this.#cursor < 0) this.#cursor = now
    const at = deadline - now < HORIZON ? Math.max(deadline + 1, this.#cursor) : now + HORIZON
    const slot = at % SLOTS
    const { words, cold } = this.#table
    const head = this.#heads[slot]!
    words[flow * HOT_WORDS + NEXT_DUE] = head
    words[flow * HOT_WORDS + PREVIOUS_DUE] = NO_ENTRY
    if (head !== NO_ENTRY) words[head * HOT_WORDS + PREVIOUS_DUE] = flow
    cold[flow * COLD_WORDS + WHEEL_SLOT] = slot
    this.#heads[slot] = flow
  }

  remove(flow: number): void {
    const { words, cold } = this.#table
    const next = words[flow * HOT_WORDS + NEXT_DUE]!
    const previous = words[flow * HOT_WORDS + PREVIOUS_DUE]!
    if (next !== NO_ENTRY) words[next * HOT_WORDS + PREVIOUS_DUE] = previous
    if (previous !== NO_ENTRY) {
      words[previous * HOT_WORDS + NEXT_DUE] = next
      return
    }
    const slot = cold[flow * COLD_WORDS + WHEEL_SLOT]!
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
    const next = this.#table.words[flow * HOT_WORDS + NEXT_DUE]!
    this.#pending = next
    if (next !== NO_ENTRY) this.#table.words[next * HOT_WORDS + PREVIOUS_DUE] = NO_ENTRY
    return flow
  }
}
