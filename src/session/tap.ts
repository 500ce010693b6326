import type { OnFlowRecord } from '../flow/flow-record.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import type { Admission } from './admission.js'
import { Demux, type DemuxOptions } from './demux.js'
import { type FlowReport, Ledger, type LedgerReport } from './ledger.js'
import { Pipeline, type PipelineOptions } from './pipeline.js'
import type { Session } from './session.js'
import { SessionDirectory, type SessionKey } from './session-directory.js'

interface TapOptions<Counter extends PacketCounter | undefined>
  extends Pick<DemuxOptions, 'unknownSessions' | 'vnis' | 'decap' | 'vxlanPort' | 'genevePort'>,
    Pick<PipelineOptions, 'duplicates' | 'filter' | 'openCapture' | 'observe' | 'forward'> {
  /** Sessions that packets open, at once; the one not used for longest goes for the next. */
  maxSessions: number
  /** What tells sessions apart; by default source and VNI. */
  sessionKey?: SessionKey
  /** See SessionDirectory. */
  admission?: Admission
  /**
   * Makes what counts packets into flows; undefined: nothing does. Each record is to be shown to
   * `complete`, which adds what its session knows, before it is handed over.
   */
  counter: (complete: OnFlowRecord) => Counter
  onOpen?: (session: Session) => void
  /** A session has gone, and its flows have ended. */
  onClose?: (session: Session, why: 'evicted' | 'deleted') => void
  /** Is told of captures that could not be finished. */
  onProblem?: (line: string) => void
}

/**
 * All that packets pass, put together: the demultiplexer that finds their session, the
 * pipeline after it, what counts them into flows, and the ledger that says where each went.
 * It is fed through `demux`, by a receiver or from capture files.
 */
export class Tap<Counter extends PacketCounter | undefined = undefined> {
  readonly ledger = new Ledger()
  readonly sessions: SessionDirectory
  readonly demux: Demux
  readonly counter: Counter

  readonly #pipeline: Pipeline
  readonly #options: TapOptions<Counter>
  readonly #byIndex: (Session | undefined)[] = []
  readonly #closingCaptures = new Set<Promise<void>>()

  constructor(options: TapOptions<Counter>) {
    const { ledger } = this
    this.#options = options
    this.counter = options.counter((record) => {
      this.session(record.session).completeRecord(record)
    })
    this.sessions = new SessionDirectory({
      max: options.maxSessions,
      key: options.sessionKey ?? 'source+vni',
      ...(options.admission && { admission: options.admission }),
      onOpen: (session) => {
        this.#byIndex[session.index] = session
        options.onOpen?.(session)
      },
      onClose: (session, why) => this.#close(session, why),
    })
    this.#pipeline = new Pipeline({
      ledger,
      tracker: this.counter,
      duplicates: options.duplicates,
      filter: options.filter,
      openCapture: options.openCapture,
      observe: options.observe,
      forward: options.forward,
    })
    this.demux = new Demux({
      ledger,
      pipeline: this.#pipeline,
      sessions: this.sessions,
      unknownSessions: options.unknownSessions,
      vnis: options.vnis,
      decap: options.decap,
      vxlanPort: options.vxlanPort,
      genevePort: options.genevePort,
    })
    this.#byIndex[0] = this.demux.unmirrored
  }

  /** The open session that a flow or record speaks of. */
  session(index: number): Session {
    return this.#byIndex[index]!
  }

  /** The packets that were not mirrored, then the open sessions by index. */
  get all(): Session[] {
    return this.#byIndex.filter((session) => session !== undefined)
  }

  /** From the next packet on. */
  set filter(filter: TapOptions<Counter>['filter']) {
    this.#pipeline.filter = filter
  }

  /** Ends the captures of all sessions. Whether their next packets begin others is asked anew. */
  restartCaptures(): void {
    for (const session of this.all) {
      this.finishCapture(session)
      session.capture = undefined
    }
  }

  /** Ends the capture of a session. Its next packet begins another. */
  finishCapture(session: Session): void {
    const { capture } = session
    if (capture === undefined || capture === null) return
    session.capture = undefined
    const closing = capture
      .close()
      .catch((error: Error) => this.#options.onProblem?.(error.message))
      .finally(() => this.#closingCaptures.delete(closing))
    this.#closingCaptures.add(closing)
  }

  /** Resolves when the files of all captures that were ended have their names. */
  async capturesFinished(): Promise<void> {
    await Promise.all(this.#closingCaptures)
  }

  /** `kernelLost`: null where it cannot be known. */
  report(kernelLost: number | null, flows?: FlowReport): LedgerReport {
    const { unmirrored } = this.demux
    const mirrored = [...this.sessions.values()]
    const all = unmirrored.counters.received > 0 ? [unmirrored, ...mirrored] : mirrored
    return this.ledger.report({
      kernelLost,
      sessions: all.map((session) => session.report()),
      ...(flows && { flows }),
    })
  }

  #close(session: Session, why: 'evicted' | 'deleted'): void {
    this.ledger.close(session, why)
    this.counter?.endSession(session.index, 'session-deleted')
    this.finishCapture(session)
    this.#options.onClose?.(session, why)
    this.#byIndex[session.index] = undefined
  }
}
