/**
 * A way to one mirror target: `outer-sockets.ts` is one. What the network or a full
 * socket does to a datagram is counted here by its name and never thrown.
 */
export interface Outlet {
  /** Datagrams the kernel took. */
  readonly sent: number
  /** Bytes of their payloads. */
  readonly octets: number
  /** Datagrams that were not sent, by error code. */
  readonly notSent: ReadonlyMap<string, number>
  /**
   * Tags of those of them that can be told, in any order; whoever reads them empties the list,
   * or it grows. A datagram that came back long after it left may be missing.
   */
  readonly lost: number[]

  /**
   * Sends `bytes[start, end)`, which must stay as it is until `settled`, from the outer
   * source port that `flow` chooses. Only while `room` says undefined. `tag` is what `lost` calls
   * it: a whole number.
   */
  send(bytes: Buffer, start: number, end: number, flow: number, tag: number): void

  /** Undefined when another datagram may be sent; else a promise that resolves when it may. */
  room(): Promise<void> | undefined

  /** Undefined when the fate of every datagram is known; else a promise that resolves when it is. */
  settled(): Promise<void> | undefined

  close(): void
}
