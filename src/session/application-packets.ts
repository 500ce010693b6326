import { LRUCache } from 'lru-cache'
import type { ApplicationReader } from '../application/application-reader.js'
import { Fragment, readFragment } from '../wire/fragment.js'
import { FRAGMENT_FIRST, FRAGMENT_NONE, Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import type { DuplicateMode } from './duplicates.js'
import type { PacketObserver } from './pipeline.js'
import { noFragments, Reassembly } from './reassembly.js'
import type { Session } from './session.js'

/** Sessions whose fragments are joined at a time, each in 4 MiB at most. */
const SESSIONS_MAX = 8
/** First fragments kept until the rest has come. */
const FIRSTS_MAX = 64

/** Packets whose applications are read: each once, and those that came in fragments whole, where all came. */
export class ApplicationPackets {
  readonly #reader: ApplicationReader
  readonly #leavesCopies: boolean
  readonly #numberOf: (session: Session) => number
  readonly #fragment = new Fragment()
  readonly #whole = new Frame()
  readonly #sessions = new LRUCache<number, Reassembly>({ max: SESSIONS_MAX })
  readonly #firsts = new LRUCache<string, { packet: Packet; session: number }>({
    max: FIRSTS_MAX,
    // Nothing of the rest came, so that what it has is all.
    dispose: ({ packet, session }, _key, reason) => {
      if (reason === 'evict') this.read(packet, session)
    },
  })

  /** `numberOf`: what tells sessions apart, where they are. */
  constructor(
    reader: ApplicationReader,
    duplicates: DuplicateMode | undefined,
    numberOf = (session: Session): number => session.index,
  ) {
    this.#reader = reader
    this.#leavesCopies = duplicates !== undefined && duplicates !== 'keep'
    this.#numberOf = numberOf
  }

  readonly observe: PacketObserver = (session, packet, frame, fault, isCopy) => {
    if (fault !== undefined || frame.ipVersion === 0 || (isCopy && this.#leavesCopies)) return
    const number = this.#numberOf(session)
    if (frame.fragment === FRAGMENT_NONE) this.#reader.read(frame, number, packet)
    else this.#takeFragment(packet, frame, number)
  }

  /** There are no more packets. */
  end(): void {
    while (this.#firsts.size > 0) this.#firsts.pop()
    this.#reader.end()
  }

  #takeFragment(packet: Packet, frame: Frame, session: number): void {
    let reassembly = this.#sessions.get(session)
    if (reassembly === undefined) {
      reassembly = new Reassembly(noFragments())
      this.#sessions.set(session, reassembly)
    }
    const { seconds } = packet
    readFragment(frame, this.#fragment)
    const parts = reassembly.findOrBegin(frame, seconds)
    const joined = reassembly.add(parts, packet, frame, this.#fragment, seconds)
    const key = keyOf(frame, session)
    if (joined !== undefined) {
      this.#firsts.delete(key)
      this.read(joined, session)
    } else if (frame.fragment === FRAGMENT_FIRST) {
      this.#firsts.set(key, { packet: packet.copy(), session })
    }
  }

  /** Reads a packet as it is, of which nothing was parsed; a fragment by itself. */
  read(packet: Packet, session: number): void {
    const { bytes, start, end, linkType, originalLength } = packet
    const fault = parseFrame(bytes, start, end, linkType, originalLength, this.#whole)
    if (fault === undefined) this.#reader.read(this.#whole, session, packet)
  }
}

function keyOf({ bytes, srcAt, dstAt, ipVersion, fragmentId }: Frame, session: number): string {
  const length = ipVersion === 6 ? 16 : 4
  const address = (at: number) =>
    Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('hex')
  return `${session} ${fragmentId} ${address(srcAt)} ${address(dstAt)}`
}
