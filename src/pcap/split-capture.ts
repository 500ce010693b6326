import { join } from 'node:path'
import { AppendSink } from '../sink/append-sink.js'
import { BlockPool } from '../sink/block-pool.js'
import { ensureDirectory, removeEmpty } from '../sink/directory.js'
import { Turns } from '../sink/turns.js'
import { linkTypeName } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import type { CaptureFormat } from './capture-writer.js'
import { JointFile, type JointInterface } from './joint-file.js'

interface SplitCaptureOptions {
  /** Made if it is not there. */
  directory: string
  format: CaptureFormat
  /** Bytes kept of each frame; 0 keeps all. */
  snaplen: number
  /** Packets after which it is complete; Infinity: never. */
  count: number
  /** Is told of each file before it is begun, and may throw to refuse it. */
  onFile?: (path: string) => void
  /** A packet does not fit into a pcap file for its link type. Throws, or the packet is left out. */
  onOtherLinkType: (message: string) => void
}

/** Files open at a time. */
const OPEN_MAX = 16
/** Bytes in memory before `room` waits until all are on the disk. */
const PENDING_MAX = 64 * 1024 * 1024

/**
 * One capture file for each session, `<directory>/<session>.pcap`, from capture
 * files. A session that comes back after it was closed begins `<session>-1.pcap`.
 * Files are open only while they are written to, so there may be thousands.
 */
export class SplitCapture {
  packets = 0
  error: Error | undefined = undefined
  readonly #options: SplitCaptureOptions
  readonly #pool = new BlockPool(Number.POSITIVE_INFINITY)
  readonly #turns = new Turns(OPEN_MAX)
  readonly #made: readonly string[]
  readonly #open = new Set<SplitSource>()
  readonly #closing = new Set<Promise<void>>()
  /** How often each name has been used. */
  readonly #names = new Map<string, number>()

  /** Throws OperatorError when the directory cannot be written to. */
  constructor(options: SplitCaptureOptions) {
    this.#made = ensureDirectory(options.directory)
    this.#options = options
  }

  isOver(): boolean {
    return this.packets >= this.#options.count
  }

  /** For the packets of one session; its file begins with the first. */
  source(name: string): SplitSource {
    const { directory, format, onFile } = this.#options
    const used = this.#names.get(name) ?? 0
    this.#names.set(name, used + 1)
    const file = `${name}${used === 0 ? '' : `-${used}`}.${format}`
    const path = join(directory, file)
    onFile?.(path)
    const sink = new AppendSink(path, {
      pool: this.#pool,
      turns: this.#turns,
      headerUnits: 1,
    })
    const source = new SplitSource(name, sink, this, this.#options)
    this.#open.add(source)
    return source
  }

  /** Finishes the file of a session that is over. */
  end(source: SplitSource): Promise<void> {
    this.#open.delete(source)
    const closing = source
      .finish()
      .catch((error: Error) => {
        this.error ??= error
      })
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
    return closing
  }

  /** To be awaited between blocks of input; undefined when there is room. */
  room(): Promise<void> | undefined {
    if (this.#pool.usedBytes <= PENDING_MAX && this.#closing.size <= OPEN_MAX) return undefined
    return this.#drained()
  }

  /** Nobody waits for packets in a directory. */
  flush(): void {}

  /** Finishes every file. Rejects with the first error. */
  async close(): Promise<void> {
    for (const source of this.#open) void this.end(source)
    await Promise.all(this.#closing)
    if (this.error !== undefined) throw this.error
  }

  /** Ends without leaving unfinished files. */
  async discard(): Promise<void> {
    await Promise.all([...this.#open].map((source) => source.discard()))
    await Promise.all(this.#closing)
    removeEmpty(this.#made)
  }

  async #drained(): Promise<void> {
    await Promise.all([...this.#open].map((source) => source.drained()))
    await Promise.all(this.#closing)
    for (const source of this.#open) this.error ??= source.error
  }
}

/** What one session writes to; has the shape of a SessionCapture. */
export class SplitSource {
  readonly #name: string
  readonly #sink: AppendSink
  readonly #file: JointFile
  readonly #capture: SplitCapture
  readonly #options: SplitCaptureOptions
  #linkType: number | undefined
  /** Where the latest packet went. */
  #at: JointInterface | undefined

  constructor(name: string, sink: AppendSink, capture: SplitCapture, options: SplitCaptureOptions) {
    this.#name = name
    this.#sink = sink
    this.#file = new JointFile(sink, options)
    this.#capture = capture
    this.#options = options
  }

  get error(): Error | undefined {
    return this.#sink.error
  }

  /** Writes a packet, as CaptureWriter does. */
  write(
    packet: Packet,
    kept: number,
    originalLength: number,
    options: Buffer | undefined,
  ): boolean {
    const { linkType } = packet
    if (this.#capture.isOver()) return false
    this.#linkType ??= linkType
    if (linkType !== this.#linkType && this.#options.format === 'pcap') {
      this.#options.onOtherLinkType(
        `a pcap file holds one link type: ${this.#sink.path} has ${linkTypeName(this.#linkType)}, ` +
          `and there are packets of ${linkTypeName(linkType)}; give --format pcapng to have both`,
      )
      return false
    }
    let at = this.#at
    if (at === undefined || at.linkType !== linkType) {
      at = this.#file.interfaceOf(this.#name, linkType)
      this.#at = at
    }
    const { writer, id } = at
    at.received++
    if (!writer.write(packet, id, options, kept, originalLength)) {
      at.dropped++
      return false
    }
    this.#capture.packets++
    return true
  }

  tick(): void {}

  /** The session is over. */
  close(): Promise<void> {
    return this.#capture.end(this)
  }

  drained(): Promise<void> {
    return this.#sink.drained()
  }

  async finish(): Promise<void> {
    if (this.#linkType !== undefined) this.#file.finish(this.#linkType, 0)
    await this.#sink.close()
  }

  async discard(): Promise<void> {
    await this.#sink.discard().catch(() => undefined)
  }
}
