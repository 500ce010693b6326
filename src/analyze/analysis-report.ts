import type { CaptureFileFormat, Damage } from '../pcap/capture-parser.js'
import type { Compression } from '../pcap/decompressor.js'
import type { CutCause } from '../session/cut-frames.js'
import type { FragmentReport } from '../session/reassembly.js'
import type { Fault } from '../wire/fault.js'
import type { DistributionReport } from './distribution.js'
import type { TcpCountName } from './tcp-counts.js'
import type { SeriesReport } from './time-series.js'

/**
 * All that `analyze` finds out, as data: what `--json` prints and the report page
 * holds. Names stay; what is added later gets new ones.
 *
 * Moments are strings of decimal seconds since the epoch with nine digits.
 * `bytes` of frames are bytes on the wire with their link layer, by the IP header
 * where a frame was cut; those of flows are bytes of IP, as in flow logs.
 */
export interface AnalysisReport {
  version: 1
  /** What a person should know first, most important first. */
  findings: Finding[]
  files: FileReport[]
  totals: Totals
  sessions: SessionAnalysis[]
  protocols: ProtocolRow[]
  services: ServiceRow[]
  /** Ports left out of them, since nothing answered on any of many, as where one scans. */
  unansweredPorts: number
  talkers: Talkers
  conversations: Conversations
  /** Of the addresses in these lists and the matrix: what DNS, TLS, QUIC and HTTP in the same packets call them. */
  names: Record<string, string>
  flows: Flows
  tcp: TcpReport
  distributions: {
    /** Bytes on the wire of every frame, after the mirror's wrapping. */
    frameSize: DistributionReport
    /** Between a packet of a file and the one before it, in the order of the file. */
    interArrival: DistributionReport
    /** From the first to the last packet of a flow, one direction each. */
    flowDuration: DistributionReport
    flowBytes: DistributionReport
    flowPackets: DistributionReport
    /** From the SYN to the ACK that ends the handshake: the whole round trip. */
    handshake: DistributionReport
    /** From the SYN to the SYN with ACK: the part between here and the server. */
    synToSynAck: DistributionReport
    /** From the SYN with ACK to the ACK: the part between here and the client. */
    synAckToAck: DistributionReport
  }
  series: Series
}

/** What a finding is about, most important first. */
const FINDING_KINDS = [
  'damage',
  'loss',
  'fragments-missing',
  'cut',
  'flow-table-full',
  'malformed',
  'retransmissions',
  'one-way',
  'split-halves',
  'syn-flood',
  'port-scan',
  'address-scan',
  'connections-failed',
  'peer-timeout',
  'beacon',
  'dns-failures',
  'dns-long-names',
  'weak-tls',
  'cleartext-password',
  'cleartext-protocol',
  'duplicates',
  'tunnel-doubt',
  'fragments-unclaimed',
  'ordering',
  'untimed',
] as const

export type FindingKind = (typeof FINDING_KINDS)[number]

export interface Finding {
  kind: FindingKind
  /** `problem`: what is below is not the whole truth, or packets were lost. `notice`: worth knowing. */
  level: 'problem' | 'notice'
  /** One sentence for people; it may change. */
  text: string
  /** A pcap-filter(7) expression that the packets match, of what hosts do. */
  filter?: string
}

export interface FileReport {
  file: string
  format: CaptureFileFormat
  compression: Compression
  /** LINKTYPE_… of its interfaces, each once. */
  linkTypes: { linkType: number; name: string }[]
  /** The largest of its interfaces; 0 stands for no limit. */
  snaplen: number
  interfaces: number
  packets: number
  /** Bytes of the packets on the wire, and of those that the file holds, mirror wrapping included. */
  bytes: number
  capturedBytes: number
  /** Packets that hold less than was on the wire. */
  cut: number
  /** Packets without a time; they are in no time series. */
  untimed: number
  /** Of the earliest and the latest packet; null where none has a time. */
  first: string | null
  last: string | null
  /** Decimal seconds between them. */
  span: string | null
  ordering: {
    /** Packets with a time before that of the packet in front of them. */
    backwards: number
    largestStepNs: number
  }
  damage: Damage | null
}

