import { fragments } from './fragments.js'
import { cutByPacketLength, geneveGoogle, geneveGwlb, vxlanTwoSessions } from './mirrored.js'
import { webAndDns } from './web-and-dns.js'

/** Every capture in samples/, by file name; samples/README.md says what each shows. */
export const SAMPLES: Readonly<Record<string, () => Buffer>> = {
  'web-and-dns.pcap': webAndDns,
  'fragments.pcap': fragments,
  'vxlan-two-sessions.pcap': vxlanTwoSessions,
  'geneve-gwlb.pcap': geneveGwlb,
  'geneve-google.pcap': geneveGoogle,
  'cut-by-packet-length.pcap': cutByPacketLength,
}
