import { PacketQueue } from '../pcap/packet-queue.js'
import { MAPPED_WORD } from '../wire/address.js'
import { u16, u32 } from '../wire/bytes.js'
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_TRANSPARENT_BRIDGING } from '../wire/ethernet.js'
import type { Fault } from '../wire/fault.js'
import { Fragment, readFragment } from '../wire/fragment.js'
import { ABSENT, FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, Frame } from '../wire/frame.js'
import { GENEVE_PORT, Geneve, parseGeneve } from '../wire/geneve.js'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../wire/link-type.js'
import { Datagram, Packet } from '../wire/packet.js'
import { parseFrame, parsePacket } from '../wire/parse-frame.js'
import { PROTOCOL_UDP } from '../wire/protocol.js'
import { UDP_HEADER_LEN, UDP_LENGTH } from '../wire/udp.js'
import { parseVxlan, VXLAN_HEADER_LEN, VXLAN_PORT } from '../wire/vxlan.js'
import type { Ledger } from './ledger.js'
import type { Pipeline } from './pipeline.js'
import { type Parts, PLAIN, Reassembly, secondsFor, TUNNEL, UNKNOWN } from './reassembly.js'
import { Session } from './session.js'
import type { SessionDirectory } from './session-directory.js'
import { Conversations, makesSense } from './tunnel-doubt.js'

export interface DemuxOptions {
  ledger: Ledger
  sessions: SessionDirectory
  pipeline: Pipeline
  /** What to do with sessions that are not open yet. */
  unknownSessions?: 'accept' | 'drop' | undefined
  /** Take these VNIs only; others are filtered. */
  vnis?: ReadonlySet<number> | undefined
  /** For packets of a capture file: take off one mirror layer, or leave them as they are. */
  decap?: 'auto' | 'none' | undefined
  /** UDP destination ports that announce an encapsulation inside capture files and GENEVE. */
  vxlanPort?: number | undefined
  genevePort?: number | undefined
}

/** Bytes of packets that may wait behind a fragment while the first fragment of its datagram is missing. */
const HELD_MAX = 4 * 1024 * 1024

/** In place of a fault: this could be parsed as a tunnel, but is not one, or is not certain to be one. */
const IN_DOUBT = 'in-doubt'

/**
 * Removes exactly one mirror layer: VXLAN, or GENEVE with VXLAN inside, as a Gateway
 * Load Balancer sends it, or GENEVE alone. Passes the frame inside to the session of
 * the outer source and the VNI. Tunnels inside a mirrored frame stay as they are.
 *
 * In a capture file, and for VXLAN inside GENEVE, the port is the only sign of a tunnel.
 * There a datagram is not unwrapped in two cases: if reserved bits of its header are set,
 * the frame inside is invalid and no session of its source and VNI is open; or if its
 * conversation has a client at that port, unless no reserved bit is set and the frame is
 * valid.
 */
export class Demux {
  /** Packets of a capture file that were not mirrored. */
  readonly unmirrored = new Session(0, null, null)

  readonly #ledger: Ledger
  readonly #sessions: SessionDirectory
  readonly #pipeline: Pipeline
  #acceptUnknown: boolean
  readonly #vnis: ReadonlySet<number> | undefined
  readonly #decap: boolean
  readonly #vxlanPort: number
  readonly #genevePort: number

  readonly #vxlan = { vni: 0, reserved: false }
  readonly #geneve = new Geneve()
  readonly #conversations = new Conversations()
  #reassembly: Reassembly | undefined
  readonly #fragment = new Fragment()
  /** Packets that wait, in order, behind a fragment whose first fragment is missing. It is the head. */
  readonly #held = new PacketQueue()
  #headExpires = 0
  /** Time of the latest packet with a time. */
  #now = 0
  readonly #outer = new Frame()
  readonly #middle = new Frame()
  readonly #datagram = new Datagram()
  readonly #inside = new Datagram()
  readonly #inner = new Packet()

