import { ageOf, type FlowRow } from '../../flow/flow-row.js'
import { formatIpv4, formatIpv6 } from '../../wire/address.js'

/** The type of PacketCount and Age has no more. */
const INT_MAX = 0x7fff_ffff

/** A flow as ListFlowOperationResults has it; its age is that at a moment. */
export function flowMember(row: FlowRow, seconds: number, nanoseconds: number) {
  return {
    SourceAddress: { AddressDefinition: addressText(row.ipVersion, row.packetSource) },
    DestinationAddress: { AddressDefinition: addressText(row.ipVersion, row.packetDestination) },
    SourcePort: String(row.sourcePort),
    DestinationPort: String(row.destinationPort),
    Protocol: String(row.protocol),
    Age: Math.min(ageOf(row, seconds, nanoseconds), INT_MAX),
    PacketCount: Math.min(row.packets, INT_MAX),
    ByteCount: row.bytes,
  }
}

function addressText(version: 4 | 6, words: Uint32Array): string {
  return version === 4
    ? formatIpv4(words[0]!)
    : formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}
