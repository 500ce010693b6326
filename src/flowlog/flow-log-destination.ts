import type { FlowRecord } from '../flow/flow-record.js'
import type { SessionMetadata } from './metadata.js'

/** Counts of records and files since the start. */
export interface FlowLogStatistics {
  /** Of files that have their names: until then a failure may lose them. */
  readonly written: number
  /** Not taken, or written into a file that then could not be published. */
  readonly lost: number
  readonly filesPublished: number
  readonly filesFailed: number
}

/**
 * Where the records of one flow log go. FlowLogDirectory is one; others would deliver
 * to a bucket, a log group or a stream. A destination keeps nothing of a record after
 * `write`, holds a bounded amount of what is on its way, and counts what it loses.
 */
export interface FlowLogDestination {
  readonly statistics: FlowLogStatistics
  /** Never waits, throws or logs. False when the record was lost; it is counted. */
  write(record: FlowRecord, metadata: SessionMetadata): boolean
  /** By a timer, every second or so, with the records' clock. */
  tick(nowSeconds: number): void
  /** Delivers what there is. Rejects with the first error, after all has been tried. */
  close(): Promise<void>
}

/** Several destinations of the same records. The counts are those of the first. */
export class JointDestination implements FlowLogDestination {
  readonly #first: FlowLogDestination
  readonly #others: readonly FlowLogDestination[]

  constructor(first: FlowLogDestination, others: readonly FlowLogDestination[]) {
    this.#first = first
    this.#others = others
  }

  get statistics(): FlowLogStatistics {
    return this.#first.statistics
  }

  write(record: FlowRecord, metadata: SessionMetadata): boolean {
    for (const other of this.#others) other.write(record, metadata)
    return this.#first.write(record, metadata)
  }

  tick(nowSeconds: number): void {
    this.#first.tick(nowSeconds)
    for (const other of this.#others) other.tick(nowSeconds)
  }

  async close(): Promise<void> {
    const ends = [this.#first, ...this.#others].map((destination) => destination.close())
    const failed = (await Promise.allSettled(ends)).find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  }
}
