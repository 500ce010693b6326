import type { Socket } from 'node:net'
import type { MirroredPacket } from '../appliance/packet-ring.js'
import { CaptureWriter } from '../pcap/capture-writer.js'
import { BlockPool } from '../sink/block-pool.js'
import { BlockSink, type OnWritten } from '../sink/block-sink.js'
import { SINK_BLOCK_LEN } from '../sink/byte-sink.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'

/** Bytes that may wait for one reader. */
const PENDING_MAX = 8 * 1024 * 1024
/** How long a reader may take for the rest, when all ends. */
const LAST_MS = 2000

/** Bytes to a connection. */
class SocketSink extends BlockSink {
  readonly #socket: Socket

  constructor(socket: Socket) {
    super({ pool: new BlockPool(PENDING_MAX / SINK_BLOCK_LEN), limitBytes: PENDING_MAX })
    this.#socket = socket
  }

  protected override writeOut(chunks: readonly Buffer[], done: OnWritten): void {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.#socket.cork()
    for (const chunk of chunks.slice(0, -1)) this.#socket.write(chunk)
    this.#socket.write(chunks.at(-1)!, (error) => done(error ?? null, error ? 0 : length))
    this.#socket.uncork()
  }

  protected override async release(): Promise<void> {
    this.#socket.end()
  }
}

/** One connection that reads packets as a pcap file without an end, of Ethernet frames. */
export class PcapReader {
  readonly name: string
  /** Packets that it was given. */
  packets = 0
  /** Packets that found no room, for it reads too slowly, or are no Ethernet frames. */
  lost = 0
  readonly #socket: Socket
  readonly #sink: SocketSink
  readonly #writer: CaptureWriter

  constructor(socket: Socket) {
    this.name = `${socket.remoteAddress} port ${socket.remotePort}`
    this.#socket = socket
    this.#sink = new SocketSink(socket)
    this.#writer = new CaptureWriter(this.#sink)
    // What it sends means nothing.
    socket.resume()
  }

  /** Takes a copy of the packet, or counts it as lost; never waits. */
  take(packet: MirroredPacket): void {
    const isTaken = packet.linkType === LINKTYPE_ETHERNET && this.#writer.write(packet)
    if (isTaken) this.packets++
    else this.lost++
  }

  /** Has what was taken leave now, and first the header of the file. */
  flush(): void {
    this.#sink.flush()
  }

  /** It has gone. */
  fail(): void {
    this.#sink.fail(new Error('the reader has gone'))
  }

  /** Lets the reader have the rest, for a while. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.#socket.destroy(), LAST_MS)
    await this.#sink.close().catch(() => undefined)
    if (!this.#socket.closed) await new Promise((resolve) => this.#socket.once('close', resolve))
    clearTimeout(timer)
  }
}
