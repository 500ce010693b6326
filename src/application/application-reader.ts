import { u8, u32 } from '../wire/bytes.js'
import { ABSENT, FRAGMENT_LATER, type Frame } from '../wire/frame.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import {
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_HEADER_LEN,
  TCP_RST,
  TCP_SEQUENCE,
  TCP_SYN,
} from '../wire/tcp.js'
import { UDP_HEADER_LEN, UDP_LENGTH } from '../wire/udp.js'
import type { ApplicationSink } from './application-sink.js'
import { looksLikeHelo, parseBanner } from './banner.js'
import { ByteRanges } from './byte-ranges.js'
import {
  DNS_PORT,
  type DnsMessage,
  isPlainDns,
  LLMNR_PORT,
  looksLikeDns,
  MDNS_PORT,
  parseDns,
} from './dns.js'
import { DnsStreams } from './dns-streams.js'
import { type Ends, endsOf, type Moment } from './ends.js'
import { looksLikeHttp, parseHttp, SSDP_PORT } from './http.js'
import { KERBEROS_PORT, parseKerberos, parseKerberosStream } from './kerberos.js'
import { NETBIOS_NAME_PORT, parseNetbiosName } from './netbios-name.js'
import {
  clientInitialKeys,
  decryptInitial,
  eachCryptoFrame,
  type InitialKeys,
  looksLikeInitial,
  parseInitial,
} from './quic.js'
import { NETBIOS_SESSION_PORT, parseSmb, SMB_PORT } from './smb.js'
import { StreamSlots } from './stream-slots.js'
import { HANDSHAKE_HEADER_LEN, looksLikeHello, parseHandshake, parseHello } from './tls.js'

/** Streams whose first bytes are awaited or reassembled. */
const STREAMS = 4096
/** After this many seconds they are read as far as they came, if `expire` is called. */
const WAITING_SECONDS = 60
/** The most bytes of each, and of the handshake of a QUIC connection: 32 MiB in all. */
const HEAD_MAX = 8192
/** QUIC connections with an incomplete hello. */
const QUIC_CONNECTIONS = 1024
/** After this many seconds, an Initial packet belongs to another connection. */
const QUIC_HANDSHAKE_SECONDS = 30
/** The most QUIC packets that are read in one datagram. */
const COALESCED_MAX = 4

/** A stream whose first bytes are incomplete. */
interface StreamHead {
  /** Sequence number of its first byte. */
  readonly first: number
  /** When its first segment came. */
  readonly seconds: number
  readonly ranges: ByteRanges
  /** Time of the segment with the first byte. */
  ends: Ends | undefined
  /** Some of it was not captured, so that it will never be complete. */
  isCut: boolean
}

interface QuicHandshake {
  /** Time of the packet that began it. */
  readonly ends: Ends
  readonly version: number
  readonly keys: InitialKeys
  readonly ranges: ByteRanges
  /** Whether its hello has been reported. */
  isTold: boolean
}

/** What could not be read. */
export interface ApplicationLosses {
  /** Streams that were given up for others before their first bytes were complete. */
  readonly displaced: number
}

/**
 * Reads application data: messages in datagrams, and the first messages of TCP streams, also if they
 * take several segments. Keeps no stream longer than that.
 */
export class ApplicationReader {
  readonly #sink: ApplicationSink
  readonly #heads: StreamSlots<StreamHead>
  readonly #handshakes: StreamSlots<QuicHandshake>
  readonly #dnsStreams: DnsStreams | undefined
  readonly #asksStreams: boolean

