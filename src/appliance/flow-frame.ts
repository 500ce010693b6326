import type { FlowRecord } from '../flow/flow-record.js'
import { putU16, putU32 } from '../wire/bytes.js'
import { Frame } from '../wire/frame.js'

const SOURCE_AT = 0
const DESTINATION_AT = 16
const TRANSPORT_AT = 32
const LENGTH = 36

/**
 * A frame as far as rules of mirror filters look at one, made of a flow's record: whether another
 * session would have had the flow's packets. One instance serves many records.
 */
export class FlowFrame {
  readonly #frame = new Frame()

  constructor() {
    const frame = this.#frame
    // A Buffer as those of packets: what reads both is slower.
    frame.bytes = Buffer.alloc(LENGTH)
    frame.end = LENGTH
    frame.originalLength = LENGTH
    frame.ipAt = 0
    frame.ipLength = LENGTH
    frame.srcAt = SOURCE_AT
    frame.dstAt = DESTINATION_AT
    frame.transportAt = TRANSPORT_AT
  }

  /** The frame, which the next call overwrites. */
  of(record: FlowRecord): Frame {
    const frame = this.#frame
    const { bytes } = frame
    frame.ipVersion = record.ipVersion
    frame.protocol = record.protocol
    frame.srcPort = record.sourcePort
    frame.dstPort = record.destinationPort
    for (let word = 0; word < 4; word++) {
      putU32(bytes, SOURCE_AT + word * 4, record.packetSource[word]!)
      putU32(bytes, DESTINATION_AT + word * 4, record.packetDestination[word]!)
    }
    putU16(bytes, TRANSPORT_AT, record.sourcePort)
    putU16(bytes, TRANSPORT_AT + 2, record.destinationPort)
    return frame
  }
}
