import { BlockPool } from '../deliver/block-pool.js'
import type { BlockSink } from '../deliver/block-sink.js'
import { OperatorError } from '../errors.js'
import { FlowRecord } from '../flow/flow-record.js'
import { FlowLogDirectory } from '../flowlog/flow-log-directory.js'
import type { FlowLogLayout } from '../flowlog/layout.js'
import type { SessionMetadata } from '../flowlog/metadata.js'
import type { RecordEncoder } from '../flowlog/record-encoder.js'
import { RecordWriter } from '../flowlog/record-writer.js'
import { Output } from './output.js'

/** Octets of text that may wait before `room` waits for them. */
const PENDING_MAX = 8 * 1024 * 1024

/** Where the records of a run go. */
export interface RecordOutput {
  write(record: FlowRecord): void
  /**
   * To be awaited between blocks of input, when all records up to `nowSeconds` by
   * the packets' clock have been written. False: nobody wants more.
   */
  room(nowSeconds: number): boolean | Promise<boolean>
  /** In place of `close`, when there is nothing to be put out. */
  discard(): Promise<void>
  /** Rejects with OperatorError when records could not be written. */
  close(): Promise<void>
}

export interface RecordFileOptions {
  /** `-` is standard output. */
  target: string
  encoder: RecordEncoder
  metadata: SessionMetadata
  parquet: boolean
  /** Somebody watches: what is written goes on its way at once. */
  prompt: boolean
}

/** One file, or standard output. */
export class RecordFile implements RecordOutput {
  readonly #output: Output
  readonly #writer: RecordWriter
  readonly #options: RecordFileOptions

  static async open(options: RecordFileOptions): Promise<RecordFile> {
    const through = options.parquet ? await asParquet() : undefined
    return new RecordFile(options, new Output(options.target, through))
  }

  private constructor(options: RecordFileOptions, output: Output) {
    this.#options = options
    this.#output = output
    this.#writer = new RecordWriter(output.sink, options.encoder)
  }

  write(record: FlowRecord): void {
    this.#writer.write(record, this.#options.metadata)
  }

  room(): boolean | Promise<boolean> {
    const output = this.#output
    if (this.#options.prompt) output.sink.flush()
    if (!output.open) return false
    return output.full ? output.room().then(() => output.open) : true
  }

  discard(): Promise<void> {
    return this.#output.discard()
  }

  async close(): Promise<void> {
    this.#writer.writeHeader()
    await this.#output.close()
  }
}

async function asParquet(): Promise<(sink: BlockSink) => BlockSink> {
  const { ParquetSink } = await import('../flowlog/parquet-sink.js')
  const limitBytes = Number.POSITIVE_INFINITY
  return (sink) => new ParquetSink(sink, { pool: new BlockPool(limitBytes), limitBytes })
}

export interface RecordDirectoryOptions {
  directory: string
  layout: FlowLogLayout
  encoder: RecordEncoder
  metadata: SessionMetadata
  /** How long after a second its records may come: the aggregation interval, and what the clock lags. */
  graceSeconds: number
}

/** Files below a directory, in AWS's key layout. */
export class RecordDirectory implements RecordOutput {
  readonly #log: FlowLogDirectory
  readonly #metadata: SessionMetadata
  /** Copies of records that came when too many files were on their way to their names. */
  #waiting: FlowRecord[] = []
  #problem: string | undefined = undefined

  static async open(options: RecordDirectoryOptions): Promise<RecordDirectory> {
    // Nobody waits for this thread: it may as well convert by itself.
    const { convertSpool } = await import('../flowlog/spool-conversion.js')
    return new RecordDirectory(options, convertSpool)
  }

  private constructor(
    options: RecordDirectoryOptions,
    convert: (spool: string, path: string) => Promise<void>,
  ) {
    this.#metadata = options.metadata
    this.#log = new FlowLogDirectory({
      directory: options.directory,
      layout: options.layout,
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
    this.#log.tick(nowSeconds)
    const isFull = this.#waiting.length > 0 || this.#log.pendingBytes > PENDING_MAX
    return isFull ? this.#catchUp().then(() => this.#problem === undefined) : true
  }

  discard(): Promise<void> {
    return this.#log.close()
  }

  async close(): Promise<void> {
    await this.#catchUp()
    await this.#log.close().catch((error: Error) => {
      this.#problem ??= error.message
    })
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
