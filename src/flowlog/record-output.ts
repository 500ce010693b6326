import type { FlowRecord } from '../flow/flow-record.js'
import { BlockPool } from '../sink/block-pool.js'
import type { BlockSink } from '../sink/block-sink.js'
import { Output } from '../sink/text-output.js'
import type { SessionMetadata } from './metadata.js'
import type { RecordEncoder } from './record-encoder.js'
import { RecordWriter } from './record-writer.js'

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

interface RecordFileOptions {
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
  const { ParquetSink } = await import('./parquet-sink.js')
  const limitBytes = Number.POSITIVE_INFINITY
  return (sink) => new ParquetSink(sink, { pool: new BlockPool(limitBytes), limitBytes })
}
