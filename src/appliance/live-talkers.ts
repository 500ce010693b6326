import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FlowTracker } from '../flow/flow-tracker.js'
import { Talkers } from '../flow/talkers.js'
import type { Session } from '../session/session.js'
import type { LiveNames } from './live-names.js'

/** One address of a session, by what it sends and receives in a second. Plain data. */
export interface TalkerRow {
  readonly session: string | null
  readonly address: string
  /** As DNS calls it; null where that is not known. */
  name: string | null
  sentBytes: number
  receivedBytes: number
  connections: number
}

/** Who sends and receives most, over the seconds between two looks. Plain data. */
export interface TopTalkers {
  /** Heaviest first. */
  readonly rows: readonly TalkerRow[]
  /** Addresses that sent or received anything. */
  readonly addresses: number
}

interface LiveTalkersOptions {
  readonly tracker: FlowTracker
  readonly names: LiveNames
  /** The session that has an index now. */
  readonly sessionAt: (index: number) => Session | undefined
  /** Takes the moment at which a slice of the work began; it has just ended. */
  readonly onSlice: (began: number) => void
}

/** Connections looked at in one go: about a tenth of a millisecond. */
const BUDGET = 1024
/** Of each receiving thread, from which the top of all is made. */
const ROWS = 50
/** A look comes only after so many times as long as the last took: at most a fiftieth of the thread. */
const REST = 50
/** Nobody has asked for so long: what was seen is let go. */
const UNASKED_MS = 60_000

/** The top talkers of one receiving thread, looked for between packets when somebody asks. */
export class LiveTalkers {
  readonly #options: LiveTalkersOptions
  #talkers: Talkers | undefined
  #latest: TopTalkers | undefined
  #lookedAt = 0
  #nextAt = 0
  #askedAt = 0
  #looking: Promise<void> | undefined

  constructor(options: LiveTalkersOptions) {
    this.#options = options
  }

  /** Those since the last look; undefined for the first. Asked again too soon, it answers what it last did. */
  async ask(): Promise<TopTalkers | undefined> {
    this.#askedAt = performance.now()
    this.#options.names.isWanted = true
    if (this.#looking === undefined && performance.now() < this.#nextAt) return this.#latest
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
    return this.#latest
  }

  /** By a timer. */
  tick(): void {
    this.#options.names.tick()
    if (this.#talkers === undefined || this.#looking !== undefined) return
    if (performance.now() - this.#askedAt < UNASKED_MS) return
    this.#options.names.isWanted = false
    this.#talkers = undefined
    this.#latest = undefined
  }

  async #look(): Promise<void> {
    const { tracker, names, sessionAt, onSlice } = this.#options
    this.#talkers ??= new Talkers(tracker)
    const talkers = this.#talkers
    const { isCompared } = talkers
    const at = performance.now()
    let busyMs = 0
    for (let isMore = true; isMore; ) {
      const began = performance.now()
      isMore = talkers.step(BUDGET)
      busyMs += performance.now() - began
      onSlice(began)
      await nextTurn()
    }
    const { talkers: rows, addresses } = talkers.top(ROWS)
    const seconds = (at - this.#lookedAt) / 1000
    this.#lookedAt = at
    this.#nextAt = performance.now() + REST * busyMs
    if (!isCompared) return
    this.#latest = {
      addresses,
      rows: rows.map(({ session: index, address, sentBytes, receivedBytes, connections }) => {
        const session = sessionAt(index)
        return {
          session: session?.name ?? null,
          address,
          name: session === undefined ? null : names.of(session, address),
          sentBytes: sentBytes / seconds,
          receivedBytes: receivedBytes / seconds,
          connections,
        }
      }),
    }
  }
}

/** Rows of all receiving threads: several may see one session. */
export function joinTalkers(tops: readonly TopTalkers[], count: number): TopTalkers {
  const rows = new Map<string, TalkerRow>()
  for (const row of tops.flatMap((top) => top.rows)) {
    const key = `${row.session}\n${row.address}`
    const known = rows.get(key)
    if (known === undefined) rows.set(key, { ...row })
    else {
      known.name ??= row.name
      known.sentBytes += row.sentBytes
      known.receivedBytes += row.receivedBytes
      known.connections += row.connections
    }
  }
  const weight = ({ sentBytes, receivedBytes }: TalkerRow): number => sentBytes + receivedBytes
  return {
    rows: [...rows.values()].sort((a, b) => weight(b) - weight(a)).slice(0, count),
    addresses: Math.max(rows.size, ...tops.map(({ addresses }) => addresses)),
  }
}
