import { OperatorError } from '../errors.js'
import { FlowRecord } from '../flow/flow-record.js'
import { ensureDirectory, removeEmpty } from '../sink/directory.js'
import { DirectoryLock } from '../sink/directory-lock.js'
import { FlowLogDirectory } from './flow-log-directory.js'
import { FlowLogLayout, type LayoutOptions } from './layout.js'
import type { SessionMetadata } from './metadata.js'
import type { RecordEncoder } from './record-encoder.js'
import type { RecordOutput } from './record-output.js'

/** Bytes of text that may wait before `room` waits for them. */
const PENDING_MAX = 8 * 1024 * 1024

interface RecordDirectoryOptions {
  directory: string
  layout: LayoutOptions
  encoder: RecordEncoder
  metadata: SessionMetadata
  /** How long after a second its records may come: the aggregation interval, and what the clock lags. */
  graceSeconds: number
}

/** Files below a directory, in AWS's key layout. Nobody else may write there meanwhile. */
export class RecordDirectory implements RecordOutput {
  readonly #lock: DirectoryLock
  readonly #made: readonly string[]
  readonly #log: FlowLogDirectory
  readonly #metadata: SessionMetadata
  /** Copies of records that came when too many files were on their way to their names. */
  #waiting: FlowRecord[] = []
  #problem: string | undefined = undefined

  static async open(options: RecordDirectoryOptions): Promise<RecordDirectory> {
    // Nobody waits for this thread: it may as well convert by itself.
    const { convertSpool } = await import('./spool-conversion.js')
    return new RecordDirectory(options, convertSpool)
  }

  private constructor(
    options: RecordDirectoryOptions,
    convert: (spool: string, path: string) => Promise<void>,
  ) {
    // First what may be wrong with it: nothing is made then.
    const layout = new FlowLogLayout(options.layout)
    this.#made = ensureDirectory(options.directory)
    this.#lock = new DirectoryLock(options.directory)
    this.#metadata = options.metadata
    this.#log = new FlowLogDirectory({
      directory: options.directory,
      layout,
      encoder: options.encoder,
      graceSeconds: options.graceSeconds,
      pendingBytesMax: Number.POSITIVE_INFINITY,
      flushSeconds: Number.POSITIVE_INFINITY,
      convert,
      onProblem: (line) => {
        this.#problem ??= line.replace(/^flow logs: /, '').replace(/; records are lost.*$/, '')
      },
    })
  }

  write(record: FlowRecord): void {
    if (this.#waiting.length > 0 || this.#log.isFull) this.#waiting.push(copyOf(record))
    else this.#log.write(record, this.#metadata)
  }

  room(nowSeconds: number): boolean | Promise<boolean> {
    if (this.#problem !== undefined) return false
    // No file ends before it has all of its records.
    if (this.#waiting.length > 0) return this.#catchUp().then(() => this.room(nowSeconds))
    this.#log.tick(nowSeconds)
    if (this.#log.pendingBytes <= PENDING_MAX) return true
    return this.#log.drained().then(() => this.#problem === undefined)
  }

  async discard(): Promise<void> {
    await this.#log.close().finally(() => this.#lock.release())
    removeEmpty(this.#made)
  }

  async close(): Promise<void> {
    await this.#catchUp()
    await this.#log.close().catch((error: Error) => {
      this.#problem ??= error.message
    })
    this.#lock.release()
    if (this.#problem !== undefined) throw new OperatorError(this.#problem)
  }

  async #catchUp(): Promise<void> {
    await this.#log.drained()
    while (this.#waiting.length > 0) {
      const some = this.#waiting.findIndex((record) => {
        if (this.#log.isFull) return true
        this.#log.write(record, this.#metadata)
        return false
      })
      this.#waiting = some === -1 ? [] : this.#waiting.slice(some)
      await this.#log.drained()
    }
  }
}

/** The tracker overwrites a record that it has handed over. */
function copyOf(record: FlowRecord): FlowRecord {
  const { packetSource, packetDestination, ...scalars } = record
  const copy = Object.assign(new FlowRecord(), scalars)
  copy.packetSource.set(packetSource)
  copy.packetDestination.set(packetDestination)
  return copy
}