export interface Totals {
  files: number
  /** Packets in the files; all but `filtered` and fragments without their others are in what follows. */
  packets: number
  bytes: number
  first: string | null
  last: string | null
  span: string | null
  /** Packets left out, by their VNI or by a filter. */
  filtered: number
  mirrored: number
  malformed: Partial<Record<Fault, number>>
  /** Copies of packets that another session had brought. */
  duplicates: number
  cut: number
  /** Datagrams to the port of a tunnel that were left as they are, for they may be none. */
  inDoubt: number
  /** Of tunnel datagrams in fragments, each of which is one of `packets`. */
  fragments: FragmentReport
}

export interface SessionAnalysis {
  /** null for packets that were not mirrored, as `vni` and `source` are. */
  session: string | null
  vni: number | null
  source: string | null
  /** Of the mirrored interface, once its frames have told. */
  macAddress: string | null
  packets: number
  bytes: number
  first: string | null
  last: string | null
  /** One direction each. */
  flows: number
  /** Packets in flows, and their bytes of IP, seen from the mirrored interface. */
  directions: Record<'ingress' | 'egress' | 'unknown', { packets: number; bytes: number }>
  malformed: number
  duplicates: number
  cut: number
  cutCauses: Partial<Record<CutCause, number>>
  packetLength: number | null
  /** Its largest by bytes; of the first 64 sessions. */
  topFlows: FlowSummary[]
  tcp: Record<TcpCountName, number>
}

export interface ProtocolRow {
  /** `tcp`, `arp` …, or a number; `malformed` where the frame could not be read. */
  name: string
  ipVersion: 4 | 6 | null
  /** IANA number, where there is IP. */
  protocol: number | null
  etherType: number | null
  packets: number
  bytes: number
}

/** Both directions of the flows to one port: of the side that was connected to, or else the lower one. */
export interface ServiceRow {
  protocol: string
  port: number
  /** `https`; null where the port has none. */
  name: string | null
  flows: number
  packets: number
  bytes: number
}

interface Approximate {
  /** How many there were room for; beyond, the lightest were let go. */
  dropped: number
  /** Bytes that a row may lack at most; 0: everything is exact. */
  lackBytesMax: number
}

export interface Talkers extends Approximate {
  /** Addresses seen, where all are exact. */
  addresses: number
  byBytes: TalkerRow[]
  byPackets: TalkerRow[]
}

export interface TalkerRow {
  address: string
  sentPackets: number
  sentBytes: number
  receivedPackets: number
  receivedBytes: number
  flows: number
}

/** Who talks to whom. */
export interface Conversations extends Approximate {
  /** Pairs of addresses, where all are exact. */
  pairs: number
  top: ConversationRow[]
  /** The addresses that say and hear most, and what each sent to each: `bytes[from][to]`. */
  matrix: { addresses: string[]; bytes: number[][]; packets: number[][] }
}

export interface ConversationRow {
  a: string
  b: string
  aToBPackets: number
  aToBBytes: number
  bToAPackets: number
  bToABytes: number
}

export interface Flows {
  /** One direction each; as `flows` lists them. */
  count: number
  /** Both directions together. */
  connections: number
  /** Connections put out of the full flow table early: they count anew when they go on. */
  evicted: number
  topByBytes: FlowSummary[]
  topByPackets: FlowSummary[]
}

export interface FlowSummary {
  session: string | null
  srcAddr: string
  dstAddr: string
  srcPort: number
  dstPort: number
  protocol: number
  packets: number
  bytes: number
  firstSeen: string
  lastSeen: string
  direction: 'ingress' | 'egress' | null
}

interface TcpReport extends Record<TcpCountName, number> {
  /** Flows with most segments sent again, out of their order or missing. */
  worst: TroubledFlow[]
}

export interface TroubledFlow extends FlowSummary {
  retransmissions: number
  outOfOrder: number
  missingBytes: number
}

/** Packets and bytes over time; see SeriesReport for the time of a bin. */
export interface Series extends SeriesReport {
  sessions: SeriesLine[]
  protocols: SeriesLine[]
  /** Where packets are of several times far apart, as files of different days are: the same of each, in the order of time. */
  periods: Omit<Series, 'periods'>[]
}

export interface SeriesLine {
  /** Of a session or protocol; `other` for all the rest. */
  name: string
  packets: number[]
  bytes: number[]
}
