import type {
  FlowSummary,
  ProtocolRow,
  ServiceRow,
  SessionAnalysis,
} from '../analyze/analysis-report.js'
import { protocolName } from '../wire/protocol.js'

/** Protocols whose ports an expression can name. */
const WITH_PORTS = ['tcp', 'udp', 'sctp']

/* pcap-filter(7) expressions of the packets that rows of a report speak of. */

export function hostFilter(...addresses: readonly string[]): string {
  return addresses.map((address) => `host ${address}`).join(' and ')
}

/** Both directions. */
export function flowFilter({ srcAddr, dstAddr, srcPort, dstPort, protocol }: FlowSummary): string {
  const hosts = hostFilter(srcAddr, dstAddr)
  const name = protocolName(protocol)
  if (name !== undefined && WITH_PORTS.includes(name) && srcPort + dstPort > 0) {
    return `${hosts} and ${name} port ${srcPort} and ${name} port ${dstPort}`
  }
  return `${hosts} and ${srcAddr.includes(':') ? 'ip6' : 'ip'} proto ${protocol}`
}

export function serviceFilter({ protocol, port }: ServiceRow): string | undefined {
  return WITH_PORTS.includes(protocol) ? `${protocol} port ${port}` : undefined
}

/** Undefined for what no expression says. */
export function protocolFilter(row: ProtocolRow): string | undefined {
  if (row.protocol !== null) return `${row.ipVersion === 6 ? 'ip6' : 'ip'} proto ${row.protocol}`
  return row.etherType === null ? undefined : `ether proto 0x${row.etherType.toString(16)}`
}

export function sessionFilter({ session }: SessionAnalysis): string | undefined {
  return session !== null && /^[\w.:-]+$/.test(session) ? `session ${session}` : undefined
}
