/**
 * A way to one mirror target: `outer-sockets.ts` is one. What the network or a full
 * socket does to a datagram is counted here by its name and never thrown.
 */
export interface Outlet {
  /** Datagrams the kernel took. */
  readonly sent: number
  /** Octets of their payloads. */
  readonly octets: number
  /** Datagrams that were not sent, by error code. */
  readonly notSent: ReadonlyMap<string, number>

  /**
   * Sends `bytes[start, end)`, which must stay as it is until `settled`, from the outer
   * source port that `flow` chooses. Only while `room` says undefined.
   */
  send(bytes: Buffer, start: number, end: number, flow: number): void

  /** Undefined when another datagram may be sent; else a promise that resolves when it may. */
  room(): Promise<void> | undefined

  /** Undefined when the fate of every datagram is known; else a promise that resolves when it is. */
  settled(): Promise<void> | undefined

  close(): void
}
