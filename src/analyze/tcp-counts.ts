/**
 * What was seen of the TCP connections of one session. Segments throughout,
 * where nothing else is said; each is counted in one direction or the other.
 */
export class TcpCounts {
  /** A port used again by a new connection counts anew. */
  connections = 0
  /** Connections whose SYN, or the answer to it, was seen; the others had begun before the capture did. */
  attempted = 0
  /** … whose SYN was answered and the answer acknowledged. */
  completed = 0
  /** … whose SYN was answered with RST. */
  refused = 0
  /** … whose SYN was answered with nothing at all, and whose caller did not go on as if it had been. */
  unanswered = 0
  /** Connections that one side or both reset. */
  resetConnections = 0

  /** With a header that could be read. */
  segments = 0
  resets = 0
  /** SYN, FIN or data that came before. */
  retransmissions = 0
  /** Of those: SYN, with ACK or without. */
  synRetransmissions = 0
  /** Of those: data that was not seen before, but whose turn had come more than a round trip earlier. */
  lateArrivals = 0
  /** Bytes of data in `retransmissions` that came before. */
  retransmittedBytes = 0
  /** Data whose turn had come shortly before. */
  outOfOrder = 0
  keepAlives = 0
  zeroWindows = 0
  /** Jumps of more than the largest window there is: taken for a new beginning, not for a gap. */
  jumps = 0

  /** Runs of sequence numbers that were skipped. */
  gaps = 0
  /** Of those: never filled. */
  gapsUnfilled = 0
  missingBytes = 0
  /** Of those: acknowledged by the receiver, so they were on the wire and are not in the capture. */
  gapsAcknowledged = 0
  acknowledgedMissingBytes = 0

  add(other: TcpCounts): void {
    for (const name of Object.keys(this) as TcpCountName[]) this[name] += other[name]
  }
}

export type TcpCountName = Exclude<keyof TcpCounts, 'add'>
