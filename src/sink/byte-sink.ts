/**
 * Where encoded bytes end up: a file, stdout, a compressor before either.
 *
 * A sink knows nothing of packets or records. An encoder asks for room and
 * writes straight into the sink's own block, so bytes are copied once.
 */
export interface ByteSink {
  /**
   * Where in `block` `length` bytes may be written, now, before anything else
   * is called: they count as written from here on and leave in order. -1 when
   * the sink holds all it may hold and took nothing: a mirror cannot be asked to
   * wait, so the caller counts the loss and goes on. `length` is at most
   * SINK_BLOCK_LEN. Never a number but -1 once `error` is set.
   */
  reserve(length: number): number

  /** Returns this many bytes at the end of the last `reserve`, for callers that know the length only after writing. */
  giveBack(octets: number): void

  /** The block the last successful `reserve` spoke of. */
  readonly block: Buffer

  /** Bytes taken and not yet with the operating system. Offline work awaits `drained` when this grows. */
  readonly pendingBytes: number

  /** The first thing that went wrong (a full disk, a broken pipe), or undefined. */
  readonly error: Error | undefined

  /** Resolves when everything taken so far is with the operating system, or `error` is set. */
  drained(): Promise<void>

  /** Sends the block being filled on its way without waiting for it to be full. */
  flush(): void

  /** Drains, then releases. Rejects with the first error the sink met, if any. */
  close(): Promise<void>
}

/** The longest `reserve`: a 64 KiB datagram and its pcapng block with room to spare. */
export const SINK_BLOCK_LEN = 256 * 1024
