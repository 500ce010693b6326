import { BlockPool } from '../sink/block-pool.js'
import type { BlockSink } from '../sink/block-sink.js'
import { openSink } from '../sink/open.js'
import { SeriesSink } from '../sink/series-sink.js'
import { LINKTYPE_ETHERNET, linkTypeName } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import type { CaptureFormat, CaptureWriter } from './capture-writer.js'
import { FileSeries, type SeriesPolicy } from './file-series.js'
import { JointFile, type JointInterface } from './joint-file.js'
import type { NamedAddress } from './pcapng-emit.js'

/** `path` as openSink takes it. */
export interface JointCaptureOptions extends SeriesPolicy {
  format: CaptureFormat
  /** Bytes kept of each frame; 0 keeps all. */
  snaplen: number
  /** Packets after which it is complete; Infinity: never. */
  count: number
  /** Bytes that may wait for the disk or the reader; Infinity where the caller awaits `room`. */
  limitBytes: number
  /** Of a pcap file, where it is known before the first packet, which else decides. */
  linkType?: number
  /** Is told of each file of a series before it is begun, and may throw to refuse it. */
  onFile?: (path: string) => void
  /**
   * Is told, once, that a packet does not fit into the pcap file for its link type.
   * Such packets are left out, unless this throws.
   */
  onOtherLinkType: (message: string) => void
}

/** Packets stamped before the end of an interval may still wait in the socket when the clock passes it. */
const GRACE_SECONDS = 1

/** Names before one packet; more stand before the next. */
const NAMES_A_BLOCK = 64

/** Bytes that may wait before `room` waits for them. */
const PENDING_MAX = 8 * 1024 * 1024

/**
 * The packets of all sessions in one capture file, or in one series of files.
 *
 * `source` makes what a session writes to. Nothing here throws for what the disk
 * or the reader does: `error` says so, and `close`.
 */
export class JointCapture {
  /** Packets taken. */
  packets = 0
  /** Packets that found no room. */
  refused = 0
  /** Packets left out for their link type. */
  otherLinkType = 0
  /** What a file without packets is said to hold. */
  emptyLinkType = LINKTYPE_ETHERNET

  readonly #options: JointCaptureOptions
  readonly #series: FileSeries | undefined
  #sink: BlockSink | undefined
  #file: JointFile | undefined
  #linkType: number | undefined
  #kernelLost = 0
  #kernelLostBefore = 0
  #packetsFlushed = -1
  /** Names of addresses that packets have told, and how many of them are in the file. */
  readonly #names: NamedAddress[] = []
  #namesInFile = 0

  /** Throws OperatorError for a series that cannot be; opens nothing. */
  constructor(options: JointCaptureOptions) {
    this.#options = options
    this.#linkType = options.format === 'pcap' ? options.linkType : undefined
    const { rotateBytes, rotateSeconds } = options
    const isSeries = Math.min(rotateBytes, rotateSeconds) !== Number.POSITIVE_INFINITY
    this.#series = isSeries ? new FileSeries(options) : undefined
  }

  /** The first error of the disk or the reader. */
  get error(): Error | undefined {
    return this.#sink?.error
  }

