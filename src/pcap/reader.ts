import { OperatorError } from '../errors.js'
import type { Packet } from '../wire/packet.js'
import { CaptureInput } from './capture-input.js'
import type { CaptureInterface } from './capture-interfaces.js'
import { type CaptureFileFormat, CaptureParser, type Damage } from './capture-parser.js'
import { type Decompression, openDecompression } from './decompression.js'
import { COMPRESSION_MAGIC_LEN, type Compression, compressionOf } from './decompressor.js'
import type { Restart, Restarts } from './restarts.js'

export type { CaptureInterface, Damage }

/** What a capture file held, up to its end, to damage, or to where reading was stopped. */
export interface CaptureSummary {
  readonly format: CaptureFileFormat
  readonly compression: Compression
  readonly packets: number
  /** Packets with a time before 1970 or after LAST_TIME (pcapng-time.ts), handed over without a time. */
  readonly outOfRangeTimes: number
  /** Packets with a time after the year 9999, handed over with that time. */
  readonly farTimes: number
  /** Decompressed bytes of the headers and of all whole records. */
  readonly octets: number
  /** How many interfaces the file declares. */
  readonly interfaceCount: number
  /** The distinct link types of the interfaces; the first 256 at most. */
  readonly linkTypes: readonly number[]
  /** The largest snapshot length of any interface; 0 is no limit. */
  readonly snaplen: number
  /** The interfaces, up to 8 MiB of them; only a hostile file has more. */
  readonly interfaces: readonly CaptureInterface[]
  readonly damage: Damage | undefined
  /** Whether other bytes followed the compressed data. They are ignored, as gzip(1) does. */
  readonly hasTrailing: boolean
}

/** How far a capture has been parsed. */
export type Parsed = Pick<CaptureParser, 'octets' | 'descriptions'>

/** Decompressed bytes of a capture, from the start of one record to the start of another or the end. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** A place where decompression can start. */
export interface KnownRestart extends Omit<Restart, 'window'> {
  /** Undefined if the window cannot be read. */
  window(): Buffer | undefined
}

/** How a capture file is read. */
export interface ReadOptions {
  /**
   * Used instead of CaptureInput.open if the start of the file has been read already.
   *
   * @internal
   */
  open?: (path: string) => Promise<CaptureInput>
  /** False leaves `interfaces` empty. */
  listInterfaces?: boolean
  /**
   * Called between blocks of input once the format is known, and awaited when
   * it returns a promise. `octetsRead` counts bytes of the file as it is stored,
   * compressed or not. Return false to stop reading; the summary then has no damage.
   */
  afterBlock?: (octetsRead: number) => boolean | void | Promise<boolean | undefined> | Promise<void>
  /**
   * Read only these ranges, in ascending order. The interfaces of their packets must be described in them or in
   * an earlier range. A compressed file is decompressed from the nearest of `restarts`, or its start. Input that
   * is not a file is read from its start to the end of the last range.
   *
   * @internal
   */
  ranges?: readonly ByteRange[] | undefined
  /**
   * Where decompression can start, in ascending order.
   *
   * @internal
   */
  restarts?: readonly KnownRestart[] | undefined
  /**
   * Collects places where decompression can start. If the compressed data is damaged, packets just before the
   * damage may then be missing.
   *
   * @internal
   */
  noteRestarts?: Restarts | undefined
  /**
   * Called before `afterBlock` with the position after the packets handed over. Not called after the last block.
   *
   * @internal
   */
  onParsed?: (parsed: Parsed) => void
}

/**
 * Bytes of a plain file read at a time: what stays in the processor's cache
 * between the kernel's copy and our reading it. Measured over 64 KiB to 8 MiB,
 * 300 MB of 500-byte packets: 64 KiB to 512 KiB 7.3–7.5 GB/s, 1 MiB 7.1, 4 MiB 5.5, 8 MiB 4.6.
 */
const BLOCK_LEN = 256 * 1024

/** Decompressed bytes between two calls of `afterBlock`: a few compressed bytes may become gigabytes. */
const DECOMPRESSED_BLOCK_LEN = 256 * 1024

/** Thrown to stop reading a compressed file early. */
const ENOUGH = Symbol('enough')

/** The same for compressed bytes, which become up to a thousand times as many. */
const COMPRESSED_BLOCK_LEN = 64 * 1024

/**
 * Reads the capture file at `path` (`-`: standard input) and hands over all its
 * packets, of whatever link type, in the order of the file.
 *
 * The packet and the bytes it speaks of are overwritten when `onPacket`
 * returns. A file that cannot be opened, or is no capture file, rejects with an
 * OperatorError, an exception of `onPacket` or `afterBlock` with that. Damage further
 * on does not reject: it is in the summary, and every packet before it was handed
 * over.
 *
 * A plain file is read synchronously, block by block. To let the event loop run
 * in between, return a promise from `afterBlock`.
 */
