import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  ADDRESS_B_REST,
  HASH,
  HOT_WORDS,
  KIND,
  KIND_IPV6,
  PORTS,
} from '../flow/flow-entry.js'
import { FlowHash } from '../flow/flow-hash.js'
import { u32 } from '../wire/bytes.js'
import { type Fragment, unfragmentHeader } from '../wire/fragment.js'
import { FRAGMENT_FIRST, type Frame } from '../wire/frame.js'
import { IPV6_HEADER_LEN } from '../wire/ipv6.js'
import { LINKTYPE_RAW } from '../wire/link-type.js'
import { Packet } from '../wire/packet.js'

/** Linux: net.ipv4.ipfrag_time, net.ipv6.ip6frag_time. Counted from the fragment that came first. */
const SECONDS_4 = 30
const SECONDS_6 = 60

/** Packets remembered by what their first fragment has shown; the one remembered first makes room. */
const ENTRIES_MAX = 4096
/** Memory for parts, as Linux's ipfrag_high_thresh; the packet begun first makes room. */
const BYTES_MAX = 4 * 1024 * 1024

/** Room in front of the parts for the packet's headers. */
const HEADROOM = 256
const FIRST_ROOM = 4096
/** Buffers kept for the next packets. */
const SPARE_MAX = 64
/** Longest IP packet there is. */
const LENGTH_MAX = 0xffff

/** What is known of a packet by its fragments so far. */
export const UNKNOWN = 0
/** Its first fragment is none of a tunnel. */
export const PLAIN = 1
export const TUNNEL = 2

const NOTHING = Buffer.alloc(0)

/** One packet in parts: addresses, identification and, in IPv4, protocol tell it from others. */
export class Parts {
  state = UNKNOWN
  version = 0
  protocol = 0
  id = 0
  readonly addresses = new Uint32Array(8)
  hash = 0
  /** Next of those with the same hash. */
  next: Parts | undefined = undefined
  /** When its first fragment to come came. */
  seconds = 0

  /** Payload at HEADROOM, the headers in front of it; of no length where no part is held. */
  buffer: Buffer = NOTHING
  /** Fragments in it. */
  count = 0
  /** Where the payload ends as far as known, and whether that is the end. */
  length = 0
  hasLast = false
  headerLength = 0
  readonly header = { headerLength: 0, nextHeaderAt: 0, protocol: 0 }
  /** Bytes held, and where what the file has of them first ends early. */
  held = 0
  cutAt = LENGTH_MAX
  /** Runs of parts that came one after the other, in their order: begin, end, begin, end … */
  readonly runs: number[] = []
}

/** Of fragments that could be of tunnels, in packets of a capture file; see Reassembly. */
export interface FragmentReport {
  /** Tunnel datagrams put together, and the fragments they were made of. */
  joined: number
  parts: number
  /** Fragments of tunnel datagrams whose other parts are missing, or were refused. */
  leftover: number
  /** Tunnel datagrams refused because parts of them overlap; their fragments are in `leftover`. */
  overlapping: number
  /** Fragments that brought again what was there. */
  repeated: number
  /** UDP fragments whose first never came, so that nobody knows what they are: passed on as they are. */
  unclaimed: number
}

export function noFragments(): FragmentReport {
  return { joined: 0, parts: 0, leftover: 0, overlapping: 0, repeated: 0, unclaimed: 0 }
}

/**
 * Puts tunnel datagrams together from fragments as Linux does before it gives them
 * to a receiver: in any order, within 30 seconds (IPv6: 60) of the first to come; a
 * part that lies within what is there is ignored, one that overlaps it has all of
 * the datagram dropped. All by the time of the packets.
 */
export class Reassembly {
  readonly #counts: FragmentReport
  readonly #byHash = new Map<number, Parts>()
  /** In the order they were begun. */
  readonly #all = new Set<Parts>()
  readonly #holding = new Set<Parts>()
  readonly #spareParts: Parts[] = []
  readonly #spareBuffers: Buffer[] = []
  readonly #joined = new Packet()
  readonly #hash = new FlowHash()
  /** Addresses, and in the place of ports what numbers the fragments. */
  readonly #key = new Uint32Array(HOT_WORDS)
  #bytes = 0

  constructor(counts: FragmentReport) {
    this.#counts = counts
    this.#joined.linkType = LINKTYPE_RAW
  }

  /** What is known of the packet that `frame` is a fragment of; undefined: nothing. */
  find(frame: Frame): Parts | undefined {
    let parts = this.#byHash.get(this.#hashOf(frame))
    while (parts !== undefined && !matches(parts, frame)) parts = parts.next
    return parts
  }

