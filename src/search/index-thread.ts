import { rm } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { INDEX_SUFFIX } from '../pcap/capture-name.js'
import { PART } from '../sink/part-file.js'

export interface IndexThreadOptions {
  /** Where capture files are, in directories of sessions. */
  readonly directory: string
}

/** What the thread tells. */
export type IndexNotice =
  | { readonly type: 'problem'; readonly line: string }
  /** The index of a capture is about to be written. */
  | { readonly type: 'begun'; readonly capture: string }

const WORKER = new URL('./index-worker.js', import.meta.url)
const RESTART_MS = 60_000

/**
 * Indexes the finished captures of a directory beside their writing, in a thread of its own at the
 * lowest priority.
 */
export class IndexThread {
  readonly #options: IndexThreadOptions
  readonly #onProblem: (line: string) => void
  #worker: Worker | undefined
  #restart: NodeJS.Timeout | undefined
  #begun: string | undefined
  #isStopping = false

  constructor(options: IndexThreadOptions, onProblem: (line: string) => void) {
    this.#options = options
    this.#onProblem = onProblem
    this.#start()
  }

  /** Ends it at once: what it was at is done at the next start. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#restart)
    await this.#worker?.terminate()
    if (this.#begun === undefined) return
    // Where the disk refuses, the next start replaces it.
    await rm(this.#begun + INDEX_SUFFIX + PART, { force: true }).catch(() => undefined)
  }

  #start(): void {
    const worker = new Worker(WORKER, { workerData: this.#options })
    this.#worker = worker
    let cause = ''
    worker.on('message', (notice: IndexNotice) => {
      if (notice.type === 'problem') this.#onProblem(notice.line)
      else this.#begun = notice.capture
    })
    worker.on('error', (error: Error) => {
      cause = `: ${error.message}`
    })
    worker.on('exit', () => {
      this.#worker = undefined
      if (this.#isStopping) return
      this.#onProblem(`the indexing thread ended and is started again in a minute${cause}`)
      this.#restart = setTimeout(() => this.#start(), RESTART_MS)
      this.#restart.unref()
    })
    worker.unref()
  }
}
