import { HOT_WORDS, NEXT_IN_SESSION, NO_ENTRY, PREVIOUS_IN_SESSION } from './flow-entry.js'
import type { FlowTable } from './flow-table.js'

/** Which flows each session has, oldest first: to count them, to end them with their session. */
export class SessionFlows {
  readonly #table: FlowTable
  readonly #oldest: Uint32Array
  readonly #youngest: Uint32Array
  /** Live flows by session index. */
  readonly counts: Uint32Array
  /** Sessions that have flows. */
  active = 0

  /** `sessions`: how many session indices there are. */
  constructor(table: FlowTable, sessions: number) {
    this.#table = table
    this.#oldest = new Uint32Array(sessions).fill(NO_ENTRY)
    this.#youngest = new Uint32Array(sessions).fill(NO_ENTRY)
    this.counts = new Uint32Array(sessions)
  }

  /** The session's oldest flow, or NO_ENTRY. */
  oldest(session: number): number {
    return this.#oldest[session]!
  }

  /** The flow of the same session that began next, or NO_ENTRY. */
  younger(flow: number): number {
    return this.#table.words[flow * HOT_WORDS + NEXT_IN_SESSION]!
  }

  add(flow: number, session: number): void {
    const { words } = this.#table
    const before = this.#youngest[session]!
    words[flow * HOT_WORDS + NEXT_IN_SESSION] = NO_ENTRY
    words[flow * HOT_WORDS + PREVIOUS_IN_SESSION] = before
    if (before === NO_ENTRY) this.#oldest[session] = flow
    else words[before * HOT_WORDS + NEXT_IN_SESSION] = flow
    this.#youngest[session] = flow
    if (this.counts[session]!++ === 0) this.active++
  }

  remove(flow: number, session: number): void {
    const { words } = this.#table
    const younger = words[flow * HOT_WORDS + NEXT_IN_SESSION]!
    const older = words[flow * HOT_WORDS + PREVIOUS_IN_SESSION]!
    if (older === NO_ENTRY) this.#oldest[session] = younger
    else words[older * HOT_WORDS + NEXT_IN_SESSION] = younger
    if (younger === NO_ENTRY) this.#youngest[session] = older
    else words[younger * HOT_WORDS + PREVIOUS_IN_SESSION] = older
    if (--this.counts[session]! === 0) this.active--
  }
}
