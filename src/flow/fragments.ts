import { putU32, u32 } from '../wire/bytes.js'
import { FRAGMENT_FIRST, FRAGMENT_LATER, Frame } from '../wire/frame.js'
import { hasPorts } from '../wire/ports.js'
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
  SESSION,
} from './flow-entry.js'
import { FlowHash } from './flow-hash.js'

/** Fragments of one packet come within this many seconds of each other. */
export const WAITING_SECONDS = 30

/** Packets remembered. To make room, the one whose latest fragment is oldest is dropped. */
const ENTRIES = 4096
/** A power of two. Hashes are keyed, so that no sender can fill one bucket. */
const BUCKETS = 8192

/** Words of an entry: a key as in a flow entry, then what is known about the packet. */
const ENTRY_WORDS = 21
const KEY_WORDS = 12
/** Ports of the first fragment, source in the upper half; its protocol; whether it has come. */
const FIRST_PORTS = 12
const FIRST_PROTOCOL = 13
const FIRST_SEEN = 14
/** Second of the latest fragment, plus one; 0 in an empty entry. */
const SECONDS = 15
/** Fragments that wait for the first: the newest of a list in the pool. */
const WAITING = 16
/** The protocol they name; in IPv6 it need not be that of the first. */
const WAITING_PROTOCOL = 17
/** The next entry of the bucket, and the neighbours in order of last use. All are offsets of entries. */
const CHAINED = 18
const OLDER = 19
const NEWER = 20

/** How many fragments may wait, and the words of each: IP length, time, next of its entry (or free), entry. */
const POOL = 4096
const WAITING_WORDS = 5
const LENGTH = 0
const AT_SECONDS = 1
const AT_NANOSECONDS = 2
const NEXT = 3
const ENTRY = 4
const NOTHING = 0xffff_ffff

/** Stands for the nanoseconds of a packet without a time. */
export const UNTIMED = 0xffff_ffff

/** Counts one packet into the flow its frame names. */
type Count = (frame: Frame, session: number, seconds: number, nanoseconds: number) => void

/**
 * Counts later fragments, which carry no ports, into the flow of their first.
 *
 * A fragment that comes before the first waits for it, for at most 30 s and not past
 * the end of its aggregation window. Then it is counted under ports 0. Only the times
 * of the packets decide this, and waiting fragments are counted in order of time, so
 * that it does not matter when `expire` and `flush` are called. Memory is fixed: a
 * fragment that does not fit is counted under ports 0 at once.
 */
export class Fragments {
  /** Later fragments counted with their first, and under ports 0. */
  attributed = 0
  unattributed = 0

  readonly #count: Count
  readonly #windowSeconds: number
  readonly #hash: FlowHash
  readonly #entries = new Uint32Array(ENTRIES * ENTRY_WORDS)
  readonly #buckets = new Uint32Array(BUCKETS).fill(NOTHING)
  #oldest = 0
  #newest = (ENTRIES - 1) * ENTRY_WORDS
  readonly #key = new Uint32Array(HOT_WORDS)
  readonly #pool = new Uint32Array(POOL * WAITING_WORDS)
  /** Slots of the pool whose fragments are to be counted now. */
  readonly #due = new Uint32Array(POOL)
  #free = 0
  #waiting = 0
  /** No fragment has waited since before this second. */
  #waitingSince = Number.POSITIVE_INFINITY
  /** Stands for a fragment that waited in vain; its addresses are in a separate buffer. */
  readonly #lone = new Frame()

  /** `windowSeconds`: length of the aggregation windows; 0: there are none. */
  constructor(count: Count, windowSeconds = 0, hash = new FlowHash()) {
    this.#count = count
    this.#windowSeconds = windowSeconds
    this.#lone.bytes = Buffer.alloc(32)
    this.#lone.srcAt = 0
    this.#lone.dstAt = 16
    this.#lone.fragment = FRAGMENT_LATER
    this.#hash = hash
    for (let slot = 0; slot < POOL; slot++) {
      this.#pool[slot * WAITING_WORDS + NEXT] = slot + 1 < POOL ? slot + 1 : NOTHING
    }
    for (let at = 0; at < this.#entries.length; at += ENTRY_WORDS) {
      this.#entries[at + OLDER] = at === this.#oldest ? NOTHING : at - ENTRY_WORDS
      this.#entries[at + NEWER] = at === this.#newest ? NOTHING : at + ENTRY_WORDS
    }
  }

