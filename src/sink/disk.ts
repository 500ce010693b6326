import { Turns } from './turns.js'

/**
 * Operations that one thread has under way at a time for one purpose. Each holds one of libuv's
 * threads, which all of the process share, for as long as the disk takes.
 */
export const OPERATIONS_AT_A_TIME = 4

/** Milliseconds of a clock that is never set, the same in all threads. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

/** A thread's turns at a disk, and whether the disk still answers. */
export class Disk {
  readonly #turns = new Turns(OPERATIONS_AT_A_TIME)
  /** Begun first, first. */
  readonly #underWay = new Set<{ readonly since: number }>()

  run<T>(operation: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      const begun = { since: monotonicMs() }
      this.#underWay.add(begun)
      try {
        return await operation()
      } finally {
        this.#underWay.delete(begun)
      }
    })
  }

  /** Since when the oldest operation has been under way, in `monotonicMs`; undefined when none is. */
  get waitingSince(): number | undefined {
    const [oldest] = this.#underWay
    return oldest?.since
  }

  /** How long it has been by now. */
  get waitingMs(): number | undefined {
    const since = this.waitingSince
    return since === undefined ? undefined : monotonicMs() - since
  }
}
