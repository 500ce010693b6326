import { crc32 } from 'node:zlib'
import type { CaptureSummary, Parsed } from '../pcap/reader.js'
import type { Restart } from '../pcap/restarts.js'
import type { Session } from '../session/session.js'
import { Tap } from '../session/tap.js'
import { FRAGMENT_NONE, Frame } from '../wire/frame.js'
import { GENEVE_PORT, Geneve, parseGeneve } from '../wire/geneve.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import { PROTOCOL_UDP } from '../wire/protocol.js'
import { UDP_HEADER_LEN } from '../wire/udp.js'
import { parseVxlan, VXLAN_PORT } from '../wire/vxlan.js'
import { addFrameKeys } from './frame-keys.js'
import {
  type CaptureIdentity,
  formatIndex,
  type IndexBlock,
  type IndexContents,
  isListable,
  type KeptRestart,
  keptRestart,
  LINK_TYPES_MAX,
  SESSIONS_MAX,
} from './index-format.js'
import { KEY_VNI, key1 } from './key.js'
import { filterLength, KeySet, probesFor } from './key-filter.js'
import { hasUdpPort, type Look, OTHER, SEEN, SeenFlows } from './seen-flows.js'

/** Bytes of the capture that a block has at least, as long as there are few. */
const BLOCK_LEN_MIN = 224 * 1024
/** This many blocks have that length; those after them twice, and so on: an index is read whole. */
const BLOCKS_A_LENGTH = 32_768

/** The filter of the whole file: bytes of the capture for each of its own. */
const OCTETS_A_FILTER_BYTE = 1024
const FILE_FILTER_MIN = 1024
const FILE_FILTER_MAX = 1024 * 1024
const FILE_PROBES = 3

const NO_FILTER = new Uint8Array(0)

/** Sessions told apart; more than a mirror target sees. */
const OPEN_SESSIONS_MAX = 4096

/** Makes the index of one capture from its packets, in the order of the file. */
export class IndexBuilder {
  readonly #keys = new KeySet()
  readonly #seen = new SeenFlows()
  readonly #ended: IndexBlock[] = []
  readonly #filters: Uint8Array[] = []
  #filtersLength = 0
  readonly #restarts: KeptRestart[] = []
  readonly #fileFilter: Uint8Array
  readonly #linkTypes = new Set<number>()
  #lastLinkType = -1
  readonly #sessions = new Set<string>()
  #lastSession: Session | undefined
  #isUnlisted = false

  /** Of the block under way. */
  #start = 0
  #descriptions = 0
  #packets = 0
  #earliest: { seconds: number; nanoseconds: number } | undefined
  #latest: { seconds: number; nanoseconds: number } | undefined

  /** Only what may be a mirror's packet goes through it. */
  readonly #tap: Tap
  readonly #frame = new Frame()
  readonly #vxlan = { vni: 0, reserved: false }
  readonly #geneve = new Geneve()
  #hasTunnels = false
  #hasDoubt = false

