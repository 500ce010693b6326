import { MAPPED_WORD } from '../wire/address.js'
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_TRANSPARENT_BRIDGING } from '../wire/ethernet.js'
import type { Fault } from '../wire/fault.js'
import { ABSENT, FRAGMENT_LATER, Frame } from '../wire/frame.js'
import { GENEVE_PORT, Geneve, parseGeneve } from '../wire/geneve.js'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../wire/link-type.js'
import { u16, u32 } from '../wire/octets.js'
import { Datagram, Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import { PROTOCOL_UDP } from '../wire/protocol.js'
import { UDP_HEADER_LEN, UDP_LENGTH } from '../wire/udp.js'
import { parseVxlan, VXLAN_HEADER_LEN, VXLAN_PORT } from '../wire/vxlan.js'
import type { Ledger } from './ledger.js'
import type { Pipeline } from './pipeline.js'
import { Session } from './session.js'
import type { SessionDirectory } from './session-directory.js'
import { Conversations, makesSense } from './tunnel-doubt.js'

export interface DemuxOptions {
  ledger: Ledger
  sessions: SessionDirectory
  pipeline: Pipeline
  /** What to do with sessions that are not open yet. */
  unknownSessions?: 'accept' | 'drop'
  /** Take these VNIs only; others are filtered. */
  vnis?: ReadonlySet<number>
  /** For packets of a capture file: take off one mirror layer, or leave them as they are. */
  decap?: 'auto' | 'none'
  /** UDP destination ports that announce an encapsulation inside capture files and GENEVE. */
  vxlanPort?: number
  genevePort?: number
}

/** In place of a fault: it can be read as a tunnel, and is none, or it is not sure that it is. */
const IN_DOUBT = 'in-doubt'

/**
 * Takes exactly one mirror layer off: VXLAN, or GENEVE with the VXLAN inside it
 * as a Gateway Load Balancer sends it, or GENEVE alone. Sends what was inside to
 * the session that outer source and VNI name. What a mirrored frame itself
 * contains is never unwrapped.
 *
 * Where only the port speaks for a tunnel, in a capture file or for VXLAN inside
 * GENEVE, a datagram stays what it is when reserved bits of its header are set and
 * the frame inside makes no sense, unless a session of its source and VNI is open;
 * and when its conversation is one with a client at that port, unless no reserved
 * bit is set and the frame makes sense.
 */
export class Demux {
  /** Packets of a capture file that were not mirrored. */
  readonly unmirrored = new Session(0, null, null)

  readonly #ledger: Ledger
  readonly #sessions: SessionDirectory
  readonly #pipeline: Pipeline
  readonly #acceptUnknown: boolean
  readonly #vnis: ReadonlySet<number> | undefined
  readonly #decap: boolean
  readonly #vxlanPort: number
  readonly #genevePort: number

  readonly #vxlan = { vni: 0, reserved: false }
  readonly #geneve = new Geneve()
  readonly #conversations = new Conversations()
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
    const fault = this.#openVxlan(datagram, datagram.end - datagram.start, undefined)
    if (fault !== undefined && fault !== IN_DOUBT) this.#ledger.malformed[fault]++
  }

  /** Takes a datagram that came to the GENEVE port. */
  acceptGeneve(datagram: Datagram): void {
    this.#ledger.received++
    if (datagram.cut) this.#ledger.cutDatagrams++
    const fault = this.#openGeneve(datagram, datagram.end - datagram.start, undefined)
    if (fault !== undefined && fault !== IN_DOUBT) this.#ledger.malformed[fault]++
  }

  /** Takes a packet of a capture file: unwrapped when it was mirrored, as it is when not. */
  acceptPacket(packet: Packet): void {
    this.#ledger.received++
    const outer = this.#outer
    const fault = parseFrame(
      packet.bytes,
      packet.start,
      packet.end,
      packet.linkType,
      packet.originalLength,
      outer,
    )
    if (
      this.#decap &&
      fault === undefined &&
      outer.ipVersion !== 0 &&
      outer.protocol === PROTOCOL_UDP
    ) {
      if (this.#isTunnelPort(outer.dstPort)) {
        if (this.#unwrap(packet, outer)) return
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

  /** Opens the UDP payload of `outer`; false when it is no mirrored packet after all. */
  #unwrap(packet: Packet, outer: Frame): boolean {
    const datagram = this.#datagram
    if (!payloadOf(outer, datagram)) return false
    sourceOf(outer, datagram)
    datagram.sourcePort = outer.srcPort
    datagram.seconds = packet.seconds
    datagram.nanoseconds = packet.nanoseconds
    datagram.cut = false
    this.#inner.timed = packet.timed
    // The whole of it was as much longer as the packet was.
    const ipEnd = outer.ipAt + outer.ipLength
    const missing = ipEnd > packet.end ? ipEnd - packet.end : 0
    const original = datagram.end - datagram.start + missing
    const fault =
      outer.dstPort === this.#vxlanPort
        ? this.#openVxlan(datagram, original, outer)
        : this.#openGeneve(datagram, original, outer)
    if (fault === IN_DOUBT) this.#ledger.inDoubt++
    return fault === undefined
  }

  /**
   * `original`: bytes the datagram had on the wire. `outer`: its headers, where nothing
   * but the port speaks for a tunnel; undefined at a port of ours.
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
    inner.linkType = LINKTYPE_RAW
    if (header.protocol === ETHERTYPE_TRANSPARENT_BRIDGING) inner.linkType = LINKTYPE_ETHERNET
    else if (header.protocol !== ETHERTYPE_IPV4 && header.protocol !== ETHERTYPE_IPV6) {
      return 'geneve-protocol'
    }
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
        // Something else to that port; it was mirrored as it is.
        this.#ledger.inDoubt++
        inner.linkType = LINKTYPE_RAW
      }
    }
    showPayload(datagram, payloadAt, payloadOriginal, inner)
    this.#deliver(datagram, header.vni)
    return undefined
  }

  /** What a Gateway Load Balancer wraps: the packet from the mirrored interface to the endpoint. */
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

  /** Whether `#inner` is to stay in what brought it, whose headers are `outer` and `header`. */
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

  /** Hands `#inner` to its session, whose key is the datagram's source and `vni`. */
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
    }
    const inner = this.#inner
    inner.seconds = datagram.seconds
    inner.nanoseconds = datagram.nanoseconds
    this.#pipeline.accept(session, inner, this.#sessions.others)
  }
}

/** Sets where the UDP payload of `frame` lies; false when there is none to see. */
function payloadOf(frame: Frame, out: Datagram): boolean {
  const at = frame.transportAt
  if (at === ABSENT || frame.fragment === FRAGMENT_LATER) return false
  const ipEnd = frame.ipAt + frame.ipLength
  let end = ipEnd < frame.end ? ipEnd : frame.end
  if (end - at < UDP_HEADER_LEN) return false
  // What the UDP length leaves out is no payload; in a first fragment it counts parts yet to come.
  const udpEnd = at + u16(frame.bytes, at + UDP_LENGTH)
  if (udpEnd >= at + UDP_HEADER_LEN && udpEnd < end) end = udpEnd
  out.bytes = frame.bytes
  out.start = at + UDP_HEADER_LEN
  out.end = end
  return true
}

/** Sets `out` to what of a datagram begins at `at`, and had `originalLength` bytes on the wire. */
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
