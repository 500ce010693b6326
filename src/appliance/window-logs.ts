import type { FlowRecord } from '../flow/flow-record.js'
import type { FlowLogDestination } from '../flowlog/flow-log-destination.js'
import type { SessionMetadata } from '../flowlog/metadata.js'
import { WindowStatus } from '../flowlog/window-status.js'
import type { Session } from '../session/session.js'
import { endOfWindow, PassedWindows } from './passed-windows.js'
import { SeenWindows } from './seen-windows.js'

/** A flow log that holds a session's records, and what it says of the session beside them. */
export interface SessionLog {
  readonly destination: FlowLogDestination
  readonly metadata: SessionMetadata
}

/** What was said of the windows of an interface, by one session of it or several. */
interface InterfaceWindows {
  readonly sessions: Set<Session>
  /** With records, or said to be without. */
  readonly seen: SeenWindows
  /** Said to lack records. */
  readonly skipped: SeenWindows
  /** When the first of the sessions was opened, by a clock that may have been set back since. */
  since: number
}

/** What is known of a session. */
interface SessionWindows {
  logs: readonly SessionLog[]
  readonly of: InterfaceWindows
}

const NO_LOGS: readonly SessionLog[] = []

/**
 * The windows of one aggregation interval: which flow logs have the records of each session,
 * which interfaces had any in a window, and what was lost in it.
 */
export class WindowLogs {
  readonly seconds: number
  /** Of windows without records, or with losses. */
  readonly status: WindowStatus
  /** By index. */
  readonly #sessions: (SessionWindows | undefined)[] = []
  /** Of registered sessions, by id. */
  readonly #interfaces = new Map<string, InterfaceWindows>()
  readonly #passed: PassedWindows
  /** Packets and records that are known to be lost, by the end of the window. */
  readonly #lost = new Map<number, number>()

  /** `write` takes the records of `status`. */
  constructor(seconds: number, write: (record: FlowRecord, window: WindowLogs) => void) {
    this.seconds = seconds
    this.status = new WindowStatus((record) => write(record, this))
    this.#passed = new PassedWindows(seconds)
  }

  /** Which flow logs have the records of a session from now on. `interfaceId`: what it is registered for. */
  setLogs(session: Session, interfaceId: string | undefined, logs: readonly SessionLog[]): void {
    const of = this.#windowsOf(session, interfaceId)
    of.sessions.add(session)
    this.#sessions[session.index] = { logs, of }
  }

  logsOf(session: number): readonly SessionLog[] {
    return this.#sessions[session]?.logs ?? NO_LOGS
  }

  windowsOf({ index }: Session): InterfaceWindows | undefined {
    return this.#sessions[index]?.of
  }

  /** A session is closed. */
  forget(session: Session, interfaceId: string | undefined): void {
    const sessions = this.#sessions[session.index]?.of.sessions
    sessions?.delete(session)
    if (interfaceId !== undefined && sessions?.size === 0) this.#interfaces.delete(interfaceId)
    this.#sessions[session.index] = undefined
  }

  /** A session has a record in the window that ends then. */
  noteRecord(session: number, end: number): void {
    this.#sessions[session]?.of.seen.note(end)
  }

  /** The clock shows `now`; unless it `ran`, it was set ahead. */
  tick(now: number, ran: boolean): void {
    if (!this.#passed.tick(now, ran)) return
    for (const known of this.#sessions) {
      if (known !== undefined) known.of.since = Math.min(known.of.since, now)
    }
  }

  /** Loss is known only by its sum: it may have happened at any time between two seconds. */
  noteLoss(lost: number, since: number, until: number): void {
    const ends = new Set([endOfWindow(since, this.seconds), endOfWindow(until, this.seconds)])
    for (const end of ends) this.#lost.set(end, (this.#lost.get(end) ?? 0) + lost)
  }

  /**
   * All records of the window that ends then have left: that one, others that have passed since
   * this was last asked, and those in which something was lost, each with how much. A time
   * ahead of the clock is from before that was set back.
   */
  take(end: number): [end: number, lost: number][] {
    const taken = new Map(this.#passed.take(end).map((passed) => [passed, 0]))
    const ahead = endOfWindow(this.#passed.now, this.seconds)
    for (const [key, lost] of this.#lost) {
      if (key > end && key <= ahead) continue
      taken.set(key, lost)
      this.#lost.delete(key)
    }
    return [...taken].sort(([a], [b]) => a - b)
  }

  #windowsOf(session: Session, interfaceId: string | undefined): InterfaceWindows {
    const shared = interfaceId === undefined ? undefined : this.#interfaces.get(interfaceId)
    if (shared !== undefined) return shared
    const windows = this.#sessions[session.index]?.of ?? {
      sessions: new Set<Session>(),
      seen: new SeenWindows(this.seconds),
      skipped: new SeenWindows(this.seconds),
      since: session.openedAt,
    }
    if (interfaceId !== undefined) this.#interfaces.set(interfaceId, windows)
    return windows
  }
}
