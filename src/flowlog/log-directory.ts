import { randomBytes } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BlockPool } from '../sink/block-pool.js'
import { type ByteSink, SINK_BLOCK_LEN } from '../sink/byte-sink.js'
import { syncMadeDirectories } from '../sink/directory.js'
import type { Disk } from '../sink/disk.js'
import { FileBudget } from '../sink/file-budget.js'
import { sinkInto } from '../sink/open.js'
import { openPart, PART, partLeft } from '../sink/part-file.js'
import type { FlowLogStatistics } from './flow-log-destination.js'
import { BUCKET_SECONDS, bucketOf } from './layout.js'
import type { RecordEncoder } from './record-encoder.js'
import { RecordWriter } from './record-writer.js'
import { spoolOf } from './spool.js'
import { type Convert, convertInThread } from './spool-thread.js'

/** AWS closed files at 75 MB. */
const FILE_BYTES_MAX = 75e6

/** How long a file begun after its bucket waits for the next record: one file, not one a second, of records that trickle in. */
const LATE_SECONDS = 10

const FLUSH_SECONDS = 10

/** Where the files of a log go. */
export interface LogLayout {
  readonly fileFormat: string
  /** The path below the directory of a file for the bucket that starts at `bucketSeconds`; `unique` tells it from others. */
  key(bucketSeconds: number, unique: string): string
}

export interface LogDirectoryOptions<Row, About> {
  /** What messages call it: `flow logs`. */
  name: string
  /** Made, with all above it, if it is not there. */
  directory: string
  layout: LogLayout
  encoder: RecordEncoder<Row, About>
  /** The second whose bucket a record is of. */
  secondOf: (row: Row) => number
  /** How long after a bucket's end its file stays open for stragglers. */
  graceSeconds: number
  /** Most bytes of text not yet compressed; Infinity for offline work, which awaits `drained`. */
  pendingBytesMax: number
  /** Whose turns it shares; by default it has its own. */
  disk?: Disk
  /** Most files open at a time, and again as many on their way to their names. */
  filesMax?: number
  /** That of all flow logs of a thread; without one, `filesMax` alone bounds the files. */
  files?: FileBudget
  /** Bytes of text after which a file is published and another begun. */
  fileBytesMax?: number
  /** How long records may lie where a killed process would lose them; 10 s unless said otherwise. */
  flushSeconds?: number
  /** Makes the Parquet file of a spool; by default in a thread of its own, for threads that must not wait. */
  convert?: Convert
  /** Seconds of the spans that files are named after; 300 unless said otherwise. */
  bucketSeconds?: number
  /** A file has got its final name. */
  onPublished?: ((path: string) => void) | undefined
  /** Takes one line when writing starts to fail and one when it works again. */
  onProblem: (line: string) => void
}

interface OpenFile<Row, About> {
  readonly path: string
  /** What is written while records come: the file itself, or its spool. */
  readonly growing: string
  readonly bucket: number
  readonly sink: ByteSink
  readonly writer: RecordWriter<Row, About>
  /** The topmost directory made for it. */
  readonly made: Promise<string | undefined>
  openedAt: number
  lastWriteAt: number
  flushedAt: number
  records: number
}

/**
 * Files of a log below a directory, as AWS publishes flow logs: gzip, header
 * first, or Parquet; a file for every five minutes of records, visible
 * under its name when it is whole. A Parquet file grows as a spool; see spool.ts.
 *
 * `write` never waits, throws or logs. Records that end in a bucket whose file is
 * gone begin another file of that bucket. When the disk fails, the records of
 * the file at hand are lost and counted and a new file is tried once a tick.
 */
export class LogDirectory<Row, About> {
  readonly #options: LogDirectoryOptions<Row, About>
  readonly #filesMax: number
  readonly #files: FileBudget
  readonly #fileBytesMax: number
  readonly #flushSeconds: number
  readonly #bucketSeconds: number
  readonly #pool: BlockPool
  readonly #open = new Map<number, OpenFile<Row, About>>()
  /** Files on their way to their names, with what settles when they have arrived. */
  readonly #closing = new Map<OpenFile<Row, About>, Promise<void>>()
  #latest: OpenFile<Row, About> | undefined = undefined
  #now = 0
  #closed = false

  #failing = false
  #mayTry = true
  #lostInEpisode = 0
  #firstErrorOfClose: unknown = undefined