  /** How many fragments wait for their first. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Counts a fragment, or keeps it until its first comes. `frame.fragment` is not
   * FRAGMENT_NONE; its ports and protocol may be changed to those of its first.
   * Returns whether it was counted.
   */
  track(frame: Frame, session: number, seconds: number, nanoseconds: number): boolean {
    // All fragments are of one flow anyway. (In IPv6 only the first tells the protocol.)
    if (frame.ipVersion === 4 && !hasPorts(frame.protocol)) {
      if (frame.fragment === FRAGMENT_LATER) this.attributed++
      this.#count(frame, session, seconds, nanoseconds)
      return true
    }
    this.#readKey(frame, session)
    const at = this.#find(seconds)
    const entries = this.#entries
    if (seconds >= entries[at + SECONDS]!) entries[at + SECONDS] = seconds + 1

    if (frame.fragment === FRAGMENT_FIRST) {
      entries[at + FIRST_PORTS] = (frame.srcPort << 16) | frame.dstPort
      entries[at + FIRST_PROTOCOL] = frame.protocol
      entries[at + FIRST_SEEN] = 1
      this.#count(frame, session, seconds, nanoseconds)
      this.#settle(at, frame, session, seconds)
      return true
    }

    if (entries[at + FIRST_SEEN] === 1) {
      this.#asFirst(at, frame)
      this.attributed++
      this.#count(frame, session, seconds, nanoseconds)
      return true
    }
    entries[at + WAITING_PROTOCOL] = frame.protocol
    if (this.#wait(at, frame.ipLength, seconds, nanoseconds)) return false
    this.unattributed++
    this.#count(frame, session, seconds, nanoseconds)
    return true
  }

  /**
   * Counts under ports 0 the fragments that have waited for too long, or past the end of
   * their window. No first fragment from before `settled` will come.
   */
  expire(settled: number): void {
    const window = this.#windowSeconds === 0 ? 0 : settled - (settled % this.#windowSeconds)
    this.flush(Math.max(settled - WAITING_SECONDS, window))
  }

  /** Counts under ports 0 the fragments that have waited since before `seconds` (Infinity: all), of one session if given. */
  flush(seconds: number, session?: number): void {
    if (this.#waiting === 0 || seconds <= this.#waitingSince) return
    const entries = this.#entries
    let due = 0
    this.#waitingSince = Number.POSITIVE_INFINITY
    for (let at = 0; at < entries.length; at += ENTRY_WORDS) {
      if (entries[at + SECONDS] === 0 || entries[at + WAITING] === NOTHING) continue
      const isIts = session === undefined || entries[at + SESSION] === session
      due = this.#takeOut(at, isIts ? seconds : Number.NEGATIVE_INFINITY, due)
    }
    this.#giveUp(due)
  }

  /** Makes the key of `frame`: session, source, destination, identification and, in IPv4, protocol. */
  #readKey(frame: Frame, session: number): void {
    const key = this.#key
    const { bytes, srcAt, dstAt } = frame
    const v6 = frame.ipVersion === 6
    key[SESSION] = session
    key[KIND] = v6 ? KIND_IPV6 : 0x400 | frame.protocol
    key[PORTS] = frame.fragmentId
    key[ADDRESS_A] = u32(bytes, srcAt)
    key[ADDRESS_B] = u32(bytes, dstAt)
    for (let word = 0; word < 3; word++) {
      key[ADDRESS_A_REST + word] = v6 ? u32(bytes, srcAt + 4 + word * 4) : 0
      key[ADDRESS_B_REST + word] = v6 ? u32(bytes, dstAt + 4 + word * 4) : 0
    }
    this.#hash.hash(key, 0)
  }

  /** The offset of the entry of `#key`. If there is none that is fresh, it replaces the oldest entry. */
  #find(seconds: number): number {
    const entries = this.#entries
    const bucket = this.#key[HASH]! & (BUCKETS - 1)
    let at = this.#buckets[bucket]!
    while (at !== NOTHING && !this.#matches(at)) at = entries[at + CHAINED]!
    if (at !== NOTHING) {
      this.#touch(at)
      if (Math.abs(seconds - entries[at + SECONDS]! + 1) <= WAITING_SECONDS) return at
      this.#forget(at, seconds)
    } else {
      at = this.#oldest
      if (entries[at + SECONDS] !== 0) {
        this.#forget(at, seconds)
        this.#unchain(at)
      }
      this.#touch(at)
      for (let word = 0; word < KEY_WORDS; word++) entries[at + word] = this.#key[word]!
      entries[at + CHAINED] = this.#buckets[bucket]!
      this.#buckets[bucket] = at
    }
    entries[at + FIRST_SEEN] = 0
    entries[at + SECONDS] = 0
    entries[at + WAITING] = NOTHING
    return at
  }

  /** Counts what waits in an entry, after everything, in order of time, that has waited too long elsewhere. */
  #forget(at: number, seconds: number): void {
    if (this.#entries[at + WAITING] === NOTHING) return
    this.flush(seconds - WAITING_SECONDS - 1)
    this.#giveUp(this.#takeOut(at, Number.POSITIVE_INFINITY, 0))
  }

  /** Takes an entry out of its bucket. */
  #unchain(at: number): void {
    const entries = this.#entries
    const bucket = entries[at + HASH]! & (BUCKETS - 1)
    let before = this.#buckets[bucket]!
    if (before === at) {
      this.#buckets[bucket] = entries[at + CHAINED]!
      return
    }
    while (entries[before + CHAINED] !== at) before = entries[before + CHAINED]!
    entries[before + CHAINED] = entries[at + CHAINED]!
  }

