import type { PacketForward } from '../session/pipeline.js'
import type { Session } from '../session/session.js'
import { Packet } from '../wire/packet.js'

/**
 * Packets on their way out of a receiving thread: a ring of bytes between one who writes and one
 * who reads, in one thread or two. The writer never waits: what finds no room is counted, and is
 * gone for this reader.
 *
 * Sessions are announced in the ring before their first packet, so that a packet need not carry
 * their name. While nobody reads, nothing is written.
 */

/** Words of the head, before the ring: positions count bytes and wrap at 2^32. */
const WRITTEN = 0
const READ = 1
const LOST = 2
/** 0: nobody reads. Another number than before: a new reader, who knows of no session. */
const READER = 3
/** The last number that a reader had, also one in a thread that died. */
const LAST_READER = 4
const HEAD_LEN = 64

/** What begins at a multiple of 8. Every entry has its length, this included, and its kind. */
const ENTRY_HEAD_LEN = 32
const LENGTH = 0
const KIND = 1
const KIND_PAD = 0
const KIND_PACKET = 1
const KIND_SESSION = 2
/** Index of the session, of both kinds. */
const SESSION = 2
/** Of a packet. */
const KEPT = 3
const ORIGINAL_LENGTH = 4
const SECONDS = 5
const NANOSECONDS = 6
const LINK_TYPE = 7
/** Of a session: the lengths of its two texts, and its VNI plus one. */
const NAME_LEN = 3
const SOURCE_LEN = 4
const VNI = 5

/** Memory for a ring of at least this many bytes, 64 KiB or more; to be shared where two threads use it. */
export function ringMemory(bytes: number, isShared: true): SharedArrayBuffer
export function ringMemory(bytes: number, isShared: boolean): SharedArrayBuffer | ArrayBuffer
export function ringMemory(bytes: number, isShared: boolean): SharedArrayBuffer | ArrayBuffer {
  const length = HEAD_LEN + 2 ** Math.ceil(Math.log2(Math.max(bytes, 128 * 1024)))
  return isShared ? new SharedArrayBuffer(length) : new ArrayBuffer(length)
}

type Memory = SharedArrayBuffer | ArrayBuffer

/** Copies packets into a ring. */
export class PacketRingWriter implements PacketForward {
  readonly #head: Int32Array
  readonly #words: Uint32Array
  readonly #bytes: Buffer
  readonly #mask: number
  readonly #onWritten: (() => void) | undefined
  #written = 0
  /** How far it is known to be read. */
  #read = 0
  #reader = 0
  /** Sessions that the reader knows, by index, and the VNI it was told. */
  #known: (Session | undefined)[] = []
  #knownVnis: number[] = []

  /** `onWritten` is called after each entry; for who reads in the same thread. */
  constructor(memory: Memory, onWritten?: () => void) {
    this.#head = new Int32Array(memory, 0, HEAD_LEN / 4)
    this.#words = new Uint32Array(memory, HEAD_LEN)
    this.#bytes = Buffer.from(memory as ArrayBuffer, HEAD_LEN)
    this.#mask = this.#bytes.length - 1
    this.#onWritten = onWritten
    // One who died may have written before.
    this.#written = Atomics.load(this.#head, WRITTEN) >>> 0
    this.#read = Atomics.load(this.#head, READ) >>> 0
  }