  /** `size`: of the capture as it is stored. */
  constructor(size: number) {
    const wanted = 2 ** Math.ceil(Math.log2(Math.max(size / OCTETS_A_FILTER_BYTE, 1)))
    const length = Math.min(Math.max(wanted, FILE_FILTER_MIN), FILE_FILTER_MAX)
    this.#fileFilter = new Uint8Array(length)
    this.#tap = new Tap({
      maxSessions: OPEN_SESSIONS_MAX,
      counter: () => undefined,
      observe: (session, packet) => {
        if (session.vni !== null) this.#addMirrored(session, packet)
      },
    })
  }

  get blocks(): number {
    return this.#ended.length
  }

  add(packet: Packet): void {
    const { bytes, start, end, linkType } = packet
    this.#packets++
    if (packet.timed) this.#noteTime(packet)
    if (linkType !== this.#lastLinkType) this.#noteLinkType(linkType)
    let look: Look = OTHER
    if (linkType === LINKTYPE_ETHERNET) {
      look = this.#seen.look(bytes, start, end, this.#ended.length + 1)
    }
    if (look !== SEEN) addFrameKeys(bytes, start, end, linkType, this.#keys)
    if (look === OTHER || hasUdpPort(bytes, start, VXLAN_PORT, GENEVE_PORT)) {
      this.#lookForTunnel(packet)
    }
  }

  /** Decompressing can begin there. */
  restart(restart: Restart): void {
    this.#restarts.push(keptRestart(restart))
  }

  #lookForTunnel(packet: Packet): void {
    const { bytes, start, end, linkType } = packet
    const frame = this.#frame
    const fault = parseFrame(bytes, start, end, linkType, packet.originalLength, frame)
    if (fault !== undefined || frame.ipVersion === 0 || frame.protocol !== PROTOCOL_UDP) return
    if (frame.fragment !== FRAGMENT_NONE) this.#hasDoubt = true
    else if (isTunnelPort(frame.dstPort)) this.#noteTunnel(frame)
    else if (isTunnelPort(frame.srcPort)) this.#hasDoubt = true
    else return
    this.#tap.demux.acceptPacket(packet)
  }

  /** Between packets: how far they reach. */
  parsed({ octets, descriptions }: Parsed): void {
    const wanted = BLOCK_LEN_MIN * 2 ** Math.floor(this.#ended.length / BLOCKS_A_LENGTH)
    if (octets - this.#start >= wanted) this.#endBlock(octets, descriptions)
  }

  /** The whole file, once all packets have been added. */
  finish(capture: CaptureIdentity, summary: CaptureSummary): Buffer {
    this.#tap.demux.end()
    // Its descriptions have not been told: it is taken to have some.
    if (summary.octets > this.#start) this.#endBlock(summary.octets, -1)
    const { ledger } = this.#tap
    const isDoubtful = this.#hasDoubt || ledger.reservedBits > 0 || ledger.inDoubt > 0
    const isCompressed = summary.compression !== 'none'
    const index: IndexContents = {
      capture,
      vxlanPort: VXLAN_PORT,
      genevePort: GENEVE_PORT,
      covered: this.#start,
      isMirrored: this.#hasTunnels,
      isDoubtful,
      isUnlisted: this.#isUnlisted,
      isPlainPcap: !isCompressed && summary.format !== 'pcapng',
      isCompressed,
      isDamaged: summary.damage !== undefined,
      linkTypes: [...this.#linkTypes],
      sessions: [...this.#sessions],
      blocks: this.#ended,
      // Of one block its own says as much.
      filter: this.#ended.length > 1 ? this.#fileFilter : NO_FILTER,
      probes: FILE_PROBES,
    }
    return formatIndex(index, this.#filters, this.#restarts)
  }

  #noteTime({ seconds, nanoseconds }: Packet): void {
    const earliest = this.#earliest
    const latest = this.#latest
    if (earliest === undefined || latest === undefined) {
      this.#earliest = { seconds, nanoseconds }
      this.#latest = { seconds, nanoseconds }
    } else if (
      seconds > latest.seconds ||
      (seconds === latest.seconds && nanoseconds > latest.nanoseconds)
    ) {
      latest.seconds = seconds
      latest.nanoseconds = nanoseconds
    } else if (
      seconds < earliest.seconds ||
      (seconds === earliest.seconds && nanoseconds < earliest.nanoseconds)
    ) {
      earliest.seconds = seconds
      earliest.nanoseconds = nanoseconds
    }
  }

  #noteLinkType(linkType: number): void {
    this.#lastLinkType = linkType
    if (this.#linkTypes.has(linkType)) return
    if (this.#linkTypes.size === LINK_TYPES_MAX) this.#isUnlisted = true
    else this.#linkTypes.add(linkType)
  }

  /** Reserved bits make it a question of sessions seen before whether it is a tunnel. */
  #noteTunnel({ bytes, transportAt, end, dstPort }: Frame): void {
    this.#hasTunnels = true
    const at = transportAt + UDP_HEADER_LEN
    const header = dstPort === VXLAN_PORT ? this.#vxlan : this.#geneve
    const fault =
      dstPort === VXLAN_PORT
        ? parseVxlan(bytes, at, end, this.#vxlan)
        : parseGeneve(bytes, at, end, this.#geneve)
    if (fault === undefined && header.reserved) this.#hasDoubt = true
  }

  #addMirrored(session: Session, { bytes, start, end, linkType }: Packet): void {
    if (session !== this.#lastSession) this.#noteSession(session)
    if (linkType !== this.#lastLinkType) this.#noteLinkType(linkType)
    addFrameKeys(bytes, start, end, linkType, this.#keys)
    this.#keys.add(key1(KEY_VNI, session.vni!))
  }

  #noteSession(session: Session): void {
    this.#lastSession = session
    const { name } = session
    if (name === null || this.#sessions.has(name)) return
    if (this.#sessions.size === SESSIONS_MAX || !isListable(name)) this.#isUnlisted = true
    else this.#sessions.add(name)
  }

  #endBlock(end: number, descriptions: number): void {
    const keys = this.#keys
    const octets = end - this.#start
    const filter = new Uint8Array(filterLength(keys.count, octets))
    const probes = probesFor(filter.length, keys.count)
    keys.putInto(filter, probes)
    keys.putInto(this.#fileFilter, FILE_PROBES)
    // A key that the set had no room for is missing in the file's filter too.
    const isUnfiltered = keys.isFull
    if (isUnfiltered) this.#fileFilter.fill(0xff)
    this.#ended.push({
      start: this.#start,
      end,
      packets: this.#packets,
      earliest: this.#earliest,
      latest: this.#latest,
      describes: descriptions !== this.#descriptions,
      isUnfiltered,
      probes,
      filterCrc: crc32(filter),
      filterAt: this.#filtersLength,
      filterLength: filter.length,
    })
    this.#filters.push(filter)
    this.#filtersLength += filter.length
    keys.clear()
    this.#start = end
    this.#descriptions = descriptions
    this.#packets = 0
    this.#earliest = undefined
    this.#latest = undefined
  }
}

function isTunnelPort(port: number): boolean {
  return port === VXLAN_PORT || port === GENEVE_PORT
}
