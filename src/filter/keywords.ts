/**
 * The words of pcap-filter(7), and two of our own: `vni` and `session`.
 */

/** Words that name a protocol: alone, before a qualifier, or before `[`. */
export const PROTOCOLS = [
  'ether',
  'ip',
  'ip6',
  'arp',
  'rarp',
  'tcp',
  'udp',
  'sctp',
  'icmp',
  'icmp6',
  'igmp',
  'igrp',
  'pim',
  'vrrp',
  'carp',
  'ah',
  'esp',
  'aarp',
  'atalk',
  'decnet',
  'lat',
  'sca',
  'moprc',
  'mopdl',
  'iso',
  'clnp',
  'esis',
  'isis',
  'stp',
  'ipx',
  'netbeui',
] as const

export type ProtocolWord = (typeof PROTOCOLS)[number]

/** What an identifier may be said to be. */
export const ADDRESS_KINDS = [
  'host',
  'net',
  'port',
  'portrange',
  'proto',
  'vni',
  'session',
] as const

export type AddressKind = (typeof ADDRESS_KINDS)[number]

const OTHERS = [
  'src',
  'dst',
  'mask',
  'broadcast',
  'multicast',
  'less',
  'greater',
  'len',
  'vlan',
  'mpls',
  'pppoed',
  'pppoes',
]

const NO_OTHER_LINK = 'that is for link types that mirrored traffic never has'
const NO_PF = 'that is for the log of the pf firewall'
const NO_DIRECTION =
  'a mirrored frame does not tell; say "ether src" or "ether dst" with the address of the interface'

/** Words of the language that are not supported, and why or what to write in their place. */
export const UNSUPPORTED: ReadonlyMap<string, string> = new Map([
  ['gateway', 'it needs the names of hosts, which are not looked up'],
  ['protochain', 'headers are not followed one after the other; "proto" looks at the first'],
  ['byte', 'write "ether[N]"'],
  ['geneve', 'a filter sees the mirrored frame, and what that contains is not unwrapped'],
  ['ifindex', 'interfaces are known as sessions: "session NAME" or "vni N"'],
  ['inbound', NO_DIRECTION],
  ['outbound', NO_DIRECTION],
  ['llc', 'write a comparison such as "ether[14:2] = 0x4242"'],
  ...['radio', 'type', 'subtype', 'dir', 'direction', 'ra', 'ta'].map(unsupported(NO_OTHER_LINK)),
  ...['addr1', 'addr2', 'addr3', 'addr4'].map(unsupported(NO_OTHER_LINK)),
  ...['address1', 'address2', 'address3', 'address4'].map(unsupported(NO_OTHER_LINK)),
  ...['lane', 'metac', 'bcc', 'oam', 'oamf4', 'oamf4ec'].map(unsupported(NO_OTHER_LINK)),
  ...['oamf4sc', 'sc', 'ilmic', 'vpi', 'vci', 'connectmsg'].map(unsupported(NO_OTHER_LINK)),
  ...['metaconnect', 'fisu', 'lssu', 'lsu', 'msu', 'hfisu'].map(unsupported(NO_OTHER_LINK)),
  ...['hlssu', 'hmsu', 'sio', 'opc', 'dpc', 'sls'].map(unsupported(NO_OTHER_LINK)),
  ...['hsio', 'hopc', 'hdpc', 'hsls'].map(unsupported(NO_OTHER_LINK)),
  ...['l1', 'l2', 'iih', 'lsp', 'snp', 'csnp', 'psnp'].map(
    unsupported('write a comparison such as "isis and ether[21] = 18"'),
  ),
  ...['on', 'ifname', 'rset', 'ruleset', 'rnr', 'rulenum'].map(unsupported(NO_PF)),
  ...['srnr', 'subrulenum', 'reason', 'action'].map(unsupported(NO_PF)),
])

function unsupported(why: string): (word: string) => [string, string] {
  return (word) => [word, why]
}

/** Words that are supported. */
export const SUPPORTED: ReadonlySet<string> = new Set([...PROTOCOLS, ...ADDRESS_KINDS, ...OTHERS])

/** Every word that means something, and so must be escaped where a name is meant. */
export const KEYWORDS: ReadonlySet<string> = new Set([...SUPPORTED, ...UNSUPPORTED.keys()])

/** Names that stand for a number. */
export const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ['tcpflags', 13],
  ['tcp-fin', 0x01],
  ['tcp-syn', 0x02],
  ['tcp-rst', 0x04],
  ['tcp-push', 0x08],
  ['tcp-ack', 0x10],
  ['tcp-urg', 0x20],
  ['tcp-ece', 0x40],
  ['tcp-cwr', 0x80],
  ['icmptype', 0],
  ['icmpcode', 1],
  ['icmp-echoreply', 0],
  ['icmp-unreach', 3],
  ['icmp-sourcequench', 4],
  ['icmp-redirect', 5],
  ['icmp-echo', 8],
  ['icmp-routeradvert', 9],
  ['icmp-routersolicit', 10],
  ['icmp-timxceed', 11],
  ['icmp-paramprob', 12],
  ['icmp-tstamp', 13],
  ['icmp-tstampreply', 14],
  ['icmp-ireq', 15],
  ['icmp-ireqreply', 16],
  ['icmp-maskreq', 17],
  ['icmp-maskreply', 18],
  ['icmp6type', 0],
  ['icmp6code', 1],
  ['icmp6-destinationunreach', 1],
  ['icmp6-packettoobig', 2],
  ['icmp6-timeexceeded', 3],
  ['icmp6-parameterproblem', 4],
  ['icmp6-echo', 128],
  ['icmp6-echoreply', 129],
  ['icmp6-multicastlistenerquery', 130],
  ['icmp6-multicastlistenerreportv1', 131],
  ['icmp6-multicastlistenerdone', 132],
  ['icmp6-routersolicit', 133],
  ['icmp6-routeradvert', 134],
  ['icmp6-neighborsolicit', 135],
  ['icmp6-neighboradvert', 136],
  ['icmp6-redirect', 137],
  ['icmp6-routerrenum', 138],
  ['icmp6-nodeinformationquery', 139],
  ['icmp6-nodeinformationresponse', 140],
  ['icmp6-ineighbordiscoverysolicit', 141],
  ['icmp6-ineighbordiscoveryadvert', 142],
  ['icmp6-multicastlistenerreportv2', 143],
  ['icmp6-homeagentdiscoveryrequest', 144],
  ['icmp6-homeagentdiscoveryreply', 145],
  ['icmp6-mobileprefixsolicit', 146],
  ['icmp6-mobileprefixadvert', 147],
  ['icmp6-certpathsolicit', 148],
  ['icmp6-certpathadvert', 149],
  ['icmp6-multicastrouteradvert', 151],
  ['icmp6-multicastroutersolicit', 152],
  ['icmp6-multicastrouterterm', 153],
])
