import { LRUCache } from 'lru-cache'
import { connectionKey, type Ends } from './ends.js'

interface Pair<Client, Server> {
  ends: Ends
  client: Client | undefined
  server: Server | undefined
  isTold: boolean
}

/** A connection with the same ports, seconds after one that was told, is another. */
const PORT_REUSE_SECONDS = 10

/**
 * Joins what both sides of a connection say once. A side that waits for the other is told when its place is
 * needed, or when it has waited for too long. What a side says again is left out, unless clients of the
 * protocol ask again and again.
 */
export class TwoSides<Client, Server> {
  /** How many were told before their other half may have come. */
  displaced = 0

  readonly #pairs: LRUCache<string, Pair<Client, Server>>
  readonly #tell: (ends: Ends, client: Client | undefined, server: Server | undefined) => void
  readonly #asksAgain: boolean
  #isExpected = false

  /** `tell`: `ends` are from the client. */
  constructor(
    max: number,
    tell: (ends: Ends, client: Client | undefined, server: Server | undefined) => void,
    asksAgain = false,
  ) {
    this.#tell = tell
    this.#asksAgain = asksAgain
    this.#pairs = new LRUCache({
      max,
      // The one not used for longest goes.
      dispose: (pair, _key, reason) => {
        if (reason !== 'evict') return
        if (!this.#isExpected && !pair.isTold) this.displaced++
        this.#tellOnce(pair)
      },
    })
  }

  /** `ends` are from the client; `of` tells several things of a connection apart. */
  takeClient(ends: Ends, said: Client, of = ''): void {
    const pair = this.#pairFor(ends, of, 'client')
    if (pair === undefined) return
    pair.ends = ends
    pair.client = said
    if (pair.server !== undefined) this.#tellOnce(pair)
  }

  /** `ends` are from the client here too, with the time of the server's packet. */
  takeServer(ends: Ends, said: Server, of = ''): void {
    const pair = this.#pairFor(ends, of, 'server')
    if (pair === undefined) return
    pair.server = said
    if (pair.client !== undefined) this.#tellOnce(pair)
  }

  /** Tells those of which `isOver` is true of the second in which they began. */
  expire(isOver: (seconds: number) => boolean): void {
    for (;;) {
      const { value: oldest } = this.#pairs.rvalues().next()
      if (oldest === undefined || !isOver(oldest.ends.seconds)) return
      this.#popExpected()
    }
  }

  end(): void {
    while (this.#pairs.size > 0) this.#popExpected()
  }

  #popExpected(): void {
    this.#isExpected = true
    this.#pairs.pop()
    this.#isExpected = false
  }

  /** Undefined where that side has said it. */
  #pairFor(ends: Ends, of: string, side: 'client' | 'server'): Pair<Client, Server> | undefined {
    const key = `${connectionKey(ends)} ${of}`
    const known = this.#pairs.get(key)
    const isAnother =
      known?.isTold === true &&
      (isLater(ends, known.ends) || (this.#asksAgain && side === 'client'))
    if (known !== undefined && !isAnother) return known[side] === undefined ? known : undefined
    const pair = { ends, client: undefined, server: undefined, isTold: false }
    this.#pairs.set(key, pair)
    return pair
  }

  #tellOnce(pair: Pair<Client, Server>): void {
    if (pair.isTold) return
    pair.isTold = true
    this.#tell(pair.ends, pair.client, pair.server)
  }
}

function isLater(ends: Ends, than: Ends): boolean {
  return Math.abs(ends.seconds - than.seconds) > PORT_REUSE_SECONDS
}
