import { Worker } from 'node:worker_threads'
import { PacketRingReader, ringMemory } from '../appliance/packet-ring.js'
import { OperatorError } from '../errors.js'
import type { ForwardNotice, ForwardOptions } from './messages.js'

/** What waits between a receiving thread and the one that gives its packets on. */
const RING_BYTES = 16 * 1024 * 1024

/** What a forwarding thread runs; tests give another. */
const WORKER = new URL('./forward-worker.js', import.meta.url)

/** Before a thread that died is started again, and before another attempt. */
const RESTART_MS = 1000
const RETRY_MS = 15_000

interface StartOptions extends Omit<ForwardOptions, 'rings'> {
  /** Receiving threads. */
  readonly workers: number
}

/**
 * The thread that gives packets on to readers and to a tap device, as of the receiving threads. One
 * that dies is started again at the same ports, for readers to connect to.
 */
export class Forward {
  /** For each receiving thread, where it puts packets. */
  readonly rings: readonly SharedArrayBuffer[]
  readonly #options: ForwardOptions
  readonly #entry: URL
  readonly #onProblem: (line: string) => void
  #ports: readonly number[] = []
  #worker: Worker | undefined
  /** Resolves when the thread has ended. */
  #gone: Promise<void> = Promise.resolve()
  #restart: NodeJS.Timeout | undefined
  #isStopping = false

  private constructor(
    { workers, ...options }: StartOptions,
    onProblem: (line: string) => void,
    entry: URL,
  ) {
    this.rings = Array.from({ length: workers }, () => ringMemory(RING_BYTES, true))
    this.#options = { ...options, rings: this.rings }
    this.#onProblem = onProblem
    this.#entry = entry
  }

  /** `onProblem` takes lines for the operator. Throws OperatorError. */
  static async start(
    options: StartOptions,
    onProblem: (line: string) => void,
    entry = WORKER,
  ): Promise<Forward> {
    const forward = new Forward(options, onProblem, entry)
    forward.#ports = await forward.#start(options.servers)
    return forward
  }

  /** Of the servers, in their order. */
  get ports(): readonly number[] {
    return this.#ports
  }

  /** Gives on what is left. To be called when the receiving threads have ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#restart)
    this.#worker?.postMessage('stop')
    await this.#gone
  }

  /** Resolves with the ports once the thread gives packets on; rejects when it cannot. */
  #start(servers: ForwardOptions['servers']): Promise<readonly number[]> {
    const worker = new Worker(this.#entry, { workerData: { ...this.#options, servers } })
    this.#worker = worker
    let isReady = false
    let cause: Error | undefined
    let onGone: () => void
    this.#gone = new Promise((resolve) => {
      onGone = resolve
    })
    return new Promise((resolve, reject) => {
      worker.on('message', (notice: ForwardNotice) => {
        if (notice.type === 'problem') this.#onProblem(notice.line)
        else if (notice.type === 'failed') cause = errorOf(notice)
        else {
          isReady = true
          resolve(notice.ports)
        }
      })
      worker.on('error', (error: Error) => {
        cause = error
      })
      worker.on('exit', (code) => {
        this.#worker = undefined
        // A thread that died has left them open: receiving threads would go on copying.
        for (const ring of this.rings) new PacketRingReader(ring).end()
        cause ??= new Error(`it ended with code ${code}`)
        if (!isReady) reject(cause)
        else if (!this.#isStopping) {
          this.#startLater(
            `the thread that gives packets to other tools crashed and is started again, its readers have to connect again: ${cause.message}`,
            RESTART_MS,
          )
        }
        onGone()
      })
    })
  }

  #startLater(why: string, afterMs: number): void {
    this.#onProblem(why)
    this.#restart = setTimeout(() => void this.#startAgain(), afterMs)
    this.#restart.unref()
  }

  async #startAgain(): Promise<void> {
    const servers = this.#options.servers.map((server, index) => ({
      ...server,
      port: this.#ports[index]!,
    }))
    try {
      await this.#start(servers)
      this.#onProblem('packets are given to other tools again')
    } catch (error) {
      if (this.#isStopping) return
      const { message } = error as Error
      this.#startLater(`packets are still given to no other tool: ${message}`, RETRY_MS)
    }
  }
}

function errorOf({ message, code }: ForwardNotice & { readonly type: 'failed' }): Error {
  return code === undefined ? new Error(message) : new OperatorError(message, { code })
}
