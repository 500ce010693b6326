import type { FlowTracker } from '../flow/flow-tracker.js'
import { WAITING_FLOW } from '../flow/fragments.js'
import type { Frame } from '../wire/frame.js'
import { Frame as FrameView } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import type { Ledger } from './ledger.js'
import type { Session, SessionCapture } from './session.js'

export interface PipelineOptions {
  ledger: Ledger
  /** Counts packets into flows; without it they are only captured. */
  tracker?: FlowTracker
  /** Opens what keeps the packets of a session, when its first packet comes; undefined keeps nothing. */
  openCapture?: (session: Session, linkType: number) => SessionCapture | undefined
}

/**
 * What happens to a frame once its session is known: it is captured, understood
 * and counted into its flow. Knows nothing of sockets, threads or VNIs.
 */
export class Pipeline {
  readonly #ledger: Ledger
  readonly #tracker: FlowTracker | undefined
  readonly #openCapture: PipelineOptions['openCapture']
  readonly #frame = new FrameView()

  constructor(options: PipelineOptions) {
    this.#ledger = options.ledger
    this.#tracker = options.tracker
    this.#openCapture = options.openCapture
  }

  /** Takes a mirrored frame. */
  accept(session: Session, packet: Packet): void {
    const frame = this.#frame
    const fault = parseFrame(
      packet.bytes,
      packet.start,
      packet.end,
      packet.linkType,
      packet.originalLength,
      frame,
    )
    this.acceptParsed(session, packet, frame, fault)
  }

  /** Takes a frame that has been parsed already, with what was wrong with it. */
  acceptParsed(
    session: Session,
    packet: Packet,
    frame: Frame,
    fault: ReturnType<typeof parseFrame>,
  ): void {
    const wireLength = frame.wireLength()
    session.received++
    session.bytes += wireLength
    if (wireLength > packet.end - packet.start) session.cut.count(packet, frame)
    // Captured even when not understood: the frame that breaks a parser is the one worth keeping.
    // A file's own packets keep the length their file gives them.
    this.#capture(session, packet, session.vni === null ? packet.originalLength : wireLength)

    if (fault !== undefined) {
      this.#ledger.malformed[fault]++
      session.malformed++
      return
    }
    this.#ledger.accepted++
    session.accepted++
    if (
      frame.ipVersion === 0 ||
      this.#tracker === undefined ||
      !this.#track(session, packet, frame)
    ) {
      session.untracked++
      return
    }
    session.flowPackets++
  }

  /** Counts the frame into its flow; false when there is no room for one. */
  #track(session: Session, packet: Packet, frame: Frame): boolean {
    const tracker = this.#tracker!
    const { seconds, nanoseconds, timed } = packet
    const flow = tracker.track(frame, session.index, seconds, nanoseconds, timed)
    if (flow < 0) return flow === WAITING_FLOW
    if (session.vni !== null && !tracker.hasInterface(flow)) {
      tracker.setInterface(flow, session.identity.decide(frame, tracker.table.direction))
    }
    return true
  }

  #capture(session: Session, packet: Packet, originalLength: number): void {
    if (session.capture === undefined) {
      if (this.#openCapture === undefined || session.captureDecided) return
      session.captureDecided = true
      session.capture = this.#openCapture(session, packet.linkType)
      if (session.capture === undefined) return
    }
    const written = session.capture.write(
      packet.bytes,
      packet.start,
      packet.end,
      packet.seconds,
      packet.nanoseconds,
      originalLength,
    )
    if (written) session.captured++
    else session.captureLost++
  }
}