  /** The same as of now: made if there is none, and begun anew when its time is over. */
  findOrBegin(frame: Frame, seconds: number): Parts {
    let parts = this.find(frame)
    if (parts === undefined) {
      if (this.#all.size >= ENTRIES_MAX) this.#forget(this.#oldest(this.#all))
      parts = this.#spareParts.pop() ?? new Parts()
      this.#name(parts, frame)
    } else if (Math.abs(seconds - parts.seconds) > secondsFor(frame)) {
      this.#drop(parts)
      parts.state = UNKNOWN
      this.#all.delete(parts)
    } else {
      return parts
    }
    parts.seconds = seconds
    this.#all.add(parts)
    return parts
  }

  /** The first fragment has come and shown what it is a part of. */
  decide(parts: Parts, state: number, seconds: number): void {
    if (state !== TUNNEL) {
      this.#drop(parts)
      parts.seconds = seconds
    }
    parts.state = state
  }

  /**
   * Takes a fragment of a tunnel datagram. The last to come brings the whole, as a
   * packet without a link layer, with its own time. On loan until the next call.
   */
  add(
    parts: Parts,
    packet: Packet,
    frame: Frame,
    fragment: Fragment,
    seconds: number,
  ): Packet | undefined {
    const { offset, more } = fragment
    let end = offset + fragment.length
    if (more && (end & 7) !== 0) {
      // IPv4 leaves off what no other part can follow; IPv6 refuses it.
      if (frame.ipVersion === 6) return this.#refuse()
      end -= end & 7
    }
    if (end > LENGTH_MAX || fragment.headerLength > HEADROOM) return this.#refuse()
    if (parts.buffer.length === 0) this.#begin(parts, seconds)
    const contradicts = more ? parts.hasLast && end > parts.length : !endFits(parts, end)
    if (contradicts || end <= offset) {
      this.#drop(parts)
      return this.#refuse()
    }
    const fit = insertRun(parts.runs, offset, end)
    if (fit === REPEATED) {
      this.#counts.repeated++
      return undefined
    }
    if (fit === OVERLAPPING) {
      this.#counts.overlapping++
      this.#drop(parts)
      return this.#refuse()
    }
    this.#keep(parts, frame, fragment, end)
    parts.count++
    parts.held += end - offset
    if (!more) parts.hasLast = true
    if (end > parts.length) parts.length = end
    if (frame.fragment === FRAGMENT_FIRST) this.#keepHeader(parts, frame, fragment)
    if (!parts.hasLast || parts.held !== parts.length || parts.headerLength === 0) return undefined
    return this.#join(parts, packet)
  }

  /** Nothing more will come. */
  end(): void {
    while (this.#all.size > 0) this.#forget(this.#oldest(this.#all))
  }

  #begin(parts: Parts, seconds: number): void {
    parts.buffer = this.#spareBuffers.pop() ?? Buffer.allocUnsafeSlow(HEADROOM + FIRST_ROOM)
    this.#bytes += parts.buffer.length
    this.#holding.add(parts)
    // Another may have used the same identification before.
    parts.seconds = seconds
    this.#all.delete(parts)
    this.#all.add(parts)
    this.#makeRoom(parts)
  }

  /** Copies what the file has of the part. */
  #keep(parts: Parts, frame: Frame, { offset, dataAt }: Fragment, end: number): void {
    if (HEADROOM + end > parts.buffer.length) {
      const room = Math.max(2 * parts.buffer.length, HEADROOM + end)
      const larger = Buffer.allocUnsafeSlow(Math.min(room, HEADROOM + LENGTH_MAX))
      parts.buffer.copy(larger, 0, 0, HEADROOM + parts.length)
      this.#bytes += larger.length - parts.buffer.length
      parts.buffer = larger
      this.#makeRoom(parts)
    }
    const dataEnd = Math.max(dataAt, Math.min(dataAt + end - offset, frame.end))
    ;(frame.bytes as Buffer).copy(parts.buffer, HEADROOM + offset, dataAt, dataEnd)
    const captured = dataEnd - dataAt
    if (captured < end - offset) parts.cutAt = Math.min(parts.cutAt, offset + captured)
  }

