import type { PacketCounter } from '../flow/packet-counter.js'
import { packetComment } from '../pcap/pcapng-emit.js'
import type { Fault } from '../wire/fault.js'
import type { Frame } from '../wire/frame.js'
import { DIRECTION_UNKNOWN, Frame as FrameView } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import { lacksChecksumOnly } from './cut-frames.js'
import { type DuplicateMode, Duplicates } from './duplicates.js'
import { GeneveComments } from './geneve-comments.js'
import type { Ledger } from './ledger.js'
import type { PacketFilter, Session, SessionCapture } from './session.js'
import { NO_SESSIONS } from './session-directory.js'

/** Is shown every packet that the filter wants, with its direction. Everything is on loan. */
export type PacketObserver = (
  session: Session,
  packet: Packet,
  /** As far as the parser got where there was a fault. */
  frame: Frame,
  fault: Fault | undefined,
  isCopy: boolean,
) => void

/** Is given of every packet what a capture is given, whether there is one or not. Everything is on loan. */
export interface PacketForward {
  /** `kept`: bytes of the packet that the session keeps, of `originalLength` on the wire. */
  take(session: Session, packet: Packet, kept: number, originalLength: number): void
}

/** On a copy that is kept, in pcapng. */
const COPY_MARK = packetComment('duplicate: another session has brought this packet')

export interface PipelineOptions {
  ledger: Ledger
  /** What to do with copies of packets that another session has brought. */
  duplicates?: DuplicateMode | undefined
  /** Packets it does not want are counted as filtered. */
  filter?: PacketFilter | undefined
  /** Counts packets into flows; without it they are only captured. */
  tracker?: PacketCounter | undefined
  /** Opens what keeps the packets of a session, when its first packet comes; undefined keeps nothing. */
  openCapture?: ((session: Session, linkType: number) => SessionCapture | undefined) | undefined
  observe?: PacketObserver | undefined
  forward?: PacketForward | undefined
}

/**
 * What happens to a frame once its session is known: it is captured, understood
 * and counted into its flow. Knows nothing of sockets, threads or VNIs.
 */
export class Pipeline {
  readonly #ledger: Ledger
  /** Packets it does not want are counted as filtered. */
  filter: PacketFilter | undefined
  readonly #tracker: PacketCounter | undefined
  readonly #openCapture: PipelineOptions['openCapture']
  readonly #observe: PacketObserver | undefined
  readonly #forward: PacketForward | undefined
  readonly #duplicateMode: DuplicateMode
  readonly #duplicates = new Duplicates()
  readonly #frame = new FrameView()
  readonly #comments = new GeneveComments()

  constructor(options: PipelineOptions) {
    this.#ledger = options.ledger
    this.filter = options.filter
    this.#tracker = options.tracker
    this.#duplicateMode = options.duplicates ?? 'keep'
    this.#openCapture = options.openCapture
    this.#observe = options.observe
    this.#forward = options.forward
  }

  /** Takes a mirrored frame for `first`, or for one of `others` that share its packets, in their order. */
  accept(first: Session, packet: Packet, others = NO_SESSIONS): void {
    const frame = this.#frame
    const fault = parseFrame(
      packet.bytes,
      packet.start,
      packet.end,
      packet.linkType,
      packet.originalLength,
      frame,
    )
    this.acceptParsed(first, packet, frame, fault, others)
  }

  /** Takes a frame that has been parsed already, with what was wrong with it. */
  acceptParsed(
    first: Session,
    packet: Packet,
    frame: Frame,
    fault: Fault | undefined,
    others = NO_SESSIONS,
  ): void {
    let session = first
    let isMirrored = true
    if (first.rules !== undefined) {
      // As at the source, it is the first session's whose rules accept it. Which way it ran is
      // judged by the first of all, which sees every packet.
      first.identity.observe(frame)
      isMirrored = first.rules.accepts(frame)
      for (let next = 0; !isMirrored && next < others.length; next++) {
        const { rules } = others[next]!
        isMirrored = rules === undefined || rules.accepts(frame)
        if (isMirrored) session = others[next]!
      }
      if (isMirrored && frame.direction === DIRECTION_UNKNOWN) session.counters.unknownDirection++
    }
    // A frame that neither rules nor flows ask about is not looked at.
    let isJudged = session.vni === null || (session === first && first.rules !== undefined)
    const wireLength = frame.wireLength()
    session.counters.received++
    session.counters.bytes += wireLength
    if (!isMirrored || this.filter?.accepts(packet, frame, session) === false) {
      this.#ledger.filtered++
      session.counters.filtered++
      return
    }
    if (wireLength > packet.end - packet.start && !lacksChecksumOnly(packet, frame)) {
      session.counters.cut.count(packet, frame)
    }
    const isCopy =
      fault === undefined && frame.ipVersion !== 0 && this.#isCopy(session, packet, frame)
    if (this.#observe !== undefined) {
      if (!isJudged) session.identity.observe(frame)
      isJudged = true
      this.#observe(session, packet, frame, fault, isCopy)
    }
    if (isCopy && this.#duplicateMode === 'drop') {
      this.#ledger.duplicate++
      return
    }
    // Captured even when not understood: the frame that breaks a parser is the one worth keeping.
    // A file's own packets keep the length their file gives them.
    const originalLength = session.vni === null ? packet.originalLength : wireLength
    const isMarked = isCopy && this.#duplicateMode === 'mark'
    if (this.#forward !== undefined) {
      const kept = Math.min(packet.end - packet.start, session.packetLength)
      this.#forward.take(session, packet, kept, originalLength)
    }
    const named = packet.geneve === undefined ? undefined : this.#comments.of(packet.geneve)
    this.#capture(session, packet, originalLength, isMarked ? COPY_MARK : named)

    if (fault !== undefined) {
      this.#ledger.malformed[fault]++
      session.counters.malformed++
      return
    }
    this.#ledger.accepted++
    session.counters.accepted++
    if (isMarked || frame.ipVersion === 0 || this.#tracker === undefined) {
      session.counters.untracked++
      return
    }
    if (!isJudged) session.identity.observe(frame)
    session.counters.countDirection(frame.direction, wireLength)
    const { seconds, nanoseconds, timed } = packet
    const isCounted = this.#tracker.enqueue(frame, session.index, seconds, nanoseconds, timed)
    if (isCounted) session.counters.flowPackets++
    else session.counters.untracked++
  }

  #isCopy(session: Session, packet: Packet, frame: Frame): boolean {
    // A copy always arrives in a different session.
    if (session.vni === null || !this.#duplicates.hasSeveralSessions(session.index)) return false
    const { seconds, nanoseconds } = packet
    if (!this.#duplicates.isCopy(frame, session.index, seconds, nanoseconds)) return false
    session.counters.duplicates++
    return true
  }

  #capture(
    session: Session,
    packet: Packet,
    originalLength: number,
    options: Buffer | undefined,
  ): void {
    if (session.capture === undefined) {
      if (this.#openCapture === undefined) return
      session.capture = this.#openCapture(session, packet.linkType) ?? null
    }
    if (session.capture === null) return
    const kept = Math.min(packet.end - packet.start, session.packetLength)
    if (session.capture.write(packet, kept, originalLength, options)) session.counters.captured++
    else session.counters.captureLost++
  }
}
