import type { Writable } from 'node:stream'
import { failuresOf, type Progress } from '../api/http/health.js'
import type { EndlessPage, Page, Route } from '../api/http/route.js'
import type { TopTalkers } from '../appliance/live-talkers.js'
import type { DeliveryStatus } from '../deliver/delivery.js'
import type { LedgerReport, SessionReport } from '../session/ledger.js'
import type { Space } from '../sink/disk-space.js'

/** What the page shows of a running appliance. All but the ledger is known without asking anybody who may hang. */
export interface LiveFacts {
  progress(): Progress
  spaces(): readonly Space[]
  deliveries(): readonly DeliveryStatus[]
  ledger(): Promise<LedgerReport>
  /** Who sends and receives most; undefined while that is not known. */
  talkers(): Promise<TopTalkers | undefined>
}

export interface LiveFeedOptions {
  readonly facts: LiveFacts
  /** Whether there is a capture directory, whose files can be listed and searched. */
  readonly keepsCaptures?: boolean
  /** Milliseconds between two states. */
  readonly everyMs?: number
  /** Readers at a time; more are told to come back. */
  readonly viewersMax?: number
}

const EVERY_MS = 1000
const VIEWERS_MAX = 64
/** States between two looks for top talkers. */
const TALKERS_EVERY = 2
/** States of which the totals are kept, for the charts of whoever comes: five minutes. */
const HISTORY = 300
/** Without a reader it goes on for a while, so that a page that is opened again has no gap. */
const UNWATCHED_MS = 10 * 60_000
/** What a reader may leave unread; it gets no states until it has caught up, and then a whole one. */
const UNREAD_BYTES = 1024 * 1024

/** One session in a state, in this order. */
const SESSION_FIELDS = [
  'session',
  'vni',
  'source',
  'received',
  'bytes',
  'captured',
  'captureLost',
  'malformed',
  'filtered',
  'cut',
  'duplicates',
  'packetLength',
] as const satisfies readonly (keyof SessionReport)[]

export type SessionFields = Pick<SessionReport, (typeof SESSION_FIELDS)[number]>

type SessionRow = readonly (string | number | null)[]

/** A state as it is told. Without a ledger, and what follows it, while a receiving thread hangs. */
export interface LiveState {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly failures: readonly string[]
  readonly keepsCaptures: boolean
  readonly workers: Progress['workers']
  readonly spaces: readonly Space[]
  readonly deliveries: readonly DeliveryStatus[]
  readonly ledger?: Omit<LedgerReport, 'sessions'>
  /** Of each row of `sessions`, in order. */
  readonly fields?: readonly (keyof SessionFields)[]
  /** Whether `sessions` has all of them, or those that have changed since the state before. */
  readonly all?: boolean
  readonly sessions?: readonly SessionRow[]
  /** Names of sessions that are no more. */
  readonly gone?: readonly string[]
}

interface Viewer {
  readonly to: Writable
  /** It is new or has missed a state: changes alone would not be enough. */
  needsAll: boolean
}

/**
 * The state of the appliance once a second as server-sent events (HTML Standard, section 9.2), made once
 * for all who read: the first has every session, those after it what has changed. Made only while
 * somebody reads, and a while longer.
 */
export class LiveFeed {
  readonly #options: Required<LiveFeedOptions>
  readonly #viewers = new Set<Viewer>()
  readonly #history: (readonly number[])[] = []
  #rows = new Map<string, SessionRow>()
  #timer: NodeJS.Timeout | undefined
  #watchedAt = 0
  #isAsking = false
  #isAskingTalkers = false
  #states = 0
  #talkers: Buffer | undefined