  /** Makes an entry the newest. */
  #touch(at: number): void {
    if (at === this.#newest) return
    const entries = this.#entries
    const older = entries[at + OLDER]!
    const newer = entries[at + NEWER]!
    if (older === NOTHING) this.#oldest = newer
    else entries[older + NEWER] = newer
    entries[newer + OLDER] = older
    entries[at + OLDER] = this.#newest
    entries[at + NEWER] = NOTHING
    entries[this.#newest + NEWER] = at
    this.#newest = at
  }

  #matches(at: number): boolean {
    for (let word = 0; word < KEY_WORDS; word++) {
      if (this.#entries[at + word] !== this.#key[word]) return false
    }
    return true
  }

  #wait(at: number, ipLength: number, seconds: number, nanoseconds: number): boolean {
    // Fragments that have waited too long take no room from others, even if `expire` was not called.
    if (this.#free === NOTHING) this.flush(seconds - WAITING_SECONDS)
    const slot = this.#free
    if (slot === NOTHING) return false
    if (seconds < this.#waitingSince) this.#waitingSince = seconds
    const pool = this.#pool
    const slotAt = slot * WAITING_WORDS
    this.#free = pool[slotAt + NEXT]!
    pool[slotAt + LENGTH] = ipLength
    pool[slotAt + AT_SECONDS] = seconds
    pool[slotAt + AT_NANOSECONDS] = nanoseconds
    pool[slotAt + NEXT] = this.#entries[at + WAITING]!
    pool[slotAt + ENTRY] = at
    this.#entries[at + WAITING] = slot
    this.#waiting++
    return true
  }

  /** Takes a first fragment, and counts into its flow what waited for it and has not waited too long. */
  #settle(at: number, frame: Frame, session: number, seconds: number): void {
    let slot = this.#entries[at + WAITING]!
    if (slot === NOTHING) return
    const pool = this.#pool
    const window = this.#windowSeconds === 0 ? 0 : seconds - (seconds % this.#windowSeconds)
    const since = Math.max(seconds - WAITING_SECONDS, window)
    const { ipLength, tcpFlags } = frame
    frame.tcpFlags = 0
    let late = NOTHING
    while (slot !== NOTHING) {
      const slotAt = slot * WAITING_WORDS
      const next = pool[slotAt + NEXT]!
      if (pool[slotAt + AT_SECONDS]! < since) {
        pool[slotAt + NEXT] = late
        late = slot
      } else {
        frame.ipLength = pool[slotAt + LENGTH]!
        this.attributed++
        this.#count(frame, session, pool[slotAt + AT_SECONDS]!, pool[slotAt + AT_NANOSECONDS]!)
        this.#release(slot)
      }
      slot = next
    }
    this.#entries[at + WAITING] = late
    frame.ipLength = ipLength
    frame.tcpFlags = tcpFlags
  }

  /** Moves fragments of an entry that have waited since before `seconds` to `#due`, from index `due` on. Returns the next index. */
  #takeOut(at: number, seconds: number, due: number): number {
    const pool = this.#pool
    let slot = this.#entries[at + WAITING]!
    let kept = NOTHING
    while (slot !== NOTHING) {
      const slotAt = slot * WAITING_WORDS
      const next = pool[slotAt + NEXT]!
      const since = pool[slotAt + AT_SECONDS]!
      if (since < seconds) this.#due[due++] = slot
      else {
        if (since < this.#waitingSince) this.#waitingSince = since
        pool[slotAt + NEXT] = kept
        kept = slot
      }
      slot = next
    }
    this.#entries[at + WAITING] = kept
    return due
  }

  /** Counts the first `due` of `#due` under ports 0. */
  #giveUp(due: number): void {
    const pool = this.#pool
    const slots = this.#due.subarray(0, due)
    if (due > 1) slots.sort(this.#byTime)
    for (const slot of slots) {
      const slotAt = slot * WAITING_WORDS
      const at = pool[slotAt + ENTRY]!
      this.#readLone(at)
      this.#lone.ipLength = pool[slotAt + LENGTH]!
      this.unattributed++
      this.#count(
        this.#lone,
        this.#entries[at + SESSION]!,
        pool[slotAt + AT_SECONDS]!,
        pool[slotAt + AT_NANOSECONDS]!,
      )
      this.#release(slot)
    }
  }