  #written = 0
  #lost = 0
  #filesPublished = 0
  #filesFailed = 0

  constructor(options: LogDirectoryOptions<Row, About>) {
    this.#options = options
    this.#filesMax = options.filesMax ?? 8
    this.#files = options.files ?? new FileBudget(Number.POSITIVE_INFINITY)
    this.#fileBytesMax = options.fileBytesMax ?? FILE_BYTES_MAX
    this.#flushSeconds = options.flushSeconds ?? FLUSH_SECONDS
    this.#bucketSeconds = options.bucketSeconds ?? BUCKET_SECONDS
    this.#pool = new BlockPool(Math.ceil(options.pendingBytesMax / SINK_BLOCK_LEN), options.disk)
  }

  get statistics(): FlowLogStatistics {
    return {
      written: this.#written,
      lost: this.#lost,
      filesPublished: this.#filesPublished,
      filesFailed: this.#filesFailed,
    }
  }

  /** Bytes taken and not yet with the operating system. */
  get pendingBytes(): number {
    let octets = 0
    for (const { sink } of this.#open.values()) octets += sink.pendingBytes
    for (const { sink } of this.#closing.keys()) octets += sink.pendingBytes
    return octets
  }

  /** This many files are on their way to their names that a record might be lost; `drained` mends that. */
  get isFull(): boolean {
    return this.#closing.size >= this.#filesMax
  }

  /** False when the record was lost; it is counted in `statistics.lost`. */
  write(record: Row, about: About): boolean {
    const bucket = bucketOf(this.#options.secondOf(record), this.#bucketSeconds)
    const latest = this.#latest
    const file = latest !== undefined && latest.bucket === bucket ? latest : this.#fileOf(bucket)
    if (file === undefined || !file.writer.write(record, about)) {
      this.#lose(1)
      return false
    }
    this.#latest = file
    file.records++
    file.lastWriteAt = this.#now
    if (file.writer.bytes >= this.#fileBytesMax) this.#publish(file)
    return true
  }

  /**
   * Publishes the buckets that are over. To be called by a timer, every second
   * or so; `nowSeconds` is on the records' clock.
   */
  tick(nowSeconds: number): void {
    if (nowSeconds < this.#now) this.#stepBack(nowSeconds)
    this.#now = nowSeconds
    this.#mayTry = true
    for (const file of this.#open.values()) {
      if (file.sink.error !== undefined || this.#isOver(file)) this.#publish(file)
      else if (
        file.lastWriteAt >= file.flushedAt &&
        nowSeconds >= file.flushedAt + this.#flushSeconds
      ) {
        file.sink.flush()
        file.flushedAt = nowSeconds
      }
    }
  }

  /** Resolves when everything taken so far is with the operating system or lost, and files being published have their names. */
  async drained(): Promise<void> {
    const files = [...this.#open.values()].map(({ sink }) => sink.drained())
    await Promise.all([...files, ...this.#closing.values()])
  }

  /** Publishes what there is. Rejects with the first error of a file that could not be, after all have been tried. */
  async close(): Promise<void> {
    this.#closed = true
    for (const file of this.#open.values()) this.#publish(file)
    await Promise.all(this.#closing.values())
    if (this.#firstErrorOfClose !== undefined) throw this.#firstErrorOfClose
  }

  /** The clock was set back: what happened in the time that was taken back happened now. */
  #stepBack(nowSeconds: number): void {
    for (const file of this.#open.values()) {
      file.openedAt = Math.min(file.openedAt, nowSeconds)
      file.lastWriteAt = Math.min(file.lastWriteAt, nowSeconds)
      file.flushedAt = Math.min(file.flushedAt, nowSeconds)
    }
  }

  /** Over, and no more of its records are to be expected; but a late file stays open no longer than a bucket lasts. */
  #isOver(file: OpenFile<Row, About>): boolean {
    const { graceSeconds } = this.#options
    const bucketEnd = file.bucket + this.#bucketSeconds
    // Of a time that the clock was set back from: its end may be hours away.
    const isAhead = file.bucket > this.#now + this.#bucketSeconds
    if (!isAhead && this.#now < bucketEnd + graceSeconds) return false
    const isLate = isAhead || file.openedAt >= bucketEnd
    const quietSeconds = isLate ? Math.max(graceSeconds, LATE_SECONDS) : graceSeconds
    return (
      this.#now >= file.lastWriteAt + quietSeconds ||
      this.#now >= file.openedAt + this.#bucketSeconds
    )
  }

  #fileOf(bucket: number): OpenFile<Row, About> | undefined {
    const open = this.#open.get(bucket)
    if (open !== undefined) return open
    if (this.#closed || !this.#mayTry) return undefined
    if (this.#open.size >= this.#filesMax) this.#publish(this.#leastRecent())
    if (this.#closing.size > this.#filesMax) return undefined
    if (!this.#files.tryTake()) {
      this.#failed(new Error(`${this.#options.name} have as many files open as may be (ulimit -n)`))
      return undefined
    }
    return this.#begin(bucket)
  }

  /** The disk is not waited for: records fill blocks while the file is being opened. */
  #begin(bucket: number): OpenFile<Row, About> {
    const { directory, layout, encoder, pendingBytesMax } = this.#options
    const path = join(directory, layout.key(bucket, randomBytes(4).toString('hex')))
    const growing = layout.fileFormat === 'parquet' ? spoolOf(path) : path
    const { disk } = this.#pool
    const made = disk.run(() => mkdir(dirname(path), { recursive: true }))
    const part = made.then(() => disk.run(() => openPart(growing, 'replace')))
    const sink = sinkInto(growing, part, { limitBytes: pendingBytesMax, pool: this.#pool })
    const file: OpenFile<Row, About> = {
      path,
      growing,
      bucket,
      sink,
      writer: new RecordWriter(sink, encoder),
      made,
      openedAt: this.#now,
      lastWriteAt: this.#now,
      flushedAt: this.#now,
      records: 0,
    }
    this.#open.set(bucket, file)
    return file
  }

  #leastRecent(): OpenFile<Row, About> {
    let least: OpenFile<Row, About> | undefined
    for (const file of this.#open.values()) {
      if (least === undefined || file.lastWriteAt < least.lastWriteAt) least = file
    }
    return least!
  }

  #publish(file: OpenFile<Row, About>): void {
    this.#open.delete(file.bucket)
    if (this.#latest === file) this.#latest = undefined
    this.#closing.set(file, this.#settle(file))
  }

  /** Never rejects. */
  async #settle(file: OpenFile<Row, About>): Promise<void> {
    try {
      await file.sink.close()
      if (file.records === 0) {
        // Begun when memory ran out, before its first record was taken.
        await this.#pool.disk.run(() => rm(file.growing))
        return
      }
      if (file.growing !== file.path) {
        await (this.#options.convert ?? convertInThread)(file.growing, file.path)
      }
      const made = await file.made
      if (made !== undefined) {
        await this.#pool.disk.run(() => syncMadeDirectories(made, dirname(file.path)))
      }
      this.#written += file.records
      this.#filesPublished++
      this.#options.onPublished?.(file.path)
      this.#worked()
    } catch (error) {
      this.#filesFailed++
      this.#lose(file.records)
      this.#failed(error)
      if (this.#closed) this.#firstErrorOfClose ??= error
      if (await this.#pool.disk.run(() => isLeft(file.growing + PART))) {
        this.#say(`${partLeft(file.growing, messageOf(error))}`)
      }
    } finally {
      this.#closing.delete(file)
      this.#files.give()
    }
  }

  #say(line: string): void {
    this.#options.onProblem(`${this.#options.name}: ${line}`)
  }

  #lose(records: number): void {
    this.#lost += records
    this.#lostInEpisode += records
  }

  #failed(error: unknown): void {
    this.#mayTry = false
    if (this.#failing) return
    this.#failing = true
    this.#say(`${messageOf(error)}; records are lost until it is mended`)
  }

  #worked(): void {
    if (this.#failing) {
      this.#say(`writing again; ${this.#lostInEpisode} records were lost`)
    }
    this.#failing = false
    this.#lostInEpisode = 0
  }
}

/**
 * Whether there is a part that adoption.ts will find records in. An empty one is removed: a
 * full disk is tried again every tick, and that must not leave a file each time.
 */
async function isLeft(part: string): Promise<boolean> {
  try {
    if ((await stat(part)).size > 0) return true
    await rm(part)
  } catch {
    // Not there, or the disk is failing as it is, and said so.
  }
  return false
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
