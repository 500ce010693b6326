import { DEADLINE, HOT_WORDS, STATE } from './flow-entry.js'
import type { FlowTable } from './flow-table.js'
import { compileLifetime, EMERGENCY_LIFETIME, timeoutIndex } from './lifetime.js'

/** Above this share of the capacity time-outs are short, until it falls to the other. */
const ENTER = 0.95
const LEAVE = 0.85

/**
 * What happens while a flow table is nearly full: it is gone round, and what
 * short time-outs call idle is ended, before flows that live must be evicted.
 */
export class Emergency {
  /** Times the table became nearly full, and whether it is now. */
  count = 0
  active = false

  readonly #table: FlowTable
  readonly #normal: Uint32Array
  readonly #short = compileLifetime(EMERGENCY_LIFETIME)
  readonly #enterAbove: number
  readonly #leaveAt: number
  #next = 0

  /** `normal`: the time-outs that deadlines were set with. */
  constructor(table: FlowTable, normal: Uint32Array) {
    this.#table = table
    this.#normal = normal
    this.#enterAbove = Math.ceil(table.capacity * ENTER)
    this.#leaveAt = Math.floor(table.capacity * LEAVE)
  }

  /** A flow has been added. */
  noteAdded(): void {
    if (this.active || this.#table.count <= this.#enterAbove) return
    this.active = true
    this.count++
    this.#next = 0
  }

  /**
   * Looks at `budget` flows at most, once round at most, and has `end` end those
   * that are idle. Returns whether it stopped in the middle of a round.
   */
  relieve(now: number, budget: number, end: (flow: number) => void): boolean {
    if (!this.active) return false
    const table = this.#table
    if (table.count <= this.#leaveAt) {
      this.active = false
      return false
    }
    const until = Math.min(table.used, this.#next + budget)
    for (let flow = this.#next; flow < until; flow++) {
      if (!table.isLive(flow)) continue
      const index = timeoutIndex(table.words[flow * HOT_WORDS + STATE]!)
      const lastSeen = table.words[flow * HOT_WORDS + DEADLINE]! - this.#normal[index]!
      if (now - lastSeen > this.#short[index]!) end(flow)
    }
    // The next round waits for the clock.
    const isOver = until === table.used
    this.#next = isOver ? 0 : until
    return !isOver
  }
}
