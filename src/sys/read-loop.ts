import type { Libc, Watch } from './libc.js'

/** How long the event loop may be kept: file writes, timers and messages have their turn after it. */
const TURN_MS = 2
const PAUSE_MS = 1

interface ReadLoopOptions {
  /** Of the socket; it never blocks. */
  fd: number
  /** What a full batch has: after a smaller one the queue is empty. */
  slots: number
  /** Whether the kernel's queue holds what comes within a pause. */
  mayPause: boolean
  /** Hands over one batch. Answers with its size, or -1 when an error that passes got in the way. */
  readBatch: () => number
  /** After each batch that was not empty. Nothing is read before what it answers with resolves; it never rejects. */
  afterBatch?: () => Promise<unknown> | undefined
}

/**
 * Reads batches without ever blocking the event loop.
 *
 * Three states. *Reading*: batch after batch until one comes back short, which means that
 * the queue is empty, giving way to the event loop every TURN_MS. *Pausing*: after a turn
 * that found something, PAUSE_MS of sleep; at speed this gathers full batches instead of a
 * wake-up per packet, and times do not suffer since the kernel stamps them. *Watching*:
 * after a turn that found nothing, epoll, which costs nothing at all while nobody sends.
 */
export class ReadLoop {
  readonly #options: ReadLoopOptions
  readonly #watch: Watch
  readonly #turn = (): void => this.#beginTurn()
  readonly #pause: NodeJS.Timeout
  #immediate: NodeJS.Immediate | undefined
  #busy: Promise<unknown> | undefined
  /** Of this turn: when it must end, and whether it found something. */
  #until = 0
  #found = false
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

  /** What `afterBatch` last answered with; perhaps it has resolved. */
  get busy(): Promise<unknown> | undefined {
    return this.#busy
  }

  #beginTurn(): void {
    this.#until = performance.now() + TURN_MS
    this.#found = false
    this.#read()
  }

  #read(): void {
    const { readBatch, afterBatch } = this.#options
    while (!this.#stopped) {
      const count = readBatch()
      if (count !== 0) this.#found = true
      const busy = count > 0 ? afterBatch?.() : undefined
      if (busy !== undefined) {
        this.#busy = busy
        void busy.then(() => {
          if (this.#goesOn(count)) this.#read()
        })
        return
      }
      if (!this.#goesOn(count)) return
    }
  }

  /** After a batch of `count`: whether to read another now; else it has been seen to that it comes. */
  #goesOn(count: number): boolean {
    if (this.#stopped) return false
    if (count < this.#options.slots) {
      if (this.#found && this.#options.mayPause) this.#pause.refresh()
      else this.#watch.start()
      return false
    }
    if (performance.now() < this.#until) return true
    this.#immediate = setImmediate(this.#turn)
    return false
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
