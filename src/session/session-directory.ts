import { LRUCache } from 'lru-cache'
import { ADDRESS_A, ADDRESS_A_REST, HASH, HOT_WORDS, KIND, KIND_IPV6 } from '../flow/flow-entry.js'
import { FlowHash } from '../flow/flow-hash.js'
import type { Datagram } from '../wire/packet.js'
import { Session } from './session.js'

export type SessionKey = 'source+vni' | 'vni'

/**
 * The open sessions by (outer source, VNI), at most so many: the one not used for
 * longest is let go when another comes.
 *
 * Packets find their session through a small open-addressed index over typed
 * arrays, and mostly through the memory of the last one; `lru-cache` sees a
 * session once a second. A sender chooses the keys, so the hash is keyed.
 */
export class SessionDirectory {
  readonly #byVni: boolean
  readonly #max: number
  /** Undefined until the first session. */
  #sessions: LRUCache<number, Session> | undefined = undefined
  #bySlot: (Session | undefined)[] = []
  /** Five words a slot: VNI and source. */
  #keys = new Uint32Array(0)
  #mask = 0
  readonly #hash = new FlowHash()
  readonly #probe = new Uint32Array(HOT_WORDS)
  readonly #freeIndices: number[] = []
  #nextIndex = 1
  #last: Session | undefined = undefined
  #lastVni = -1
  #last0 = 0
  #last1 = 0
  #last2 = 0
  #last3 = 0

  readonly #onOpen: (session: Session) => void
  readonly #onClose: (session: Session, why: 'evicted' | 'deleted') => void

  /** `onClose` hears of a session that was let go or closed, before its index is used again. */
  constructor(options: {
    max: number
    key: SessionKey
    onOpen: (session: Session) => void
    onClose: (session: Session, why: 'evicted' | 'deleted') => void
  }) {
    this.#byVni = options.key === 'vni'
    this.#onOpen = options.onOpen
    this.#onClose = options.onClose
    this.#max = options.max
  }

  get size(): number {
    return this.#sessions?.size ?? 0
  }

  /** Open sessions, the most recently used first. */
  values(): IterableIterator<Session> {
    return this.#sessions?.values() ?? [].values()
  }

  /** The session of a datagram, or undefined when it is not open. */
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
    if (this.#sessions === undefined) return undefined
    const session = this.#bySlot[this.#slotOf(datagram, vni)]
    if (session === undefined) return undefined
    this.#remember(session, datagram, vni)
    return this.#touch(session, datagram.seconds)
  }

  /** Opens the session of a datagram; another may have to go for it. */
  open(datagram: Datagram, vni: number): Session {
    const source = this.#byVni
      ? null
      : Uint32Array.of(datagram.source0, datagram.source1, datagram.source2, datagram.source3)
    this.#sessions ??= this.#allocate()
    // Room first, so that the index of the one that goes can be used.
    if (this.#sessions.size >= this.#max) this.#sessions.pop()
    const session = new Session(this.#freeIndices.pop() ?? this.#nextIndex++, vni, source)
    session.openedAt = datagram.seconds
    this.#sessions.set(session.index, session)
    const slot = this.#slotOf(datagram, vni)
    this.#bySlot[slot] = session
    this.#keys.set(this.#keyOf(session), slot * 5)
    this.#remember(session, datagram, vni)
    this.#onOpen(session)
    return this.#touch(session, datagram.seconds)
  }

  /** Closes every session. */
  clear(): void {
    this.#sessions?.clear()
  }

  /** Memory for as many sessions as there may be, which a run without any does without. */
  #allocate(): LRUCache<number, Session> {
    let slots = 8
    while (slots < this.#max * 2) slots *= 2
    this.#mask = slots - 1
    this.#keys = new Uint32Array(slots * 5)
    this.#bySlot = new Array<Session | undefined>(slots).fill(undefined)
    return new LRUCache({
      max: this.#max,
      dispose: (session, _index, reason) => {
        this.#forget(session)
        this.#onClose(session, reason === 'evict' ? 'evicted' : 'deleted')
        this.#freeIndices.push(session.index)
      },
    })
  }

  #touch(session: Session, seconds: number): Session {
    if (session.usedAt !== seconds) {
      session.usedAt = seconds
      this.#sessions!.get(session.index)
    }
    return session
  }

  #remember(session: Session, datagram: Datagram, vni: number): void {
    this.#last = session
    this.#lastVni = vni
    this.#last0 = datagram.source0
    this.#last1 = datagram.source1
    this.#last2 = datagram.source2
    this.#last3 = datagram.source3
  }

  /** The slot of a key, or the empty one where it would go. */
  #slotOf(datagram: Datagram, vni: number): number {
    const source0 = this.#byVni ? 0 : datagram.source0
    const source1 = this.#byVni ? 0 : datagram.source1
    const source2 = this.#byVni ? 0 : datagram.source2
    const source3 = this.#byVni ? 0 : datagram.source3
    const keys = this.#keys
    let slot = this.#home(vni, source0, source1, source2, source3)
    for (; this.#bySlot[slot] !== undefined; slot = (slot + 1) & this.#mask) {
      const at = slot * 5
      if (
        keys[at] === vni &&
        keys[at + 4] === source3 &&
        keys[at + 3] === source2 &&
        keys[at + 2] === source1 &&
        keys[at + 1] === source0
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

  #keyOf(session: Session): number[] {
    return [session.vni!, ...(session.source ?? [0, 0, 0, 0])]
  }

  /** Takes a session out of the index, closing the gap it leaves in its run. */
  #forget(session: Session): void {
    if (this.#last === session) this.#lastVni = -1
    const mask = this.#mask
    const keys = this.#keys
    let hole = this.#bySlot.indexOf(session)
    this.#bySlot[hole] = undefined
    for (let slot = (hole + 1) & mask; this.#bySlot[slot] !== undefined; slot = (slot + 1) & mask) {
      const at = slot * 5
      const home = this.#home(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!, keys[at + 4]!)
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      this.#bySlot[hole] = this.#bySlot[slot]
      keys.copyWithin(hole * 5, at, at + 5)
      this.#bySlot[slot] = undefined
      hole = slot
    }
  }
}
