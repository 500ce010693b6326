import type { Session } from './session.js'

/** Keys remembered, 256 KiB: at 10,000 new ones a second, each for about six seconds. */
const REMEMBERED = 65_536

/** Sessions that may take the place of others: so many a second, and at most so many at once. */
const PLACES_PER_SECOND = 4
const PLACES_AT_ONCE = 16

/** A session that packets came for in several seconds is busy until it has been silent for so many. */
export const BUSY_SECONDS = 60

/** A clock that is behind by more than this has been set back; by less, packets have overtaken each other. */
const SET_BACK_SECONDS = 10

/**
 * Decides whether a session that nobody registered may take the place of another when there
 * is no room for both. A sender can make up any number of sessions: one is taken up
 * only with its second packet, and only so many are in a second.
 */
export class Admission {
  readonly #seen = new Uint32Array(REMEMBERED)
  #places = PLACES_AT_ONCE
  #now = Number.NEGATIVE_INFINITY

  /** For each packet without a session. `hash`: of its session's key, by a function no sender can foresee. */
  admits(hash: number, seconds: number): boolean {
    const at = hash % REMEMBERED
    if (this.#seen[at] !== hash) {
      this.#seen[at] = hash
      return false
    }
    this.#refill(seconds)
    if (this.#places === 0) return false
    this.#places--
    return true
  }

  #refill(seconds: number): void {
    if (seconds > this.#now) {
      const more = (seconds - this.#now) * PLACES_PER_SECOND
      this.#places = Math.min(this.#places + more, PLACES_AT_ONCE)
    } else if (this.#now - seconds <= SET_BACK_SECONDS) return
    this.#now = seconds
  }
}

/**
 * The one of `sessions`, which come longest unused first, that goes for another: one that packets
 * came for in a single second, else one that has long been silent. A busy one never goes.
 */
export function dispensable(
  sessions: Iterable<Session | undefined>,
  seconds: number,
): Session | undefined {
  let silent: Session | undefined
  for (const session of sessions) {
    if (session === undefined) continue
    const { openedAt, usedAt } = session
    if (usedAt === openedAt && usedAt !== seconds) return session
    if (Math.abs(seconds - usedAt) >= BUSY_SECONDS) silent ??= session
  }
  return silent
}