  constructor(options: DemuxOptions) {
    this.#ledger = options.ledger
    this.#sessions = options.sessions
    this.#pipeline = options.pipeline
    this.#acceptUnknown = (options.unknownSessions ?? 'accept') === 'accept'
    this.#vnis = options.vnis
    this.#decap = (options.decap ?? 'auto') === 'auto'
    this.#vxlanPort = options.vxlanPort ?? VXLAN_PORT
    this.#genevePort = options.genevePort ?? GENEVE_PORT
  }

  /** Takes a datagram that came to the VXLAN port. */
  acceptVxlan(datagram: Datagram): void {
    this.#ledger.received++
    if (datagram.cut) this.#ledger.cutDatagrams++
    this.#inner.geneve = undefined
    const fault = this.#openVxlan(datagram, datagram.end - datagram.start, undefined)
    if (fault !== undefined && fault !== IN_DOUBT) this.#ledger.malformed[fault]++
  }

  set unknownSessions(what: 'accept' | 'drop') {
    this.#acceptUnknown = what === 'accept'
  }

  /** Takes a datagram that came to the GENEVE port. */
  acceptGeneve(datagram: Datagram): void {
    this.#ledger.received++
    if (datagram.cut) this.#ledger.cutDatagrams++
    const fault = this.#openGeneve(datagram, datagram.end - datagram.start, undefined)
    if (fault !== undefined && fault !== IN_DOUBT) this.#ledger.malformed[fault]++
  }