export async function readCapture(
  path: string,
  onPacket: (packet: Packet) => void,
  options: ReadOptions = {},
): Promise<CaptureSummary> {
  const input = await (options.open ?? CaptureInput.open)(path)
  try {
    return await new Reading(input, onPacket, options).run()
  } finally {
    await input.close()
  }
}

/** One capture file being read. */
class Reading {
  readonly #input: CaptureInput
  readonly #parser: CaptureParser
  readonly #options: ReadOptions
  #compression: Compression = 'none'
  /** Bytes read of the file as it is stored. */
  #octetsRead = 0
  /** Whether `afterBlock` has asked to stop. */
  #stopped = false
  /** What is wrong with the compressed data. */
  #fault: Error | undefined = undefined
  #hasTrailing = false
  /** The decompressed offset at which reading ends. */
  readonly #until: number
  /** Decompressed bytes since the last call of `afterBlock`. */
  #decompressed = 0

  constructor(input: CaptureInput, onPacket: (packet: Packet) => void, options: ReadOptions) {
    this.#input = input
    this.#parser = new CaptureParser(onPacket, options.listInterfaces)
    this.#options = options
    this.#until = options.ranges?.at(-1)?.end ?? Number.POSITIVE_INFINITY
  }

  async run(): Promise<CaptureSummary> {
    if (this.#input.isFile) await this.#file()
    else await this.#pieces(this.#input.pieces())
    return this.#summary()
  }

  async #file(): Promise<void> {
    const { ranges } = this.#options
    if (ranges !== undefined) {
      const head = Buffer.alloc(COMPRESSION_MAGIC_LEN)
      const length = this.#input.readAt(head, 0)
      const compression = compressionOf(head.subarray(0, length))
      if (compression === 'none') return this.#ranges(ranges)
      const { restarts } = this.#options
      if (restarts !== undefined && restarts.length > 0) {
        this.#compression = compression
        return this.#restarted(compression, ranges, restarts)
      }
    }
    const block = Buffer.allocUnsafeSlow(BLOCK_LEN)
    const filled = this.#input.read(block, 0)
    if (compressionOf(block.subarray(0, filled)) === 'none') await this.#plain(block, filled)
    else await this.#pieces(this.#blocks(block.subarray(0, filled)))
  }

  /** Parses in place. A record that the end of a block cuts off is moved to the front of the block. */
  async #plain(first: Buffer, length: number): Promise<void> {
    const parser = this.#parser
    let block = first
    let filled = length
    this.#octetsRead = length
    for (;;) {
      const used = parser.parse(block, 0, filled)
      if (parser.stopped) return
      if (used > 0) block.copyWithin(0, used, filled)
      filled -= used
      const pause = this.#pause()
      if (pause !== undefined) await pause
      if (this.#stopped) return
      if (filled === block.length) block = resized(block, filled, 2 * block.length)
      else if (block.length > BLOCK_LEN && Math.max(filled, parser.wanted) < BLOCK_LEN) {
        // Long records are rare, and many files may be open at once: shrink the buffer again.
        block = resized(block, filled, BLOCK_LEN)
      }
      const read = this.#input.read(block, filled)
      if (read === 0) break
      filled += read
      this.#octetsRead += read
    }
    parser.end(filled)
  }

