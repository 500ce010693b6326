import type { Libc, Watch } from './libc.js'

/** How long the event loop may be kept: file writes, timers and messages have their turn after it. */
const TURN_MS = 2
const PAUSE_MS = 1

export interface ReadLoopOptions {
  /** Of the socket; it never blocks. */
  fd: number
  /** What a full batch has: after a smaller one the queue is empty. */
  slots: number
  /** Whether the kernel's queue holds what comes within a pause. */
  mayPause: boolean
  /** Hands over one batch. Answers with its size, or -1 when an error that passes got in the way. */
  readBatch: () => number
}

/**
 * Reads batches without ever blocking the event loop.
 *
 * Three states. *Reading*: batch after batch until one comes back short, which means that
 * the queue is empty, giving way to the event loop every TURN_MS. *Pausing*: after a turn
 * that found something, PAUSE_MS of sleep; at speed this gathers full batches in place of a
 * wake-up per packet, and times do not suffer since the kernel stamps them. *Watching*:
 * after a turn that found nothing, epoll, which costs nothing at all while nobody sends.
 */
export class ReadLoop {
  readonly #options: ReadLoopOptions
  readonly #watch: Watch
  readonly #turn = (): void => this.#readTurn()
  readonly #pause: NodeJS.Timeout
  #immediate: NodeJS.Immediate | undefined
  /** No turn is to be scheduled any more. */
  #stopped = false

  /** Begins with a pause, so that whoever opens it has it before the first batch. */
  constructor(libc: Libc, options: ReadLoopOptions) {
    this.#options = options
    this.#watch = libc.watch(options.fd, () => {
      this.#watch.stop()
      this.#immediate = setImmediate(this.#turn)
    })
    this.#pause = setTimeout(this.#turn, PAUSE_MS)
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  #readTurn(): void {
    if (this.#stopped) return
    const { slots, mayPause, readBatch } = this.#options
    const until = performance.now() + TURN_MS
    let found = false
    for (;;) {
      const count = readBatch()
      if (this.#stopped) return
      if (count !== 0) found = true
      if (count < slots) break
      if (performance.now() >= until) {
        this.#immediate = setImmediate(this.#turn)
        return
      }
    }
    if (found && mayPause) this.#pause.refresh()
    else this.#watch.start()
  }

  /** May be called from `readBatch`, which is then not called again. */
  stop(): void {
    this.#stopped = true
    this.#watch.stop()
    clearTimeout(this.#pause)
    clearImmediate(this.#immediate)
  }

  /** Once, after `stop` and before the descriptor is closed. */
  release(): void {
    this.#watch.close()
  }
}