  readonly #byTime = (left: number, right: number): number => {
    const pool = this.#pool
    const leftAt = left * WAITING_WORDS
    const rightAt = right * WAITING_WORDS
    return (
      pool[leftAt + AT_SECONDS]! - pool[rightAt + AT_SECONDS]! ||
      pool[leftAt + AT_NANOSECONDS]! - pool[rightAt + AT_NANOSECONDS]!
    )
  }

  #readLone(at: number): void {
    const entries = this.#entries
    const { bytes } = this.#lone
    this.#lone.ipVersion = entries[at + KIND]! >= KIND_IPV6 ? 6 : 4
    this.#lone.protocol = entries[at + WAITING_PROTOCOL]!
    putU32(bytes, 0, entries[at + ADDRESS_A]!)
    putU32(bytes, 16, entries[at + ADDRESS_B]!)
    for (let word = 0; word < 3; word++) {
      putU32(bytes, 4 + word * 4, entries[at + ADDRESS_A_REST + word]!)
      putU32(bytes, 20 + word * 4, entries[at + ADDRESS_B_REST + word]!)
    }
  }

  /** Gives a slot back to the pool. */
  #release(slot: number): void {
    this.#pool[slot * WAITING_WORDS + NEXT] = this.#free
    this.#free = slot
    this.#waiting--
  }

  #asFirst(at: number, frame: Frame): void {
    const ports = this.#entries[at + FIRST_PORTS]!
    frame.srcPort = ports >>> 16
    frame.dstPort = ports & 0xffff
    frame.protocol = this.#entries[at + FIRST_PROTOCOL]!
  }
}