  take(session: Session, packet: Packet, kept: number, originalLength: number): void {
    const reader = Atomics.load(this.#head, READER)
    if (reader === 0) return
    if (reader !== this.#reader) {
      this.#reader = reader
      this.#known = []
      this.#knownVnis = []
    }
    const { index } = session
    const isKnown = this.#known[index] === session && this.#knownVnis[index] === (session.vni ?? -1)
    const at = isKnown || this.#announce(session) ? this.#reserve(ENTRY_HEAD_LEN + kept) : -1
    if (at === -1) {
      Atomics.add(this.#head, LOST, 1)
      return
    }
    const words = this.#words
    const word = at >>> 2
    words[word + KIND] = KIND_PACKET
    words[word + SESSION] = index
    words[word + KEPT] = kept
    words[word + ORIGINAL_LENGTH] = originalLength
    words[word + SECONDS] = packet.seconds
    words[word + NANOSECONDS] = packet.nanoseconds
    words[word + LINK_TYPE] = packet.linkType
    // A Buffer underneath; its copy makes no view of what it copies.
    ;(packet.bytes as Buffer).copy(
      this.#bytes,
      at + ENTRY_HEAD_LEN,
      packet.start,
      packet.start + kept,
    )
    this.#publish(words[word + LENGTH]!)
  }

  #announce(session: Session): boolean {
    const name = Buffer.from(session.name ?? '')
    const source = Buffer.from(session.sourceText ?? '')
    const at = this.#reserve(ENTRY_HEAD_LEN + name.length + source.length)
    if (at === -1) return false
    const word = at >>> 2
    this.#words[word + KIND] = KIND_SESSION
    this.#words[word + SESSION] = session.index
    this.#words[word + NAME_LEN] = name.length
    this.#words[word + SOURCE_LEN] = source.length
    this.#words[word + VNI] = (session.vni ?? -1) + 1
    name.copy(this.#bytes, at + ENTRY_HEAD_LEN)
    source.copy(this.#bytes, at + ENTRY_HEAD_LEN + name.length)
    this.#publish(this.#words[word + LENGTH]!)
    this.#known[session.index] = session
    this.#knownVnis[session.index] = session.vni ?? -1
    return true
  }

  /** Where an entry of this many bytes, its head included, is to be written; -1 where there is no room. */
  #reserve(bytes: number): number {
    const length = (bytes + 7) & ~7
    const size = this.#mask + 1
    if (length > size) return -1
    const at = this.#written & this.#mask
    const pad = at + length > size ? size - at : 0
    if (size - ((this.#written - this.#read) >>> 0) < length + pad) {
      this.#read = Atomics.load(this.#head, READ) >>> 0
      if (size - ((this.#written - this.#read) >>> 0) < length + pad) return -1
    }
    if (pad > 0) {
      this.#words[(at >>> 2) + LENGTH] = pad
      this.#words[(at >>> 2) + KIND] = KIND_PAD
      this.#written = (this.#written + pad) >>> 0
    }
    const start = pad > 0 ? 0 : at
    this.#words[(start >>> 2) + LENGTH] = length
    return start
  }

  #publish(length: number): void {
    this.#written = (this.#written + length) >>> 0
    Atomics.store(this.#head, WRITTEN, this.#written | 0)
    this.#onWritten?.()
  }
}

/** The mirror session of a packet. */
export interface PacketSession {
  /** `tms-…`, or `vni-<VNI>_<source>`; null for packets that were not mirrored. */
  readonly name: string | null
  /** VXLAN network identifier, 24 bits; null for packets that were not mirrored. */
  readonly vni: number | null
  /** Outer source address: the mirrored interface. */
  readonly source: string | null
}

const UNKNOWN: PacketSession = { name: null, vni: null, source: null }

/** A packet as it was mirrored, cut to the packet length of its session, with the session. */
export class MirroredPacket extends Packet {
  session: PacketSession = UNKNOWN

  /** The same in memory of its own: a packet to keep. */
  override copy(): MirroredPacket {
    return Object.assign(new MirroredPacket(), super.copy())
  }
}

/** Reads a ring. */
export class PacketRingReader {
  readonly #head: Int32Array
  readonly #words: Uint32Array
  readonly #bytes: Buffer
  readonly #mask: number
  readonly #packet = new MirroredPacket()
  readonly #sessions: PacketSession[] = []
  #read = 0
  #lostBefore = 0

  constructor(memory: Memory) {
    this.#head = new Int32Array(memory, 0, HEAD_LEN / 4)
    this.#words = new Uint32Array(memory, HEAD_LEN)
    this.#bytes = Buffer.from(memory as ArrayBuffer, HEAD_LEN)
    this.#mask = this.#bytes.length - 1
    this.#packet.bytes = this.#bytes
  }

  /** From now on packets are written, and those that find no room are counted. */
  begin(): void {
    this.#read = Atomics.load(this.#head, WRITTEN) >>> 0
    this.#lostBefore = Atomics.load(this.#head, LOST) >>> 0
    Atomics.store(this.#head, READ, this.#read | 0)
    const reader = (Atomics.load(this.#head, LAST_READER) % 0x7fff_ffff) + 1
    Atomics.store(this.#head, LAST_READER, reader)
    Atomics.store(this.#head, READER, reader)
  }

  /** Nothing is written any more. */
  end(): void {
    Atomics.store(this.#head, READER, 0)
  }

  /** Packets that found no room since `begin`. */
  get lost(): number {
    return ((Atomics.load(this.#head, LOST) >>> 0) - this.#lostBefore) >>> 0
  }

  /** The next packet, on loan until the next call; undefined when there is none now. */
  shift(): MirroredPacket | undefined {
    // What was lent before is given back.
    Atomics.store(this.#head, READ, this.#read | 0)
    const written = Atomics.load(this.#head, WRITTEN) >>> 0
    while (this.#read !== written) {
      const at = this.#read & this.#mask
      const word = at >>> 2
      const kind = this.#words[word + KIND]!
      this.#read = (this.#read + this.#words[word + LENGTH]!) >>> 0
      if (kind === KIND_PACKET) return this.#packetAt(at)
      if (kind === KIND_SESSION) this.#learn(at)
    }
    return undefined
  }

  #packetAt(at: number): MirroredPacket {
    const words = this.#words
    const word = at >>> 2
    const packet = this.#packet
    packet.start = at + ENTRY_HEAD_LEN
    packet.end = packet.start + words[word + KEPT]!
    packet.originalLength = words[word + ORIGINAL_LENGTH]!
    packet.seconds = words[word + SECONDS]!
    packet.nanoseconds = words[word + NANOSECONDS]!
    packet.linkType = words[word + LINK_TYPE]!
    packet.session = this.#sessions[words[word + SESSION]!] ?? UNKNOWN
    return packet
  }

  #learn(at: number): void {
    const words = this.#words
    const word = at >>> 2
    const nameAt = at + ENTRY_HEAD_LEN
    const sourceAt = nameAt + words[word + NAME_LEN]!
    const vni = words[word + VNI]!
    this.#sessions[words[word + SESSION]!] = {
      name: this.#bytes.toString('utf8', nameAt, sourceAt),
      vni: vni === 0 ? null : vni - 1,
      source: this.#bytes.toString('utf8', sourceAt, sourceAt + words[word + SOURCE_LEN]!),
    }
  }
}
