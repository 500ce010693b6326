import type { Session } from './session.js'
import { Tokens } from './tokens.js'

/** Keys remembered, 256 KiB: at 10,000 new ones a second, each for about six seconds. */
const REMEMBERED = 65_536

/** Sessions that open with their first packet, while there is room. */
const WITH_FIRST = { perSecond: 4, atOnce: 256 }

/** Sessions that open with a later one, while there is room. */
const WITH_SECOND = { perSecond: 64, atOnce: 64 }

/** Sessions that take the place of another, with a later packet. */
const IN_PLACE = { perSecond: 4, atOnce: 16 }

/** A session that packets came for in several seconds is busy until it has been silent for this many. */
export const BUSY_SECONDS = 60

/**
 * Decides whether a session that nobody registered may open. A sender can make up any number of
 * them: past the first few one is taken up only with its second packet, and only a limited number are in a
 * second; fewer where another has to go for it.
 */
export class Admission {
  readonly #seen = new Uint32Array(REMEMBERED)
  readonly #withFirst = new Tokens(WITH_FIRST)
  readonly #withSecond = new Tokens(WITH_SECOND)
  readonly #inPlace = new Tokens(IN_PLACE)

  /**
   * For each packet without a session. `hash`: of its session's key, by a function no sender can
   * foresee. `hasRoom`: no other has to go.
   */
  admits(hash: number, seconds: number, hasRoom: boolean): boolean {
    if (hasRoom && this.#withFirst.take(seconds)) return true
    const at = hash % REMEMBERED
    if (this.#seen[at] !== hash) {
      this.#seen[at] = hash
      return false
    }
    return (hasRoom ? this.#withSecond : this.#inPlace).take(seconds)
  }
}

/** Whether packets came for it in more than one second: one made up for a packet or two does not last. */
export function hasLasted({ openedAt, usedAt }: Session): boolean {
  return usedAt !== openedAt
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
    const { usedAt } = session
    if (!hasLasted(session) && usedAt !== seconds) return session
    if (Math.abs(seconds - usedAt) >= BUSY_SECONDS) silent ??= session
  }
  return silent
}
