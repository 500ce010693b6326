import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { ringMemory } from '../appliance/packet-ring.js'
import { OperatorError } from '../errors.js'
import type { ForwardNotice, ForwardOptions } from './messages.js'

/** What waits between a receiving thread and the one that gives its packets on. */
const RING_BYTES = 16 * 1024 * 1024

/** What a forwarding thread runs. */
const WORKER = new URL('./forward-worker.js', import.meta.url)

/** The thread that gives packets on to readers and to a tap device, as of the receiving threads. */
export class Forward {
  /** For each receiving thread, where it puts packets. */
  readonly rings: readonly SharedArrayBuffer[]
  /** Of the servers, in their order. */
  readonly ports: readonly number[]
  readonly #worker: Worker
  readonly #gone: Promise<unknown>

  private constructor(
    worker: Worker,
    rings: readonly SharedArrayBuffer[],
    ports: readonly number[],
  ) {
    this.#worker = worker
    this.rings = rings
    this.ports = ports
    this.#gone = once(worker, 'exit')
  }

  /** `onProblem` takes lines for the operator. Throws OperatorError. */
  static async start(
    { workers, ...options }: Omit<ForwardOptions, 'rings'> & { readonly workers: number },
    onProblem: (line: string) => void,
  ): Promise<Forward> {
    const rings = Array.from({ length: workers }, () => ringMemory(RING_BYTES, true))
    const workerData: ForwardOptions = { ...options, rings }
    const worker = new Worker(WORKER, { workerData })
    const ports = await new Promise<readonly number[]>((resolve, reject) => {
      worker.on('message', (notice: ForwardNotice) => {
        if (notice.type === 'ready') resolve(notice.ports)
        else if (notice.type === 'problem') onProblem(notice.line)
        else reject(errorOf(notice))
      })
      worker.on('error', (error) => {
        reject(error)
        onProblem(`packets are given on to nobody any more: ${error.message}`)
      })
    })
    return new Forward(worker, rings, ports)
  }

  /** Gives on what is left. To be called when the receiving threads have ended. */
  async stop(): Promise<void> {
    this.#worker.postMessage('stop')
    await this.#gone
  }
}

function errorOf({ message, code }: ForwardNotice & { readonly type: 'failed' }): Error {
  return code === undefined ? new Error(message) : new OperatorError(message, { code })
}
