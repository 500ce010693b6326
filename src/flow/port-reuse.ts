import { DEADLINE, HOT_WORDS, KIND, SESSION, STATE } from './flow-entry.js'
import type { FlowLives } from './flow-lives.js'
import { PLACE_BITS, PLACE_REVERSED, PLACE_SECONDS, PLACE_SEQUENCE } from './flow-place.js'
import { isOpening, STATE_CLOSED, STATE_HAS_FORMER, STATE_MASK, STATE_NEW } from './flow-state.js'
import { type FlowTable, NO_FLOW } from './flow-table.js'
import { beginsWith, hasNumbersOf, isNumbered } from './tcp-numbers.js'

/**
 * Which of two connections a packet belongs to that used the same ports one
 * after the other. Packets overtake each other on their way here, so a SYN may
 * come after the end of its own connection, and the end of a connection after
 * the SYN of the next: their sequence numbers tell.
 *
 * A connection whose ports are used again is set aside in the table until its
 * time-out as a closed one, and what is late is counted with it.
 */
export class PortReuse {
  readonly #lives: FlowLives
  readonly #table: FlowTable

  constructor(lives: FlowLives) {
    this.#lives = lives
    this.#table = lives.table
  }

  /**
   * The flow of the packet at `places[place]`, whose key is that of `flow`: a SYN, or one of
   * a connection that had another before it. Begins a flow where the packet opens one.
   */
  flowOf(flow: number, places: Uint32Array, place: number): number {
    const lives = this.#lives
    // Flows that live until the end span all that used their ports.
    if (lives.timeouts === undefined) return flow
    const { words } = this.#table
    const state = words[flow * HOT_WORDS + STATE]!
    const former = (state & STATE_HAS_FORMER) === 0 ? NO_FLOW : this.#former(flow, places, place)
    const bits = places[place + PLACE_BITS]!
    if (!isOpening(bits)) {
      if (former === NO_FLOW || !hasNumbersOf(this.#table, former, places, place)) return flow
      return hasNumbersOf(this.#table, flow, places, place) ? flow : former
    }
    const direction = (bits & PLACE_REVERSED) === 0 ? 0 : 1
    const first = places[place + PLACE_SEQUENCE]! + 1
    if (beginsWith(this.#table, flow, direction, first)) return flow
    if (former !== NO_FLOW && beginsWith(this.#table, former, direction, first)) return former
    if (!this.#mayBeOver(flow, state, direction)) return flow
    return this.#open(flow, places, place, direction)
  }

  /** Whether another SYN may begin a new connection: the end of the old one may be late, but a SYN that is tried again has its number. */
  #mayBeOver(flow: number, state: number, direction: number): boolean {
    const life = state & STATE_MASK
    if (life === STATE_CLOSED) return true
    return life !== STATE_NEW && isNumbered(this.#table, flow, direction)
  }

  #open(flow: number, places: Uint32Array, place: number, direction: number): number {
    const lives = this.#lives
    const table = this.#table
    const seconds = places[place + PLACE_SECONDS]!
    const protocol = places[place + KIND]! & 0xff
    if (!lives.setAside(flow, places, place, seconds)) {
      lives.beginAgain(flow, direction, protocol, seconds)
      return flow
    }
    const next = table.touch(places, place)
    lives.begin(next, places[place + SESSION]!, direction, protocol, seconds)
    table.words[next * HOT_WORDS + STATE]! |= STATE_HAS_FORMER
    return next
  }

  /** The connection that had the ports of `flow` before, while it is not idle. */
  #former(flow: number, places: Uint32Array, place: number): number {
    const table = this.#table
    const former = table.findAside(places, place)
    if (former === NO_FLOW) {
      table.words[flow * HOT_WORDS + STATE]! &= ~STATE_HAS_FORMER
      return NO_FLOW
    }
    const isIdle = places[place + PLACE_SECONDS]! > table.words[former * HOT_WORDS + DEADLINE]!
    return isIdle ? NO_FLOW : former
  }
}
