import { Worker } from 'node:worker_threads'

export interface IndexThreadOptions {
  /** Where capture files are, in directories of sessions. */
  readonly directory: string
}

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
  }

  #start(): void {
    const worker = new Worker(WORKER, { workerData: this.#options })
    this.#worker = worker
    let cause = ''
    worker.on('message', (line: string) => this.#onProblem(line))
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
