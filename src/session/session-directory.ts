import { LRUCache } from 'lru-cache'
import { ADDRESS_A, ADDRESS_A_REST, HASH, HOT_WORDS, KIND, KIND_IPV6 } from '../flow/flow-entry.js'
import { FlowHash } from '../flow/flow-hash.js'
import type { Datagram } from '../wire/packet.js'
import { type Admission, dispensable } from './admission.js'
import { Session, type SessionIdentity } from './session.js'

export type SessionKey = 'source+vni' | 'vni'

/** Which packets are a session's: those of a VNI from one outer source (four words), or from any that no other session has. */
export interface SessionAddress {
  readonly vni: number
  readonly source: Uint32Array | null
}

const ANY_SOURCE = Uint32Array.of(0, 0, 0, 0)

export const NO_SESSIONS: readonly Session[] = []

/** Who has the packets of an address. */
interface Holders {
  readonly first: Session
  /** Registered sessions that share them with `first`, in their order. */
  readonly others: readonly Session[]
}
const KEY_WORDS = 5
/** The index has room for so many at first, or for all that may be open: 64 KiB. */
const FIRST_SESSIONS = 1024

/**
 * The open sessions by (outer source, VNI). Of those that packets open there are at
 * most this many. When another comes, the one not used for longest is let go; where anyone
 * may send, Admission has a say, and the other may be refused. Registered sessions are
 * there until they are closed, and may have several keys or a whole VNI.
 *
 * Packets find their session through a small open-addressed index over typed
 * arrays, and mostly through the memory of the last one; `lru-cache` sees a
 * session once a second. A sender chooses the keys, so the hash is keyed.
 */
export class SessionDirectory {
  readonly #byVni: boolean
  readonly #max: number
  readonly #admission: Admission | undefined
  /** Those that packets have opened, by index. Undefined until the first. */
  #sessions: LRUCache<number, Session> | undefined = undefined
  readonly #registered = new Set<Session>()
  /** Registered sessions that have a VNI whatever the source. */
  readonly #byVniAlone = new Map<number, Holders>()
  #bySlot: (Holders | undefined)[] = []
  /** Five words a slot: VNI and source. */
  #keys = new Uint32Array(0)
  #mask = 0
  /** Keys that registered sessions have in the index. */
  #boundKeys = 0
  readonly #hash = new FlowHash()
  readonly #probe = new Uint32Array(HOT_WORDS)
  readonly #freeIndices: number[] = []
  #nextIndex = 1
  #last: Session | undefined = undefined
  #lastOthers = NO_SESSIONS
  #lastVni = -1
  #last0 = 0
  #last1 = 0
  #last2 = 0
  #last3 = 0

  readonly #onOpen: (session: Session) => void
  readonly #onClose: (session: Session, why: 'evicted' | 'deleted') => void

  /** `onClose` is told of a session that was let go or closed, before its index is used again. */
  constructor(options: {
    max: number
    key: SessionKey
    /** Where anyone may send: busy sessions keep their places, and those made up by a sender get few. */
    admission?: Admission
    onOpen: (session: Session) => void
    onClose: (session: Session, why: 'evicted' | 'deleted') => void
  }) {
    this.#byVni = options.key === 'vni'
    this.#onOpen = options.onOpen
    this.#onClose = options.onClose
    this.#max = options.max
    this.#admission = options.admission
  }

  get size(): number {
    return this.#registered.size + (this.#sessions?.size ?? 0)
  }