  /** Of the packets taken, those that an error has kept from leaving; what stands between packets is counted too. */
  get unwritten(): number {
    return Math.min(this.#sink?.lostUnits ?? 0, this.packets)
  }

  get isComplete(): boolean {
    return this.packets >= this.#options.count
  }

  /** Whether a packet of that second comes too late: enough were taken, or the last file is over. */
  isOver(seconds: number): boolean {
    return this.isComplete || (this.#series?.isOver(seconds) ?? false)
  }

  /** Opens the first file, which begins in that second. Throws OperatorError. Else the first packet does. */
  open(seconds: number): void {
    const { path, limitBytes } = this.#options
    this.#sink =
      this.#series === undefined
        ? openSink(path, { limitBytes })
        : new SeriesSink(this.#named(this.#series.begin(seconds)), {
            pool: new BlockPool(Number.POSITIVE_INFINITY),
            limitBytes,
          })
    this.#beginFile()
  }

  /** For the packets of one session; `name` becomes an interface's in pcapng. */
  source(name: string): JointSource {
    return new JointSource(this, name)
  }

  /** Has the name of an address stand before the next packet of this file, and of those that follow. */
  addName(address: readonly number[], name: string): void {
    this.#names.push({ address, name })
  }

  /** See JointSource. */
  write(
    source: JointSource,
    packet: Packet,
    kept: number,
    originalLength: number,
    options: Buffer | undefined,
  ): boolean {
    const { seconds, linkType } = packet
    if (this.isComplete) return false
    if (this.#sink === undefined) this.open(seconds)
    if (this.#series?.isDue(this.#file!.writer?.octets ?? 0, seconds)) this.#nextFile(seconds)
    let at = source.at
    if (at === undefined || at.linkType !== linkType || at.writer !== this.#file!.writer) {
      if (this.#options.format === 'pcap' && !this.#takes(linkType)) return false
      at = this.#file!.interfaceOf(source.name, linkType)
      source.at = at
    }
    at.received++
    const { writer, id } = at
    if (this.#namesInFile < this.#names.length) this.#writeNames(writer)
    if (writer.write(packet, id, options, kept, originalLength)) {
      this.packets++
      return true
    }
    at.dropped++
    this.refused++
    return false
  }

  /**
   * By a timer, a few times a second, with the clock that stamps the packets, in
   * whole seconds, and what the kernel has lost so far: hands what was taken to
   * the system, begins the file of the next interval.
   */
  tick(nowSeconds: number, kernelLost: number): void {
    this.#kernelLost = kernelLost
    const settled = nowSeconds - GRACE_SECONDS
    if (this.#series?.isDue(0, settled) && !this.#series.isOver(settled)) this.#nextFile(settled)
    this.flush()
  }

  /** Hands what was taken to the system. */
  flush(): void {
    if (this.#packetsFlushed === this.packets) return
    this.#packetsFlushed = this.packets
    this.#sink?.flush()
  }

  /** To be awaited now and then by who does not wait for the clock; undefined when there is room. */
  room(): Promise<void> | undefined {
    const sink = this.#sink
    return sink !== undefined && sink.pendingBytes > PENDING_MAX ? sink.drained() : undefined
  }

  /** Ends the last file. Rejects with `error`. */
  async close(): Promise<void> {
    // The end of the file must find room.
    await this.#sink?.drained()
    this.#file?.finish(this.#linkType ?? this.emptyLinkType, this.#lostInFile())
    await this.#sink?.close()
  }

  /** Ends without leaving an unfinished file. */
  async discard(): Promise<void> {
    await this.#sink?.discard().catch(() => undefined)
  }

  #writeNames(writer: CaptureWriter): void {
    const last = this.#namesInFile + NAMES_A_BLOCK
    if (!writer.addNames(this.#names.slice(this.#namesInFile, last))) return
    this.#namesInFile = Math.min(last, this.#names.length)
  }

  #takes(linkType: number): boolean {
    this.#linkType ??= linkType
    if (this.#linkType === linkType) return true
    if (this.otherLinkType++ === 0) {
      const { path, onOtherLinkType } = this.#options
      const name = path === '-' ? 'standard output' : path
      onOtherLinkType(
        `a pcap file holds one link type: ${name} has ${linkTypeName(this.#linkType)}, and there ` +
          `are packets of ${linkTypeName(linkType)}; name a .pcapng file to have both`,
      )
    }
    return false
  }

  #nextFile(seconds: number): void {
    const path = this.#named(this.#series!.next(seconds))
    this.#file!.finish(this.#linkType ?? this.emptyLinkType, this.#lostInFile())
    ;(this.#sink as SeriesSink).cut(path)
    this.#beginFile()
  }

  #named(path: string): string {
    this.#options.onFile?.(path)
    return path
  }

  #beginFile(): void {
    this.#file = new JointFile(this.#sink!, this.#options)
    if (this.#linkType !== undefined) this.#file.begin(this.#linkType)
    this.#packetsFlushed = -1
    this.#namesInFile = 0
  }

  /** What the kernel has lost since the file was begun, as far as was heard. */
  #lostInFile(): number {
    const lost = this.#kernelLost - this.#kernelLostBefore
    this.#kernelLostBefore = this.#kernelLost
    return lost
  }
}

/** What one session writes to; has the shape of a SessionCapture. */
export class JointSource {
  readonly name: string
  /** Where its latest packet went. */
  at: JointInterface | undefined = undefined
  readonly #capture: JointCapture

  constructor(capture: JointCapture, name: string) {
    this.#capture = capture
    this.name = name
  }

  /** Writes a packet, as CaptureWriter does. */
  write(
    packet: Packet,
    kept: number,
    originalLength: number,
    options: Buffer | undefined,
  ): boolean {
    return this.#capture.write(this, packet, kept, originalLength, options)
  }

  /** The capture has the timer. */
  tick(): void {}

  /** The file is the capture's. */
  close(): Promise<void> {
    return Promise.resolve()
  }
}
