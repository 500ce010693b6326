import { TCP_SYN } from '../wire/tcp.js'
import {
  BYTES_0,
  COLD_WORDS,
  DEADLINE,
  FIRST_SECONDS_0,
  FLAGS,
  HOT_WORDS,
  KIND,
  LAST_SECONDS_0,
  PACKETS_0,
  PACKETS_1,
  SESSION,
  STATE,
  WINDOW_END,
} from './flow-entry.js'
import { GRACE_SECONDS } from './flow-intake.js'
import type { FlowLives } from './flow-lives.js'
import {
  PLACE_BITS,
  PLACE_CONFIRMED,
  PLACE_END_MASK,
  PLACE_END_SHIFT,
  PLACE_IP_LENGTH,
  PLACE_NANOSECONDS,
  PLACE_OF_CLOCK,
  PLACE_REVERSED,
  PLACE_SECONDS,
  PLACE_TIMED,
  PLACE_WORDS,
} from './flow-place.js'
import {
  INTERFACE_CONFIRMED,
  INTERFACE_MASK,
  INTERFACE_SHIFT,
  nextState,
  STATE_HAS_FORMER,
  STATE_UNTIMED,
  windowFlags,
} from './flow-state.js'
import { type FlowTable, NO_FLOW } from './flow-table.js'
import { timeoutIndex } from './lifetime.js'
import { PortReuse } from './port-reuse.js'
import { NUMBERED_PACKETS, noteNumbers } from './tcp-numbers.js'
import type { WindowReports } from './window-reports.js'

/** Packets whose cache misses overlap: enough to hide them, few enough to stay in the first-level cache. */
export const BATCH = 32
/** Words of a cache line. */
const LINE = 16

/** Counts packets into the flows of a table. */
export class FlowCounter {
  /** The flow of the packet last counted, or NO_FLOW where the capacity is 0. */
  latest = NO_FLOW
  /** What `#bringNear` read, so that its reads are not optimised away. */
  readUnused = 0

  readonly #lives: FlowLives
  readonly #table: FlowTable
  readonly #reports: WindowReports
  readonly #reuse: PortReuse
  readonly #span: number

  constructor(lives: FlowLives) {
    this.#lives = lives
    this.#table = lives.table
    this.#reports = lives.reports
    this.#reuse = new PortReuse(lives)
    this.#span = lives.reports.span
  }

  /** Counts `length` packets that lie at `words[at]` as in a FlowQueue. */
  count(words: Uint32Array, at: number, length: number): void {
    const end = at + length * PLACE_WORDS
    for (let from = at; from < end; ) {
      const to = Math.min(from + BATCH * PLACE_WORDS, end)
      this.#bringNear(words, from, to)
      for (; from < to; from += PLACE_WORDS) this.latest = this.#count(words, from)
    }
  }