  /** Open sessions: the registered ones, then the most recently used first. */
  *values(): IterableIterator<Session> {
    yield* this.#registered
    if (this.#sessions !== undefined) yield* this.#sessions.values()
  }

  /** Those that share the packets of the session that was found or opened last, in their order. */
  get others(): readonly Session[] {
    return this.#lastOthers
  }

  /** The first session of a datagram, or undefined when none is open. */
  find(datagram: Datagram, vni: number): Session | undefined {
    if (
      vni === this.#lastVni &&
      (this.#byVni ||
        (datagram.source3 === this.#last3 &&
          datagram.source2 === this.#last2 &&
          datagram.source1 === this.#last1 &&
          datagram.source0 === this.#last0))
    ) {
      return this.#touch(this.#last!, datagram.seconds)
    }
    if (this.#bySlot.length === 0 && this.#byVniAlone.size === 0) return undefined
    let holders = this.#bySlot[this.#slotOf(datagram, vni)]
    if (holders === undefined) {
      holders = this.#byVniAlone.get(vni)
      if (holders === undefined) return undefined
      if (!this.#byVni) learnSource(holders, datagram)
    }
    this.#remember(holders, datagram, vni)
    return this.#touch(holders.first, datagram.seconds)
  }

  /** Opens the session of a datagram; another may have to go for it. Undefined: there is no room. */
  open(datagram: Datagram, vni: number): Session | undefined {
    this.#sessions ??= this.#allocate()
    const hasRoom = this.#sessions.size < this.#max
    if (!this.#admits(datagram, vni, hasRoom)) return undefined
    // Room first, so that the index of the one that goes can be used.
    if (!hasRoom && !this.#makeRoom(datagram.seconds)) return undefined
    this.#makeSlots(this.#sessions.size + 1)
    const source = this.#byVni
      ? null
      : Uint32Array.of(datagram.source0, datagram.source1, datagram.source2, datagram.source3)
    const session = new Session(this.#freeIndices.pop() ?? this.#nextIndex++, vni, source)
    session.openedAt = datagram.seconds
    this.#sessions.set(session.index, session)
    const holders = { first: session, others: NO_SESSIONS }
    this.#insert(holders, vni, source ?? ANY_SOURCE)
    this.#remember(holders, datagram, vni)
    this.#onOpen(session)
    return this.#touch(session, datagram.seconds)
  }

  /** Opens a registered session. It has no packets until `bind` gives it some. */
  register(identity: SessionIdentity, vni: number, seconds: number): Session {
    const index = this.#freeIndices.pop() ?? this.#nextIndex++
    const session = new Session(index, vni, null, identity)
    session.openedAt = seconds
    this.#registered.add(session)
    this.#onOpen(session)
    return session
  }

  /** Closes a registered session that has no packets any more. */
  deregister(session: Session): void {
    this.#registered.delete(session)
    this.#onClose(session, 'deleted')
    this.#freeIndices.push(session.index)
  }

  /**
   * Gives packets to registered sessions, which share them in this order. Sessions that
   * packets had opened for them are closed.
   */
  bind([first, ...others]: readonly [Session, ...Session[]], address: SessionAddress): void {
    const { vni, source } = address
    const holders = { first, others }
    this.#forgetLast()
    if (source === null) {
      this.#byVniAlone.set(vni, holders)
      for (const other of [...(this.#sessions?.values() ?? [])]) {
        if (other.vni === vni) this.#close(other, 'deleted')
      }
      return
    }
    const slot = this.#bySlot.length === 0 ? undefined : this.#bySlot[this.#find(vni, source)]
    if (slot !== undefined && !slot.first.isRegistered) this.#close(slot.first, 'deleted')
    this.#boundKeys++
    this.#makeSlots(this.#sessions?.size ?? 0)
    this.#insert(holders, vni, source)
  }

  /** Takes packets away from the registered sessions that have them. */
  unbind({ vni, source }: SessionAddress): void {
    this.#forgetLast()
    if (source === null) {
      this.#byVniAlone.delete(vni)
      return
    }
    this.#boundKeys--
    this.#remove(vni, source)
  }

  /** Closes every session. */
  clear(): void {
    for (const session of [...(this.#sessions?.values() ?? [])]) this.#close(session, 'deleted')
    for (const session of this.#registered) this.deregister(session)
    this.#byVniAlone.clear()
    this.#bySlot.fill(undefined)
    this.#forgetLast()
  }

  /** Memory for as many sessions as there may be, which a run without any does without. */
  #allocate(): LRUCache<number, Session> {
    this.#makeSlots(Math.min(this.#max, FIRST_SESSIONS))
    return new LRUCache({ max: this.#max })
  }

  #admits(datagram: Datagram, vni: number, hasRoom: boolean): boolean {
    if (this.#admission === undefined) return true
    return this.#admission.admits(this.#hashOf(datagram, vni), datagram.seconds, hasRoom)
  }

  /** Closes a session for another, if there is one that may go. */
  #makeRoom(seconds: number): boolean {
    const sessions = this.#sessions!
    const goes =
      this.#admission === undefined ? sessions.pop() : dispensable(sessions.rvalues(), seconds)
    if (goes === undefined) return false
    this.#close(goes, 'evicted')
    return true
  }

  /** Closes a session that packets have opened. */
  #close(session: Session, why: 'evicted' | 'deleted'): void {
    this.#sessions!.delete(session.index)
    if (this.#last === session) this.#forgetLast()
    this.#remove(session.vni!, session.source ?? ANY_SOURCE)
    this.#onClose(session, why)
    this.#freeIndices.push(session.index)
  }

  /**
   * An index in which so many sessions, with the registered ones, take no more than half of the slots. It grows
   * with them: a search may fall on any slot, and those of 65,535 sessions are more than the caches hold.
   */
  #makeSlots(sessions: number): void {
    let slots = 8
    while (slots < (sessions + this.#boundKeys) * 2) slots *= 2
    if (slots <= this.#bySlot.length) return
    const [bySlot, keys] = [this.#bySlot, this.#keys]
    this.#mask = slots - 1
    this.#keys = new Uint32Array(slots * KEY_WORDS)
    this.#bySlot = new Array<Holders | undefined>(slots).fill(undefined)
    for (const [slot, holders] of bySlot.entries()) {
      if (holders === undefined) continue
      const at = slot * KEY_WORDS
      this.#insert(holders, keys[at]!, keys.subarray(at + 1, at + KEY_WORDS))
    }
  }

  #touch(session: Session, seconds: number): Session {
    if (session.usedAt !== seconds) {
      session.usedAt = seconds
      // Of registered sessions it knows nothing.
      this.#sessions?.get(session.index)
    }
    return session
  }

  #remember({ first, others }: Holders, datagram: Datagram, vni: number): void {
    this.#last = first
    this.#lastOthers = others
    this.#lastVni = vni
    this.#last0 = datagram.source0
    this.#last1 = datagram.source1
    this.#last2 = datagram.source2
    this.#last3 = datagram.source3
  }

  #forgetLast(): void {
    this.#last = undefined
    this.#lastOthers = NO_SESSIONS
    this.#lastVni = -1
  }

  /** The slot of a datagram's key, or the empty one where it would go. */
  #slotOf(datagram: Datagram, vni: number): number {
    if (this.#byVni) return this.#search(vni, 0, 0, 0, 0)
    const { source0, source1, source2, source3 } = datagram
    return this.#search(vni, source0, source1, source2, source3)
  }

  #hashOf(datagram: Datagram, vni: number): number {
    this.#slotOf(datagram, vni)
    return this.#probe[HASH]!
  }

  #find(vni: number, source: Uint32Array): number {
    return this.#search(vni, source[0]!, source[1]!, source[2]!, source[3]!)
  }

  #search(vni: number, s0: number, s1: number, s2: number, s3: number): number {
    const keys = this.#keys
    let slot = this.#home(vni, s0, s1, s2, s3)
    for (; this.#bySlot[slot] !== undefined; slot = (slot + 1) & this.#mask) {
      const at = slot * KEY_WORDS
      if (
        keys[at] === vni &&
        keys[at + 4] === s3 &&
        keys[at + 3] === s2 &&
        keys[at + 2] === s1 &&
        keys[at + 1] === s0
      ) {
        break
      }
    }
    return slot
  }

  #home(vni: number, s0: number, s1: number, s2: number, s3: number): number {
    const probe = this.#probe
    probe[KIND] = KIND_IPV6
    probe[ADDRESS_A] = s3
    probe[ADDRESS_A_REST] = s0
    probe[ADDRESS_A_REST + 1] = s1
    probe[ADDRESS_A_REST + 2] = s2
    probe[ADDRESS_A_REST + 3] = vni
    this.#hash.hash(probe, 0)
    return probe[HASH]! & this.#mask
  }

  #insert(holders: Holders, vni: number, source: Uint32Array): void {
    const slot = this.#find(vni, source)
    this.#bySlot[slot] = holders
    this.#keys[slot * KEY_WORDS] = vni
    this.#keys.set(source, slot * KEY_WORDS + 1)
  }

  /** Takes a key that is there out of the index, closing the gap it leaves in its run. */
  #remove(vni: number, source: Uint32Array): void {
    const mask = this.#mask
    const keys = this.#keys
    let hole = this.#find(vni, source)
    this.#bySlot[hole] = undefined
    for (let slot = (hole + 1) & mask; this.#bySlot[slot] !== undefined; slot = (slot + 1) & mask) {
      const at = slot * KEY_WORDS
      const home = this.#home(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!, keys[at + 4]!)
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      this.#bySlot[hole] = this.#bySlot[slot]
      keys.copyWithin(hole * KEY_WORDS, at, at + KEY_WORDS)
      this.#bySlot[slot] = undefined
      hole = slot
    }
  }
}

/** Those whose interface is not known take the first source there is for its address. */
function learnSource({ first, others }: Holders, datagram: Datagram): void {
  if (first.source === null) first.learnSource(datagram)
  for (const other of others) if (other.source === null) other.learnSource(datagram)
}