  constructor(options: LiveFeedOptions) {
    this.#options = {
      everyMs: EVERY_MS,
      viewersMax: VIEWERS_MAX,
      keepsCaptures: false,
      ...options,
    }
  }

  /** GET, an endless page. */
  get route(): Route {
    return { path: '/events', needsKey: true, answer: () => this.#answer() }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #answer(): Page | EndlessPage {
    if (this.#viewers.size >= this.#options.viewersMax) {
      const body = `The dashboard has ${this.#options.viewersMax} readers already; try again later.\n`
      return { status: 503, contentType: 'text/plain', headers: { 'Retry-After': '10' }, body }
    }
    return {
      status: 200,
      contentType: 'text/event-stream',
      headers: { 'Cache-Control': 'no-store' },
      send: (to) => this.#add(to),
    }
  }

  #add(to: Writable): void {
    const viewer = { to, needsAll: true }
    this.#viewers.add(viewer)
    to.once('close', () => this.#viewers.delete(viewer))
    to.write(event('history', { columns: HISTORY_COLUMNS, rows: this.#history }))
    if (this.#talkers !== undefined) to.write(this.#talkers)
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => void this.#tick(), this.#options.everyMs)
      this.#timer.unref()
    }
    void this.#tick()
  }

  /** Asks once at a time: while a thread hangs, states say so and have no ledger. */
  async #tick(): Promise<void> {
    if (this.#viewers.size > 0) this.#watchedAt = performance.now()
    else if (performance.now() - this.#watchedAt > UNWATCHED_MS) {
      this.close()
      return
    }
    if (this.#viewers.size > 0 && this.#states++ % TALKERS_EVERY === 0) void this.#tellTalkers()
    if (this.#isAsking) {
      this.#show(undefined)
      return
    }
    this.#isAsking = true
    try {
      this.#show(await this.#options.facts.ledger())
    } catch {
      // No receiving thread is left to answer, which the workers of the state tell.
      this.#show(undefined)
    } finally {
      this.#isAsking = false
    }
  }

  async #tellTalkers(): Promise<void> {
    if (this.#isAskingTalkers) return
    this.#isAskingTalkers = true
    const talkers = await this.#options.facts.talkers().catch(() => undefined)
    this.#isAskingTalkers = false
    this.#talkers = talkers && event('talkers', talkers)
    for (const { to } of this.#viewers) {
      if (this.#talkers !== undefined && !to.destroyed && to.writableLength <= UNREAD_BYTES) {
        to.write(this.#talkers)
      }
    }
  }

  #show(report: LedgerReport | undefined): void {
    const { facts, keepsCaptures } = this.#options
    const progress = facts.progress()
    const at = Date.now()
    const common: LiveState = {
      at,
      failures: failuresOf(progress),
      keepsCaptures,
      workers: progress.workers,
      spaces: facts.spaces(),
      deliveries: facts.deliveries(),
    }
    if (report === undefined) {
      this.#tell(() => stateEvent(common))
      return
    }
    const { sessions, ...ledger } = report
    this.#history.push([at, report.received, report.kernelLost ?? 0, report.totals.bytes])
    if (this.#history.length > HISTORY) this.#history.shift()
    const before = this.#rows
    this.#rows = new Map(
      sessions.map((session) => [
        String(session.session),
        SESSION_FIELDS.map((field) => session[field]),
      ]),
    )
    const rows = [...this.#rows]
    const state = { ...common, ledger, fields: SESSION_FIELDS }
    let all: Buffer | undefined
    let changes: Buffer | undefined
    this.#tell((viewer) => {
      if (viewer.needsAll) {
        viewer.needsAll = false
        all ??= stateEvent({ ...state, all: true, sessions: [...this.#rows.values()] })
        return all
      }
      changes ??= stateEvent({
        ...state,
        all: false,
        sessions: rows.flatMap(([name, row]) => (isSame(before.get(name), row) ? [] : [row])),
        gone: [...before.keys()].filter((name) => !this.#rows.has(name)),
      })
      return changes
    })
  }

  #tell(text: (viewer: Viewer) => Buffer): void {
    for (const viewer of this.#viewers) {
      if (viewer.to.destroyed) continue
      if (viewer.to.writableLength > UNREAD_BYTES) viewer.needsAll = true
      else viewer.to.write(text(viewer))
    }
  }
}

const HISTORY_COLUMNS = ['at', 'received', 'kernelLost', 'bytes']

function isSame(one: SessionRow | undefined, other: SessionRow): boolean {
  return one?.every((value, index) => value === other[index]) ?? false
}

function stateEvent(state: LiveState): Buffer {
  return event('state', state)
}

/** JSON has no ends of lines in it. */
function event(name: string, data: unknown): Buffer {
  return Buffer.from(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
}