  constructor(sink: ApplicationSink) {
    this.#sink = sink
    this.#heads = new StreamSlots(STREAMS, (head) => this.#giveUp(head))
    this.#handshakes = new StreamSlots(QUIC_CONNECTIONS, (handshake) =>
      this.#tellQuic(handshake, true),
    )
    this.#dnsStreams = sink.dns && new DnsStreams()
    this.#asksStreams = (sink.tls ?? sink.http ?? sink.banner ?? sink.kerberos) !== undefined
  }

  get losses(): ApplicationLosses {
    const { displaced } = this.#heads
    const ofDns = this.#dnsStreams?.displaced ?? 0
    return { displaced: displaced + this.#handshakes.displaced + ofDns }
  }

  /** Takes a packet without a fault. */
  read(frame: Frame, session: number, moment: Moment): void {
    const at = frame.transportAt
    if (frame.ipVersion === 0 || at === ABSENT || frame.fragment === FRAGMENT_LATER) return
    if (frame.protocol === PROTOCOL_TCP) this.#readSegment(frame, at, session, moment)
    else if (frame.protocol === PROTOCOL_UDP) this.#readDatagram(frame, at, session, moment)
  }

  /** At the time `seconds`: reads streams that have waited for too long as far as they came. */
  expire(seconds: number): void {
    const isOver = (since: number) => Math.abs(seconds - since) > WAITING_SECONDS
    this.#heads.takeIf(
      (head) => isOver(head.seconds),
      (head) => this.#giveUp(head),
    )
    this.#handshakes.takeIf(
      ({ ends }) => isOver(ends.seconds),
      (handshake) => this.#tellQuic(handshake, true),
    )
  }

  /** After the last packet: reads all waiting streams as far as they came. */
  end(): void {
    this.#heads.drain((head) => this.#giveUp(head))
    this.#handshakes.drain((handshake) => this.#tellQuic(handshake, true))
  }

  #readDatagram(frame: Frame, at: number, session: number, moment: Moment): void {
    const start = at + UDP_HEADER_LEN
    const { bytes, srcPort, dstPort } = frame
    let end = endOf(frame)
    if (end <= start) return
    const byHeader = at + ((u8(bytes, at + UDP_LENGTH) << 8) | u8(bytes, at + UDP_LENGTH + 1))
    if (byHeader > start && byHeader < end) end = byHeader
    if (isDnsPort(srcPort) || isDnsPort(dstPort)) {
      if (this.#sink.dns === undefined) return
      const message = parseDns(bytes, start, end)
      if (message !== undefined) this.#sink.dns(endsOf(frame, session, moment), message)
    } else if (srcPort === NETBIOS_NAME_PORT || dstPort === NETBIOS_NAME_PORT) {
      const message = this.#sink.dns && parseNetbiosName(bytes, start, end)
      if (message !== undefined) this.#sink.dns!(endsOf(frame, session, moment), message)
    } else if (srcPort === KERBEROS_PORT || dstPort === KERBEROS_PORT) {
      const message = this.#sink.kerberos && parseKerberos(bytes, start, end)
      if (message !== undefined) this.#sink.kerberos!(endsOf(frame, session, moment), message)
    } else if (srcPort === SSDP_PORT || dstPort === SSDP_PORT) {
      const head = this.#sink.http && parseHttp(bytes, start, end, true)
      // A datagram is a message, and is not retransmitted.
      if (typeof head === 'object')
        this.#sink.http!(endsOf(frame, session, moment), head, undefined)
    } else if (this.#sink.quic !== undefined && looksLikeInitial(bytes, start, end)) {
      this.#readQuic(frame, start, end, session, moment)
    } else if (this.#sink.dns !== undefined && looksLikeDns(bytes, start, end)) {
      const message = parseDns(bytes, start, end)
      if (message !== undefined && isPlainDns(message)) {
        this.#sink.dns(endsOf(frame, session, moment), message)
      }
    }
  }

  #readSegment(frame: Frame, at: number, session: number, moment: Moment): void {
    const { bytes, tcpFlags, srcPort, dstPort } = frame
    const end = endOf(frame)
    if (end - at < TCP_HEADER_LEN) return
    const start = at + (u8(bytes, at + TCP_DATA_OFFSET) >>> 4) * 4
    const isDns = srcPort === DNS_PORT || dstPort === DNS_PORT
    if (isDns) {
      this.#readDnsSegment(frame, at, start, end, session, moment)
      return
    }
    if (isSmbPort(srcPort) || isSmbPort(dstPort)) {
      const message = this.#sink.smb && start < end ? parseSmb(bytes, start, end) : undefined
      if (message !== undefined) this.#sink.smb!(endsOf(frame, session, moment), message)
      return
    }
    let sequence = u32(bytes, at + TCP_SEQUENCE)
    if ((tcpFlags & TCP_SYN) !== 0) {
      // A SYN takes a sequence number; data may follow it (RFC 7413).
      sequence = (sequence + 1) >>> 0
      if (this.#asksStreams) this.#open(frame, sequence, session, moment.seconds)
      if (start >= end) return
    }
    if (start >= end) {
      if ((tcpFlags & (TCP_FIN | TCP_RST)) !== 0) this.#close(frame, session)
      return
    }
    if (!this.#asksStreams) return
    const head = this.#heads.find(frame, session, false)
    if (head === undefined) {
      this.#readAlone(frame, start, end, sequence, session, moment)
      return
    }
    const offset = (sequence - head.first) | 0
    if (offset < 0 || offset >= HEAD_MAX) {
      // Not the segment that is awaited: it is of a later connection, or far behind a loss.
      if (offset < 0 && offset + end - start <= 0) return
      this.#heads.delete(frame, session, false)
      this.#giveUp(head)
      this.#readAlone(frame, start, end, sequence, session, moment)
      return
    }
    if (offset === 0) {
      head.ends = endsOf(frame, session, moment)
      // Nearly always the segment has the whole message.
      if (head.ranges.length === 0) {
        const isCut = isCutShort(frame)
        if (this.#tell(head.ends, sequence, bytes, start, end, isCut) !== 'more') {
          this.#heads.delete(frame, session, false)
          return
        }
      }
    }
    head.isCut ||= isCutShort(frame)
    head.ranges.add(offset, bytes, start, end)
    this.#tryHead(head, frame, session)
  }

  #readDnsSegment(
    frame: Frame,
    at: number,
    start: number,
    end: number,
    session: number,
    moment: Moment,
  ): void {
    const streams = this.#dnsStreams
    if (streams === undefined) return
    const { bytes, tcpFlags } = frame
    let sequence = u32(bytes, at + TCP_SEQUENCE)
    if ((tcpFlags & TCP_SYN) !== 0) {
      sequence = (sequence + 1) >>> 0
      streams.open(frame, session, sequence)
    }
    if (start < end) {
      const tell = (message: DnsMessage) => this.#sink.dns!(endsOf(frame, session, moment), message)
      streams.read(frame, start, end, sequence, isCutShort(frame), session, tell)
    }
    if ((tcpFlags & (TCP_FIN | TCP_RST)) !== 0) streams.close(frame, session)
  }

  /** Takes the start of a stream. Its first byte has the number `first`. */
  #open(frame: Frame, first: number, session: number, seconds: number): void {
    const before = this.#heads.find(frame, session, false)
    if (before !== undefined) {
      if (before.first === first) return
      this.#giveUp(before)
    }
    this.#heads.put(frame, session, false, newHead(first, seconds))
  }

  #close(frame: Frame, session: number): void {
    const head = this.#heads.find(frame, session, false)
    if (head === undefined) return
    this.#heads.delete(frame, session, false)
    this.#giveUp(head)
  }

  /** Takes a segment of a stream that is not awaited. */
  #readAlone(
    frame: Frame,
    start: number,
    end: number,
    sequence: number,
    session: number,
    moment: Moment,
  ): void {
    const { bytes, srcPort, dstPort } = frame
    const isOfKerberos = srcPort === KERBEROS_PORT || dstPort === KERBEROS_PORT
    if (!isOfKerberos && !mayBegin(bytes, start, end)) return
    const ends = endsOf(frame, session, moment)
    const isCut = isCutShort(frame)
    if (this.#tell(ends, sequence, bytes, start, end, isCut) !== 'more') return
    const head = newHead(sequence, moment.seconds)
    head.ends = ends
    head.ranges.add(0, bytes, start, end)
    this.#heads.put(frame, session, false, head)
  }

  #tryHead(head: StreamHead, frame: Frame, session: number): void {
    const { ranges, ends, first } = head
    const { length } = ranges
    if (length === 0 || ends === undefined) return
    const isAll = head.isCut || ranges.isFull
    if (this.#tell(ends, first, ranges.bytes, 0, length, isAll) === 'more') return
    this.#heads.delete(frame, session, false)
  }

  #giveUp({ ends, ranges, first }: StreamHead): void {
    if (ends === undefined || ranges.length === 0) return
    this.#tell(ends, first, ranges.bytes, 0, ranges.length, true)
  }

  /** Reports what a stream begins with. `more`: more bytes are needed to tell what it is. */
  #tell(
    ends: Ends,
    sequence: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isAll: boolean,
  ): 'more' | undefined {
    const sink = this.#sink
    if (ends.sourcePort === KERBEROS_PORT || ends.destinationPort === KERBEROS_PORT) {
      const message = sink.kerberos && parseKerberosStream(bytes, start, end, isAll)
      if (message === 'more') return message
      if (message !== undefined) sink.kerberos!(ends, message)
      return undefined
    }
    if (looksLikeHello(bytes, start, end)) {
      if (sink.tls === undefined) return undefined
      const hello = parseHello(bytes, start, end, isAll)
      if (hello === 'more') return hello
      if (hello !== undefined) sink.tls(ends, hello)
      return undefined
    }
    if (!looksLikeHelo(bytes, start, end) && looksLikeHttp(bytes, start, end)) {
      if (sink.http === undefined) return undefined
      const head = parseHttp(bytes, start, end, isAll)
      if (head === 'more') return head
      if (head !== undefined) sink.http(ends, head, sequence)
      return undefined
    }
    if (sink.banner === undefined) return undefined
    const banner = parseBanner(bytes, start, end, isAll, ends.sourcePort)
    if (banner === 'more') return banner
    if (banner !== undefined) sink.banner(ends, banner)
    return undefined
  }

  #readQuic(frame: Frame, start: number, end: number, session: number, moment: Moment): void {
    // The Initial packets of a server are protected with the connection id that its client chose.
    if (this.#handshakes.find(frame, session, true) !== undefined) return
    const { bytes } = frame
    let handshake = this.#handshakes.find(frame, session, false)
    if (handshake?.isTold === true) {
      if (Math.abs(moment.seconds - handshake.ends.seconds) < QUIC_HANDSHAKE_SECONDS) return
      handshake = undefined
    }
    let at = start
    for (let packets = 0; packets < COALESCED_MAX; packets++) {
      const header = parseInitial(bytes, at, end)
      if (header === undefined) return
      let frames = handshake && decryptInitial(bytes, header, end, handshake.keys)
      if (frames === undefined) {
        const keys = clientInitialKeys(header.version, header.destinationId)
        frames = keys && decryptInitial(bytes, header, end, keys)
        if (keys === undefined || frames === undefined) return
        const { version } = header
        const ends = endsOf(frame, session, moment)
        handshake = { ends, version, keys, ranges: new ByteRanges(HEAD_MAX), isTold: false }
        this.#handshakes.put(frame, session, false, handshake)
      }
      const { ranges } = handshake!
      const plain = frames
      eachCryptoFrame(plain, (offset, from, to) => ranges.add(offset, plain, from, to))
      if (this.#tellQuic(handshake!, header.end > end || ranges.isFull)) return
      at = header.end
    }
  }

  /** Whether everything was reported. `isAll`: no more will come. */
  #tellQuic(handshake: QuicHandshake, isAll: boolean): boolean {
    const { ranges, ends, version, isTold } = handshake
    const { length } = ranges
    if (isTold) return true
    if (length < HANDSHAKE_HEADER_LEN && !isAll) return false
    const hello = parseHandshake(ranges.bytes, 0, length)
    if (hello?.type === 'client' && !hello.isWhole && !isAll) return false
    handshake.isTold = true
    if (hello?.type === 'client') this.#sink.quic!(ends, version, hello)
    return true
  }
}

function newHead(first: number, seconds: number): StreamHead {
  return { first, seconds, ranges: new ByteRanges(HEAD_MAX), ends: undefined, isCut: false }
}

function isSmbPort(port: number): boolean {
  return port === SMB_PORT || port === NETBIOS_SESSION_PORT
}

function isDnsPort(port: number): boolean {
  return port === DNS_PORT || port === MDNS_PORT || port === LLMNR_PORT
}

/** The end of the IP packet, as far as it was captured. Bytes after it are padding. */
function endOf(frame: Frame): number {
  const ipEnd = frame.ipAt + frame.ipLength
  return ipEnd < frame.end ? ipEnd : frame.end
}

function isCutShort(frame: Frame): boolean {
  return frame.ipAt + frame.ipLength > frame.end
}

/** Whether a segment in the middle of a stream may be the first of a message. */
function mayBegin(bytes: Uint8Array, start: number, end: number): boolean {
  const first = u8(bytes, start)
  if (first === 0x16) return end - start > 1 && u8(bytes, start + 1) === 3
  if (first >= 0x41 && first <= 0x5a) return true
  return first === 0x32
}
