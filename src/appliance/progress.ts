import { type Latency, QUANTILES } from '../durations.js'
import { monotonicMs } from '../sink/disk.js'

/** What a receiving thread writes, each with turns of its own at the disk. */
export const WRITES = ['captures', 'flow logs', 'event logs'] as const
export type Written = (typeof WRITES)[number]

/** A receiving thread shows four times a second that it runs; its longest pauses take milliseconds. */
export const SILENT_MS = 3000

/** `receiving thread 2 has not answered for 3.4 s`. */
export function silenceText(worker: number, silentMs: number): string {
  return `receiving thread ${worker} has not answered for ${Math.round(silentMs / 100) / 10} s`
}

const BEAT = 0
const WRITES_AT = 1
const LATENCY_AT = WRITES_AT + WRITES.length
const QUANTILES_AT = LATENCY_AT + 2
const CELLS = QUANTILES_AT + QUANTILES.length

/**
 * Signs of life of a receiving thread, in shared memory: they are read without asking the thread, which
 * may not answer. Times are `monotonicMs`.
 */
export class Progress {
  readonly memory: SharedArrayBuffer
  readonly #cells: Float64Array

  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(CELLS * Float64Array.BYTES_PER_ELEMENT)
    this.#cells = new Float64Array(this.memory)
    if (memory === undefined) this.beat()
  }

  /** The thread has got round to it. */
  beat(): void {
    this.#cells[BEAT] = monotonicMs()
  }

  get lastBeat(): number {
    return this.#cells[BEAT]!
  }

  /** `since`: when the oldest operation was begun that is under way; undefined when none is. */
  noteWrites(what: Written, since: number | undefined): void {
    this.#cells[WRITES_AT + WRITES.indexOf(what)] = since ?? 0
  }

  writingSince(what: Written): number | undefined {
    return this.#cells[WRITES_AT + WRITES.indexOf(what)] || undefined
  }

  noteLatency({ count, sumSeconds, quantiles }: Latency): void {
    this.#cells[LATENCY_AT] = count
    this.#cells[LATENCY_AT + 1] = sumSeconds
    this.#cells.set(quantiles, QUANTILES_AT)
  }

  get latency(): Latency {
    return {
      count: this.#cells[LATENCY_AT]!,
      sumSeconds: this.#cells[LATENCY_AT + 1]!,
      quantiles: [...this.#cells.subarray(QUANTILES_AT)],
    }
  }
}

/** What is known of the receiving threads without asking them. */
export interface PoolProgress {
  readonly workers: readonly {
    /** From 1 on, as messages count them. */
    readonly worker: number
    /** Since it last showed that it runs; while one is started again, since the last of its predecessor. */
    readonly silentMs: number
    /** From the kernel to the end of their way, one datagram of each batch. */
    readonly latency: Latency
  }[]
  /** How long the oldest operation at the disk has been under way; undefined when none is. */
  readonly waitingMs: Readonly<Record<Written, number | undefined>>
}