  /** Takes a packet of a capture file, and unwraps it if it was mirrored. */
  acceptPacket(packet: Packet): void {
    if (packet.timed) this.#now = packet.seconds
    const outer = this.#outer
    const fault = parsePacket(packet, outer)
    if (this.#decap && fault === undefined && isUdpFragment(outer)) {
      readFragment(outer, this.#fragment)
      if (this.#fragment.protocol === PROTOCOL_UDP) {
        this.#takeFragment(packet, outer)
        return
      }
    }
    if (this.#held.isEmpty) this.#acceptWhole(packet, outer, fault, this.#decap)
    else this.#hold(packet)
  }

  /** Ends the last file: packets that waited for others are taken as they are. */
  end(): void {
    while (!this.#held.isEmpty) this.#giveUpHead()
    this.#reassembly?.end()
  }

  /** Learns from a first fragment what its datagram is. Other fragments wait for their first. */
  #takeFragment(packet: Packet, outer: Frame): void {
    this.#reassembly ??= new Reassembly(this.#ledger.fragments)
    const parts = this.#reassembly.findOrBegin(outer, this.#now)
    const wasUnknown = parts.state === UNKNOWN
    if (outer.fragment === FRAGMENT_FIRST) {
      const state = this.#beginsTunnel(packet, outer) ? TUNNEL : PLAIN
      this.#reassembly.decide(parts, state, this.#now)
    }
    if (!this.#held.isEmpty) {
      this.#hold(packet)
      if (wasUnknown && parts.state !== UNKNOWN) this.#release()
    } else if (parts.state === UNKNOWN) {
      this.#headExpires = this.#now + secondsFor(outer)
      this.#hold(packet)
    } else this.#acceptFragment(packet, outer, parts)
  }

  /** Whether a first fragment belongs to a tunnel datagram, as far as its bytes show. */
  #beginsTunnel(packet: Packet, outer: Frame): boolean {
    const datagram = this.#datagram
    if (!this.#isTunnelPort(outer.dstPort) || !payloadOf(outer, datagram)) return false
    sourceOf(outer, datagram)
    datagram.seconds = packet.seconds
    const isVxlan = outer.dstPort === this.#vxlanPort
    const header = isVxlan ? this.#vxlan : this.#geneve
    const { bytes, start, end } = datagram
    const fault = isVxlan
      ? parseVxlan(bytes, start, end, this.#vxlan)
      : parseGeneve(bytes, start, end, this.#geneve)
    // If it is too short to tell, the port decides, unless the file has cut it.
    if (fault !== undefined) return fault.endsWith('-truncated') && end === ipEndOf(outer)
    const original = u16(bytes, outer.transportAt + UDP_LENGTH) - UDP_HEADER_LEN
    const at = isVxlan ? start + VXLAN_HEADER_LEN : this.#geneve.payloadAt
    const linkType = isVxlan ? LINKTYPE_ETHERNET : linkTypeOf(this.#geneve.protocol)
    if (linkType === undefined) return false
    this.#inner.linkType = linkType
    showPayload(datagram, at, original - (at - start), this.#inner)
    if (!this.#isDoubtful(datagram, outer, header)) return true
    this.#ledger.inDoubt++
    return false
  }

  #acceptFragment(packet: Packet, outer: Frame, parts: Parts | undefined): void {
    if (parts?.state !== TUNNEL) {
      if (parts?.state !== PLAIN) this.#ledger.fragments.unclaimed++
      this.#acceptWhole(packet, outer, undefined, false)
      return
    }
    const seconds = packet.timed ? packet.seconds : this.#now
    const joined = this.#reassembly!.add(parts, packet, outer, this.#fragment, seconds)
    if (joined === undefined) return
    this.#ledger.received++
    const fault = parsePacket(joined, outer) ?? this.#unwrap(joined, outer, undefined)
    if (fault !== undefined && fault !== IN_DOUBT) this.#ledger.malformed[fault]++
  }

  /** Keeps a packet until those before it are known, within bounds of memory and time. */
  #hold(packet: Packet): void {
    this.#held.push(packet)
    while (this.#held.octets > HELD_MAX) this.#giveUpHead()
    if (!this.#held.isEmpty && this.#now > this.#headExpires) this.#giveUpHead()
  }

  /** The first fragment that the head waits for did not come in time. */
  #giveUpHead(): void {
    const packet = this.#held.shift()
    parsePacket(packet, this.#outer)
    this.#acceptFragment(packet, this.#outer, undefined)
    this.#release()
  }

  /** Accepts the waiting packets, up to the next fragment whose datagram is not known. */
  #release(): void {
    const outer = this.#outer
    while (!this.#held.isEmpty) {
      const packet = this.#held.peek()
      const fault = parsePacket(packet, outer)
      if (fault !== undefined || !isUdpFragment(outer)) {
        this.#acceptWhole(this.#held.shift(), outer, fault, true)
        continue
      }
      readFragment(outer, this.#fragment)
      if (this.#fragment.protocol !== PROTOCOL_UDP) {
        this.#acceptWhole(this.#held.shift(), outer, undefined, true)
        continue
      }
      const parts = this.#reassembly!.find(outer)
      if (parts?.state === UNKNOWN) {
        this.#headExpires = (packet.timed ? packet.seconds : this.#now) + secondsFor(outer)
        return
      }
      this.#acceptFragment(this.#held.shift(), outer, parts)
    }
  }

  #acceptWhole(packet: Packet, outer: Frame, fault: Fault | undefined, mayBeTunnel: boolean): void {
    this.#ledger.received++
    if (
      mayBeTunnel &&
      fault === undefined &&
      outer.ipVersion !== 0 &&
      outer.protocol === PROTOCOL_UDP
    ) {
      if (this.#isTunnelPort(outer.dstPort)) {
        const reason = this.#unwrap(packet, outer, outer)
        if (reason === undefined) return
        if (reason === IN_DOUBT) this.#ledger.inDoubt++
      } else if (this.#isTunnelPort(outer.srcPort)) {
        this.#conversations.note(outer, packet.seconds)
      }
    }
    if (this.#vnis !== undefined) {
      this.#ledger.filtered++
      return
    }
    this.#pipeline.acceptParsed(this.unmirrored, packet, outer, fault)
  }

  #isTunnelPort(port: number): boolean {
    return port === this.#vxlanPort || port === this.#genevePort
  }

  /** Opens the UDP payload of `outer`; see #openVxlan for `doubted`. */
  #unwrap(
    packet: Packet,
    outer: Frame,
    doubted: Frame | undefined,
  ): Fault | typeof IN_DOUBT | undefined {
    const isVxlan = outer.dstPort === this.#vxlanPort
    const datagram = this.#datagram
    if (!payloadOf(outer, datagram)) return isVxlan ? 'vxlan-truncated' : 'geneve-truncated'
    sourceOf(outer, datagram)
    datagram.sourcePort = outer.srcPort
    datagram.seconds = packet.seconds
    datagram.nanoseconds = packet.nanoseconds
    datagram.cut = false
    this.#inner.timed = packet.timed
    // The datagram was longer by as much as the packet was.
    const ipEnd = ipEndOf(outer)
    const missing = ipEnd > packet.end ? ipEnd - packet.end : 0
    const original = datagram.end - datagram.start + missing
    this.#inner.geneve = undefined
    return isVxlan
      ? this.#openVxlan(datagram, original, doubted)
      : this.#openGeneve(datagram, original, doubted)
  }

  /**
   * `original`: length of the datagram on the wire. `outer`: its headers if the port is the only
   * sign of a tunnel; undefined if it came to a port of this process.
   */
  #openVxlan(
    datagram: Datagram,
    original: number,
    outer: Frame | undefined,
  ): Fault | typeof IN_DOUBT | undefined {
    const header = this.#vxlan
    const fault = parseVxlan(datagram.bytes, datagram.start, datagram.end, header)
    if (fault !== undefined) return fault
    const inner = this.#inner
    inner.linkType = LINKTYPE_ETHERNET
    const at = datagram.start + VXLAN_HEADER_LEN
    showPayload(datagram, at, original - VXLAN_HEADER_LEN, inner)
    if (outer !== undefined && this.#isDoubtful(datagram, outer, header)) return IN_DOUBT
    if (header.reserved) this.#ledger.reservedBits++
    this.#deliver(datagram, header.vni)
    return undefined
  }

  /** See #openVxlan. */
  #openGeneve(
    datagram: Datagram,
    original: number,
    outer: Frame | undefined,
  ): Fault | typeof IN_DOUBT | undefined {
    const header = this.#geneve
    const fault = parseGeneve(datagram.bytes, datagram.start, datagram.end, header)
    if (fault !== undefined) return fault
    const payloadAt = header.payloadAt
    const payloadOriginal = original - (payloadAt - datagram.start)

    const inner = this.#inner
    const linkType = linkTypeOf(header.protocol)
    if (linkType === undefined) return 'geneve-protocol'
    inner.geneve = header
    inner.linkType = linkType
    if (outer !== undefined) {
      showPayload(datagram, payloadAt, payloadOriginal, inner)
      if (this.#isDoubtful(datagram, outer, header)) return IN_DOUBT
    }

    if (inner.linkType === LINKTYPE_RAW) {
      const middle = this.#middle
      const middleFault = parseFrame(
        datagram.bytes,
        payloadAt,
        datagram.end,
        LINKTYPE_RAW,
        payloadOriginal,
        middle,
      )
      if (
        middleFault === undefined &&
        middle.ipVersion !== 0 &&
        middle.protocol === PROTOCOL_UDP &&
        middle.dstPort === this.#vxlanPort
      ) {
        const insideFault = this.#openMiddle(datagram, middle)
        if (insideFault !== IN_DOUBT) return insideFault
        // Other traffic to that port, which was mirrored without a tunnel.
        this.#ledger.inDoubt++
        inner.linkType = LINKTYPE_RAW
      }
    }
    showPayload(datagram, payloadAt, payloadOriginal, inner)
    this.#deliver(datagram, header.vni)
    return undefined
  }

  /** Opens what a Gateway Load Balancer wraps: the packet from the mirrored interface to the endpoint. */
  #openMiddle(datagram: Datagram, middle: Frame): Fault | typeof IN_DOUBT | undefined {
    const inside = this.#inside
    inside.seconds = datagram.seconds
    inside.nanoseconds = datagram.nanoseconds
    if (!payloadOf(middle, inside)) return 'vxlan-truncated'
    sourceOf(middle, inside)
    inside.sourcePort = middle.srcPort
    const ipEnd = middle.ipAt + middle.ipLength
    const missing = ipEnd > datagram.end ? ipEnd - datagram.end : 0
    return this.#openVxlan(inside, inside.end - inside.start + missing, middle)
  }

  /** Whether `#inner` is not to be unwrapped from the headers `outer` and `header`. */
  #isDoubtful(
    datagram: Datagram,
    outer: Frame,
    header: { readonly vni: number; readonly reserved: boolean },
  ): boolean {
    const { reserved, vni } = header
    if (!reserved && this.#conversations.isEmpty) return false
    const isAnswer = this.#conversations.isAnswer(outer, datagram.seconds)
    if (makesSense(this.#inner)) return reserved && isAnswer
    return isAnswer || (reserved && this.#sessions.find(datagram, vni) === undefined)
  }

  /** Passes `#inner` to the session of the datagram's source and `vni`. */
  #deliver(datagram: Datagram, vni: number): void {
    if (this.#vnis !== undefined && !this.#vnis.has(vni)) {
      this.#ledger.filtered++
      return
    }
    let session = this.#sessions.find(datagram, vni)
    if (session === undefined) {
      if (!this.#acceptUnknown) {
        this.#ledger.unknownSession++
        return
      }
      session = this.#sessions.open(datagram, vni)
      if (session === undefined) {
        this.#ledger.unknownSession++
        this.#ledger.noRoom++
        return
      }
    }
    session.counters.noteOuterPort(datagram.sourcePort)
    const inner = this.#inner
    inner.seconds = datagram.seconds
    inner.nanoseconds = datagram.nanoseconds
    this.#pipeline.accept(session, inner, this.#sessions.others)
  }
}

function isUdpFragment({ ipVersion, fragment, protocol }: Frame): boolean {
  return ipVersion !== 0 && fragment !== FRAGMENT_NONE && protocol === PROTOCOL_UDP
}

function ipEndOf({ ipAt, ipLength }: Frame): number {
  return ipAt + ipLength
}

/** The link type of what GENEVE carries; undefined if that is neither a frame nor IP. */
function linkTypeOf(protocol: number): number | undefined {
  if (protocol === ETHERTYPE_TRANSPARENT_BRIDGING) return LINKTYPE_ETHERNET
  return protocol === ETHERTYPE_IPV4 || protocol === ETHERTYPE_IPV6 ? LINKTYPE_RAW : undefined
}

/** Finds the UDP payload of `frame`; false if there is none. */
function payloadOf(frame: Frame, out: Datagram): boolean {
  const at = frame.transportAt
  if (at === ABSENT || frame.fragment === FRAGMENT_LATER) return false
  const ipEnd = frame.ipAt + frame.ipLength
  let end = ipEnd < frame.end ? ipEnd : frame.end
  if (end - at < UDP_HEADER_LEN) return false
  // Bytes beyond the UDP length are not payload. In a first fragment that length includes later fragments.
  const udpEnd = at + u16(frame.bytes, at + UDP_LENGTH)
  if (udpEnd >= at + UDP_HEADER_LEN && udpEnd < end) end = udpEnd
  out.bytes = frame.bytes
  out.start = at + UDP_HEADER_LEN
  out.end = end
  return true
}

/** Sets `out` to the part of a datagram from `at` on, which had `originalLength` bytes on the wire. */
function showPayload(datagram: Datagram, at: number, originalLength: number, out: Packet): void {
  out.bytes = datagram.bytes
  out.start = at
  out.end = datagram.end
  out.originalLength = originalLength
}

/** Sets the source address of `out` to that of `frame`. */
function sourceOf(frame: Frame, out: Datagram): void {
  const { bytes, srcAt } = frame
  const v6 = frame.ipVersion === 6
  out.source0 = v6 ? u32(bytes, srcAt) : 0
  out.source1 = v6 ? u32(bytes, srcAt + 4) : 0
  out.source2 = v6 ? u32(bytes, srcAt + 8) : MAPPED_WORD
  out.source3 = u32(bytes, v6 ? srcAt + 12 : srcAt)
}