  /**
   * Reads what counting these packets will read. Over many flows nearly every
   * packet misses the caches three times, in the table's slots, in its entry and,
   * where it is the first of a window, in what the entry has reported: one after the
   * other, unless a dozen packets miss at once.
   */
  #bringNear(places: Uint32Array, from: number, to: number): void {
    const table = this.#table
    const { words, cold } = table
    let seen = 0
    for (let at = from; at < to; at += PLACE_WORDS) seen ^= table.guess(places, at)
    for (let at = from; at < to; at += PLACE_WORDS) {
      const flow = table.guess(places, at)
      if (flow !== NO_FLOW) seen ^= words[flow * HOT_WORDS]! ^ words[flow * HOT_WORDS + LINE]!
    }
    for (let at = from; at < to; at += PLACE_WORDS) {
      const flow = table.guess(places, at)
      if (
        flow !== NO_FLOW &&
        places[at + PLACE_SECONDS]! >= words[flow * HOT_WORDS + WINDOW_END]!
      ) {
        seen ^= cold[flow * COLD_WORDS]!
      }
    }
    this.readUnused = seen
  }

  /** Counts the packet at `places[place]` and returns its flow. */
  #count(places: Uint32Array, place: number): number {
    const lives = this.#lives
    const seconds = places[place + PLACE_SECONDS]!
    if (seconds > lives.now) lives.moveClock(seconds, seconds - GRACE_SECONDS)
    if (places[place + KIND] === PLACE_OF_CLOCK) {
      if (seconds < lives.now) lives.stepBack(seconds, seconds - GRACE_SECONDS)
      return NO_FLOW
    }
    const table = this.#table
    const bits = places[place + PLACE_BITS]!
    const direction = (bits & PLACE_REVERSED) === 0 ? 0 : 1
    table.direction = direction
    let flow = table.touch(places, place)
    if (flow === NO_FLOW) {
      if (!lives.makeRoom()) return NO_FLOW
      flow = table.touch(places, place)
    }
    const nanoseconds = places[place + PLACE_NANOSECONDS]!
    const timed = (bits & PLACE_TIMED) !== 0
    const tcpFlags = bits & 0xff
    const words = table.words
    let at = flow * HOT_WORDS

    if (table.created) {
      const session = places[place + SESSION]!
      lives.begin(flow, session, direction, places[place + KIND]! & 0xff, seconds)
    } else if (seconds > words[at + DEADLINE]!) {
      lives.beginAgain(flow, direction, places[place + KIND]! & 0xff, seconds)
    } else if ((tcpFlags & TCP_SYN) !== 0 || (words[at + STATE]! & STATE_HAS_FORMER) !== 0) {
      flow = this.#reuse.flowOf(flow, places, place)
      at = flow * HOT_WORDS
    }
    // One comparison for both sides of the window.
    if ((words[at + WINDOW_END]! - 1 - seconds) >>> 0 >= this.#span) {
      this.#reports.enter(flow, seconds)
    }

    const counts = table.counts
    const countsAt = at >>> 1
    const packets = counts[countsAt + PACKETS_0 + direction * 2]! + 1
    counts[countsAt + PACKETS_0 + direction * 2] = packets
    counts[countsAt + BYTES_0 + direction * 2]! += places[place + PLACE_IP_LENGTH]!

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
    if (packets <= NUMBERED_PACKETS && tcpFlags !== 0) noteNumbers(table, flow, places, place)

    const state = words[at + STATE]!
    const next = nextState(state, direction, tcpFlags)
    words[at + FLAGS]! |= ((tcpFlags << 16) | windowFlags(tcpFlags)) << (direction * 8)
    if (next !== state) words[at + STATE] = next
    const timeouts = lives.timeouts
    if (timeouts !== undefined) {
      const deadline = seconds + timeouts[timeoutIndex(next)]!
      if (next !== state) lives.changeTimeout(flow, state, next, seconds)
      else if (deadline > words[at + DEADLINE]!) words[at + DEADLINE] = deadline
    }
    if ((bits & (PLACE_END_MASK | PLACE_CONFIRMED)) !== 0 && this.#wantsInterface(flow)) {
      this.#setInterface(flow, bits)
    }
    return flow
  }

  /**
   * Whether to heed what a packet says of the mirrored interface: while that is
   * not known and confirmed, at the flow's first packets and at every 64th from then on.
   */
  #wantsInterface(flow: number): boolean {
    const at = flow * HOT_WORDS
    const state = this.#table.words[at + STATE]!
    if ((state & INTERFACE_MASK) !== 0 && (state & INTERFACE_CONFIRMED) !== 0) return false
    const { counts } = this.#table
    const packets = counts[(at >>> 1) + PACKETS_0]! + counts[(at >>> 1) + PACKETS_1]!
    return packets <= 4 || packets % 64 === 0
  }

  /** The first answer stays, kept with the flow so that its records say what was known at its own packets. */
  #setInterface(flow: number, bits: number): void {
    const at = flow * HOT_WORDS + STATE
    const { words } = this.#table
    if ((words[at]! & INTERFACE_MASK) === 0) {
      words[at]! |= ((bits & PLACE_END_MASK) >>> PLACE_END_SHIFT) << INTERFACE_SHIFT
    }
    if ((bits & PLACE_CONFIRMED) !== 0) words[at]! |= INTERFACE_CONFIRMED
  }

  /** A packet older than one before it. */
  #noteEarlier(flow: number, direction: number, seconds: number, nanoseconds: number): void {
    const cold = this.#table.cold
    const at = flow * COLD_WORDS + FIRST_SECONDS_0 + direction * 2
    const first = cold[at]!
    if (seconds > first || (seconds === first && nanoseconds >= cold[at + 1]!)) return
    cold[at] = seconds
    cold[at + 1] = nanoseconds
  }
}
