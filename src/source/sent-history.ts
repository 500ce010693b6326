import type { PacketDirection } from '../wire/frame.js'
import type { Route } from './route.js'

/** Datagrams whose fate may still change: this many are sent in 10 ms by the fastest of senders. */
const REMEMBERED = 8192

/** Datagrams that were counted as sent, by their tags, which ascend by one. */
export class SentHistory {
  readonly #tags = new Float64Array(REMEMBERED).fill(-1)
  readonly #routes = new Array<Route | undefined>(REMEMBERED).fill(undefined)
  readonly #directions = new Uint8Array(REMEMBERED)
  readonly #lengths = new Float64Array(REMEMBERED)

  put(tag: number, route: Route, direction: PacketDirection, length: number): void {
    const at = tag % REMEMBERED
    this.#tags[at] = tag
    this.#routes[at] = route
    this.#directions[at] = direction
    this.#lengths[at] = length
  }

  /** It was not sent after all: its session counts it as skipped, where it is still known. */
  takeBack(tag: number): void {
    const at = tag % REMEMBERED
    if (this.#tags[at] !== tag) return
    this.#tags[at] = -1
    const route = this.#routes[at]!
    route.sent--
    route.counters.takeBack(this.#directions[at] as PacketDirection, this.#lengths[at]!)
  }
}
