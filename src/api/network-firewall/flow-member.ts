import { ageOf, type FlowRow } from '../../flow/flow-row.js'
import { formatWords } from '../../wire/address.js'

/** The type of PacketCount and Age has no more. */
const INT_MAX = 0x7fff_ffff

/** A flow as ListFlowOperationResults has it; its age is that at a moment. */
export function flowMember(row: FlowRow, seconds: number, nanoseconds: number) {
  return {
    SourceAddress: { AddressDefinition: formatWords(row.ipVersion, row.packetSource) },
    DestinationAddress: { AddressDefinition: formatWords(row.ipVersion, row.packetDestination) },
    SourcePort: String(row.sourcePort),
    DestinationPort: String(row.destinationPort),
    Protocol: String(row.protocol),
    Age: Math.min(ageOf(row, seconds, nanoseconds), INT_MAX),
    PacketCount: Math.min(row.packets, INT_MAX),
    ByteCount: row.bytes,
  }
}