  /** Like #plain, for ranges of the file. */
  async #ranges(ranges: readonly ByteRange[]): Promise<void> {
    for (const range of ranges) {
      const goesOn = await this.#range(range)
      if (!goesOn) return
    }
  }

  /** Whether to go on with the next range. */
  async #range({ start, end }: ByteRange): Promise<boolean> {
    const parser = this.#parser
    parser.octets = start
    let block: Buffer = Buffer.allocUnsafeSlow(Math.min(BLOCK_LEN, end - start))
    let filled = 0
    let at = start
    let until = end
    for (;;) {
      const room = Math.min(block.length - filled, until - at)
      const read = this.#input.readAt(block.subarray(filled, filled + room), at)
      if (read === 0) {
        if (filled === 0 && until !== Number.POSITIVE_INFINITY) return true
        if (room > 0 || until === Number.POSITIVE_INFINITY) {
          parser.end(filled)
          return false
        }
        // It ends inside a record, so that it is none of this file: all that follows is read.
        until = Number.POSITIVE_INFINITY
        continue
      }
      at += read
      filled += read
      this.#octetsRead += read
      const used = parser.parse(block, 0, filled)
      if (parser.stopped) return false
      if (used > 0) block.copyWithin(0, used, filled)
      filled -= used
      const pause = this.#pause()
      if (pause !== undefined) await pause
      if (this.#stopped) return false
      if (filled === block.length) block = resized(block, filled, 2 * block.length)
    }
  }

  /** Like #ranges, for a compressed file. */
  async #restarted(
    compression: 'gzip' | 'zstd',
    ranges: readonly ByteRange[],
    restarts: readonly KnownRestart[],
  ): Promise<void> {
    const beginnings = new Beginnings(restarts)
    let read = 0
    while (read < ranges.length) {
      const from = beginnings.before(ranges[read]!.start)
      // The ranges for which no later restart is nearer.
      let next = read + 1
      while (
        next < ranges.length &&
        beginnings.before(ranges[next]!.start).output < ranges[next - 1]!.end
      ) {
        next++
      }
      const goesOn = await this.#stretch(compression, from, ranges.slice(read, next))
      if (!goesOn) return
      read = next
    }
  }

  /** Decompresses these ranges in one go. Returns whether to go on with the next. */
  async #stretch(
    compression: 'gzip' | 'zstd',
    from: Restart,
    ranges: readonly ByteRange[],
  ): Promise<boolean> {
    const parser = this.#parser
    const wanted = new WantedBytes(ranges, from.output, parser)
    let isOver = false
    const take = (piece: Buffer): void | Promise<void> => {
      isOver = wanted.push(piece)
      if (isOver) throw ENOUGH
      return this.#breathe(piece.length)
    }
    const { name } = this.#input
    const decompressor = openDecompression(compression, name, take, undefined, { from })
    try {
      for (const block of this.#blocksFrom(from.at)) {
        this.#octetsRead += block.length
        this.#fault = await decompressor.write(block)
        if (parser.stopped || this.#fault !== undefined) return false
        if (this.#stopped) return false
      }
      this.#fault = await decompressor.end()
    } catch (what) {
      if (what !== ENOUGH) throw what
      if (isOver) {
        const pause = this.#pause()
        if (pause !== undefined) await pause
      }
      return !this.#stopped && !parser.stopped
    } finally {
      decompressor.destroy()
      if (!this.#stopped && !isOver) parser.end()
    }
    return false
  }

  /** The compressed bytes from an offset on. */
  *#blocksFrom(start: number): Generator<Buffer, void, undefined> {
    const block = Buffer.allocUnsafeSlow(COMPRESSED_BLOCK_LEN)
    for (let at = start; ; ) {
      const read = this.#input.readAt(block, at)
      if (read === 0) return
      at += read
      yield block.subarray(0, read)
    }
  }

  async #pieces(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> {
    const parser = this.#parser
    let decompressor: Decompression | undefined
    try {
      for await (const piece of pieces) {
        if (this.#octetsRead === 0) decompressor = this.#recognize(piece)
        this.#octetsRead += piece.length
        if (decompressor === undefined) parser.push(piece)
        else this.#fault = await decompressor.write(piece)
        if (parser.stopped || this.#fault !== undefined) return
        const pause = this.#pause()
        if (pause !== undefined) await pause
        if (this.#stopped) return
      }
      this.#fault = await decompressor?.end()
      this.#hasTrailing = decompressor?.hasTrailing ?? false
    } catch (what) {
      if (what !== ENOUGH) throw what
    } finally {
      decompressor?.destroy()
      if (!this.#stopped) parser.end()
    }
  }

  #recognize(head: Buffer): Decompression | undefined {
    const compression = compressionOf(head)
    this.#compression = compression
    if (compression === 'none') return undefined
    const { noteRestarts } = this.#options
    return openDecompression(
      compression,
      this.#input.name,
      (piece) => this.#take(piece),
      this.#input.isFile ? (length) => this.#again(length) : undefined,
      noteRestarts && { restarts: noteRestarts },
    )
  }

  #take(piece: Buffer): void | Promise<void> {
    this.#parser.push(piece)
    if (this.#parser.octets >= this.#until) {
      this.#stopped = true
      throw ENOUGH
    }
    return this.#breathe(piece.length)
  }

  /** Lets the caller run after a number of decompressed bytes. */
  #breathe(length: number): void | Promise<void> {
    this.#decompressed += length
    if (this.#decompressed < DECOMPRESSED_BLOCK_LEN) return undefined
    this.#decompressed = 0
    const pause = this.#pause()
    if (pause !== undefined) return pause.then(() => this.#goOn())
    return this.#goOn()
  }

  #goOn(): void {
    if (this.#stopped) throw ENOUGH
  }

  /** Reads the first `length` bytes of a file again. */
  *#again(length: number): Generator<Buffer, void, undefined> {
    const block = Buffer.allocUnsafeSlow(COMPRESSED_BLOCK_LEN)
    for (let at = 0; at < length; ) {
      const read = this.#input.readAt(block.subarray(0, Math.min(block.length, length - at)), at)
      if (read === 0) return
      at += read
      yield block.subarray(0, read)
    }
  }

  /** The compressed bytes after the first ones. */
  *#blocks(first: Buffer): Generator<Buffer, void, undefined> {
    yield first
    const block = Buffer.allocUnsafeSlow(COMPRESSED_BLOCK_LEN)
    for (;;) {
      const read = this.#input.read(block, 0)
      if (read === 0) return
      yield block.subarray(0, read)
    }
  }

  /** Lets the caller run. Returns a promise only if the caller did. */
  #pause(): Promise<void> | undefined {
    const { afterBlock, onParsed } = this.#options
    if (this.#parser.format === undefined) return undefined
    onParsed?.(this.#parser)
    if (afterBlock === undefined) return undefined
    const answer = afterBlock(this.#octetsRead)
    if (typeof answer !== 'object') {
      this.#stopped = answer === false
      return undefined
    }
    return this.#heed(answer)
  }

  async #heed(answer: Promise<boolean | undefined> | Promise<void>): Promise<void> {
    this.#stopped = (await answer) === false
  }

  #summary(): CaptureSummary {
    const parser = this.#parser
    const format = parser.format
    const fault =
      this.#fault === undefined
        ? undefined
        : `the ${this.#compression} data ends early or is damaged (${this.#fault.message})`
    if (parser.refusal !== undefined || format === undefined) {
      throw new OperatorError(
        fault === undefined || parser.octets > 0
          ? `${this.#input.name} ${parser.refusal}`
          : `${this.#input.name} is not a readable capture file: ${fault}; copy or compress it again`,
        { code: 'ERR_CAPTURE_FORMAT' },
      )
    }
    // If compressed data is cut off, so is the last record: report the cause.
    const damage = fault === undefined ? parser.damage : { offset: parser.octets, message: fault }
    return {
      format,
      compression: this.#compression,
      packets: parser.packets,
      outOfRangeTimes: parser.outOfRangeTimes,
      farTimes: parser.farTimes,
      octets: parser.octets,
      interfaceCount: parser.interfaces.count,
      linkTypes: parser.interfaces.linkTypes,
      snaplen: parser.interfaces.snaplen,
      interfaces: parser.interfaces.list,
      damage,
      hasTrailing: this.#hasTrailing,
    }
  }
}

const FILE_BEGIN: Restart = { at: 0, bits: 0, output: 0, window: Buffer.alloc(0) }

/** Chooses where decompression starts for the ranges wanted. */
class Beginnings {
  readonly #restarts: readonly KnownRestart[]
  #last: { readonly of: KnownRestart; readonly restart: Restart | undefined } | undefined

  constructor(restarts: readonly KnownRestart[]) {
    this.#restarts = restarts
  }

  /** The last restart before a decompressed offset. */
  before(offset: number): Restart {
    for (let index = this.#restarts.length - 1; index >= 0; index--) {
      const of = this.#restarts[index]!
      if (of.output > offset) continue
      const restart = this.#load(of)
      if (restart !== undefined) return restart
    }
    return FILE_BEGIN
  }

  #load(of: KnownRestart): Restart | undefined {
    if (this.#last?.of !== of) {
      const window = of.window()
      this.#last = { of, restart: window && { ...of, window } }
    }
    return this.#last.restart
  }
}

