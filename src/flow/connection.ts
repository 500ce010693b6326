import type { ConnectionState } from './connection-state.js'
import type { FlowPair } from './flow-pair.js'

/** What is known of one end beside what it sent. */
export interface End {
  /** Bytes of data; of TCP by sequence numbers. */
  readonly payload: number
  /** Segments whose data was sent before. */
  readonly retransmissions: number
  /** Bytes that the other end confirmed and nobody saw: the capture has lost them. */
  readonly missed: number
}

/** A connection as a row of conn.log of Zeek has it. */
export interface Connection extends FlowPair {
  /** `ShADadFf`: capital letters are those of the originator, a caret says that it did not send the first packet seen. */
  readonly history: string
  readonly connState: ConnectionState
  /** From the last SYN to the acknowledgment of its answer. */
  readonly handshakeNanoseconds: number | undefined
  readonly orig: End
  readonly resp: End
}

/** From the other side. */
export function turnedEnds(pair: FlowPair): FlowPair {
  return {
    ...pair,
    packetSource: pair.packetDestination,
    packetDestination: pair.packetSource,
    sourcePort: pair.destinationPort,
    destinationPort: pair.sourcePort,
    originator: pair.responder,
    responder: pair.originator,
  }
}