  #keepHeader(parts: Parts, { bytes, ipAt }: Frame, fragment: Fragment): void {
    const { headerLength, nextHeaderAt, protocol } = fragment
    parts.headerLength = headerLength
    parts.header.headerLength = headerLength
    parts.header.nextHeaderAt = nextHeaderAt
    parts.header.protocol = protocol
    ;(bytes as Buffer).copy(parts.buffer, HEADROOM - headerLength, ipAt, ipAt + headerLength)
  }

  #join(parts: Parts, { seconds, nanoseconds, timed }: Packet): Packet | undefined {
    const { headerLength, length, buffer } = parts
    const counted = parts.version === 4 ? headerLength : headerLength - IPV6_HEADER_LEN
    if (counted + length > LENGTH_MAX) {
      this.#drop(parts)
      return undefined
    }
    const start = HEADROOM - headerLength
    unfragmentHeader(buffer, start, parts.header, parts.version, length)
    const joined = this.#joined
    joined.bytes = buffer
    joined.start = start
    joined.end = HEADROOM + Math.min(length, parts.cutAt)
    joined.originalLength = headerLength + length
    joined.seconds = seconds
    joined.nanoseconds = nanoseconds
    joined.timed = timed
    this.#counts.joined++
    this.#counts.parts += parts.count
    parts.count = 0
    this.#drop(parts)
    return joined
  }

  #refuse(): undefined {
    this.#counts.leftover++
    return undefined
  }

  /** Lets the oldest go until what is held fits, but for the one that is being filled. */
  #makeRoom(filled: Parts): void {
    while (this.#bytes > BYTES_MAX && this.#holding.size > 1) {
      const oldest = this.#oldest(this.#holding)
      if (oldest === filled) {
        this.#holding.delete(filled)
        this.#holding.add(filled)
      } else this.#drop(oldest)
    }
  }

  /** Gives up the parts that are held; what they are parts of is still known. */
  #drop(parts: Parts): void {
    this.#counts.leftover += parts.count
    const { buffer } = parts
    if (buffer.length === 0) return
    this.#bytes -= buffer.length
    this.#holding.delete(parts)
    const isFirstRoom = buffer.length === HEADROOM + FIRST_ROOM
    if (isFirstRoom && this.#spareBuffers.length < SPARE_MAX) this.#spareBuffers.push(buffer)
    parts.buffer = NOTHING
    parts.count = 0
    parts.length = 0
    parts.hasLast = false
    parts.headerLength = 0
    parts.held = 0
    parts.cutAt = LENGTH_MAX
    parts.runs.length = 0
  }

  #forget(parts: Parts): void {
    this.#drop(parts)
    this.#all.delete(parts)
    let other = this.#byHash.get(parts.hash)
    if (other === parts) {
      if (parts.next === undefined) this.#byHash.delete(parts.hash)
      else this.#byHash.set(parts.hash, parts.next)
    } else {
      while (other!.next !== parts) other = other!.next
      other!.next = parts.next
    }
    parts.next = undefined
    parts.state = UNKNOWN
    this.#spareParts.push(parts)
  }

  #oldest(of: ReadonlySet<Parts>): Parts {
    for (const parts of of) return parts
    throw new RangeError('none is left')
  }

  #name(parts: Parts, frame: Frame): void {
    const { bytes, srcAt, dstAt } = frame
    parts.version = frame.ipVersion
    parts.protocol = frame.protocol
    parts.id = frame.fragmentId
    for (let word = 0; word < wordsOf(frame); word++) {
      parts.addresses[word] = u32(bytes, srcAt + word * 4)
      parts.addresses[4 + word] = u32(bytes, dstAt + word * 4)
    }
    parts.hash = this.#hashOf(frame)
    parts.next = this.#byHash.get(parts.hash)
    this.#byHash.set(parts.hash, parts)
  }

  /** By a hash whose collisions nobody can choose: multiplicative ones have pairs that collide under every seed. */
  #hashOf(frame: Frame): number {
    const { bytes, srcAt, dstAt } = frame
    const key = this.#key
    key[ADDRESS_A] = u32(bytes, srcAt)
    key[ADDRESS_B] = u32(bytes, dstAt)
    key[PORTS] = frame.fragmentId
    key[KIND] = frame.ipVersion === 4 ? 1 : KIND_IPV6
    for (let word = 1; word < wordsOf(frame); word++) {
      key[ADDRESS_A_REST + word - 1] = u32(bytes, srcAt + word * 4)
      key[ADDRESS_B_REST + word - 1] = u32(bytes, dstAt + word * 4)
    }
    this.#hash.hash(key, 0)
    return key[HASH]! & 0x3fff_ffff
  }
}

function wordsOf({ ipVersion }: Frame): number {
  return ipVersion === 4 ? 1 : 4
}

export function secondsFor({ ipVersion }: Frame): number {
  return ipVersion === 4 ? SECONDS_4 : SECONDS_6
}

function matches(parts: Parts, frame: Frame): boolean {
  const { bytes, srcAt, dstAt } = frame
  if (parts.id !== frame.fragmentId || parts.version !== frame.ipVersion) return false
  for (let word = 0; word < wordsOf(frame); word++) {
    if (parts.addresses[word] !== u32(bytes, srcAt + word * 4)) return false
    if (parts.addresses[4 + word] !== u32(bytes, dstAt + word * 4)) return false
  }
  return true
}

/** Whether a last part that ends there agrees with what has come. */
function endFits(parts: Parts, end: number): boolean {
  return parts.hasLast ? end === parts.length : end >= parts.length
}

const INSERTED = 0
const REPEATED = 1
const OVERLAPPING = 2

/** Puts a part among the runs, as Linux's inet_frag_queue_insert does. */
function insertRun(runs: number[], begin: number, end: number): number {
  const lastEnd = runs.length === 0 ? -1 : runs[runs.length - 1]!
  if (begin === lastEnd) {
    runs[runs.length - 1] = end
    return INSERTED
  }
  if (begin > lastEnd) {
    runs.push(begin, end)
    return INSERTED
  }
  if (end > lastEnd) return OVERLAPPING
  // The first run that ends after the beginning of the part.
  let low = 0
  let high = runs.length / 2 - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (runs[2 * middle + 1]! > begin) high = middle
    else low = middle + 1
  }
  if (end <= runs[2 * low]!) {
    runs.splice(2 * low, 0, begin, end)
    return INSERTED
  }
  return begin >= runs[2 * low]! && end <= runs[2 * low + 1]! ? REPEATED : OVERLAPPING
}