/** Passes on the decompressed bytes that lie in the ranges. */
class WantedBytes {
  readonly #ranges: readonly ByteRange[]
  readonly #parser: CaptureParser
  #index = 0
  /** Decompressed offset of the next byte. */
  #at: number
  /** The range that is passed on next. */
  #start: number
  #end: number

  constructor(ranges: readonly ByteRange[], at: number, parser: CaptureParser) {
    const [{ start, end }] = ranges as [ByteRange]
    this.#ranges = ranges
    this.#at = at
    this.#parser = parser
    this.#start = start
    this.#end = end
    parser.octets = start
  }

  /** Whether all ranges have been passed on. */
  push(piece: Buffer): boolean {
    const parser = this.#parser
    const from = this.#at
    this.#at += piece.length
    while (this.#start < this.#at) {
      const end = Math.min(this.#end, this.#at)
      parser.push(piece.subarray(this.#start - from, end - from))
      this.#start = end
      if (parser.stopped) return true
      if (end < this.#end) return false
      const next = this.#ranges[++this.#index]
      // It ends inside a record, so that it is none of this file: all that follows is read.
      if (parser.held > 0) this.#end = Number.POSITIVE_INFINITY
      else if (next === undefined) return true
      else {
        this.#start = next.start
        this.#end = next.end
        parser.octets = next.start
      }
    }
    return false
  }
}

function resized(block: Buffer, filled: number, length: number): Buffer {
  const other = Buffer.allocUnsafeSlow(length)
  block.copy(other, 0, 0, filled)
  return other
}
