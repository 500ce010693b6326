import { CaptureWriter, type CaptureWriterOptions } from '../pcap/capture-writer.js'
import type { BlockSink } from '../sink/block-sink.js'
import { openSink } from '../sink/open.js'
import type { Packet } from '../wire/packet.js'

/** Bytes that may wait for the disk before `room` waits for them. */
const PENDING_MAX = 4 * 1024 * 1024

/**
 * A capture file being written: pcap or pcapng, by its options; `.gz` and `.zst` at the end of the
 * path compress, and `-` is standard output. It appears under its name when it is closed.
 *
 *     await using file = new CaptureFile('out.pcap')
 *     await readCapture('in.pcapng', (packet) => file.write(packet), { afterBlock: () => file.room() })
 */
export class CaptureFile {
  readonly #sink: BlockSink
  readonly #writer: CaptureWriter

  /** Throws OperatorError with the code of the system, such as `ENOENT`, when it cannot be written there. */
  constructor(path: string, options: CaptureWriterOptions = {}) {
    this.#sink = openSink(path, { limitBytes: Number.POSITIVE_INFINITY })
    this.#writer = new CaptureWriter(this.#sink, options)
  }

  /** Packets written. */
  get packets(): number {
    return this.#writer.packets
  }

  /**
   * Writes a copy of the packet, cut to the snaplen. False when the disk has failed, which `close`
   * then throws.
   */
  write(packet: Packet): boolean {
    return this.#writer.write(packet)
  }

  /** Waits while more than 4 MiB have not reached the disk; await it now and then, so that memory stays bounded. */
  async room(): Promise<void> {
    if (this.#sink.pendingBytes > PENDING_MAX) await this.#sink.drained()
  }

  /** Gives the file its name once all is on the disk. Rejects with OperatorError when that failed. */
  close(): Promise<void> {
    return this.#sink.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
