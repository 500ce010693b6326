import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { Demux, type DemuxOptions } from '../../src/session/demux.js'
import type { DuplicateMode } from '../../src/session/duplicates.js'
import { Ledger } from '../../src/session/ledger.js'
import { Pipeline } from '../../src/session/pipeline.js'
import type { Session } from '../../src/session/session.js'
import type { SessionCounters } from '../../src/session/session-counters.js'
import { SessionDirectory, type SessionKey } from '../../src/session/session-directory.js'
import type { Packet } from '../../src/wire/packet.js'

/** A frame as it came to its session's capture. */
export interface Delivered {
  /** null: not mirrored. */
  session: string | null
  frame: Buffer
  originalLength: number
  linkType: number
  seconds: number
  nanoseconds: number
}

export interface DemuxRunOptions extends Omit<DemuxOptions, 'ledger' | 'sessions' | 'pipeline'> {
  key?: SessionKey
  max?: number
  maxFlows?: number
  duplicates?: DuplicateMode
}

/** A demultiplexer with all that lies behind it, and copies of the frames that came through. */
export class DemuxRun {
  readonly ledger = new Ledger()
  readonly delivered: Delivered[] = []
  readonly sessions: SessionDirectory
  readonly tracker: FlowTracker
  readonly demux: Demux
  /** Packets in all flow records so far, and what each record said. */
  recorded = 0
  readonly records: string[] = []
  /** Sessions that were let go. */
  readonly gone: Session[] = []

  constructor(options: DemuxRunOptions = {}) {
    const { key = 'source+vni', max = 100, maxFlows = 1000, duplicates, ...rest } = options
    this.tracker = new FlowTracker({
      capacity: maxFlows,
      sessions: max + 2,
      lifetime: LIFETIMES.nfw,
      windowSeconds: 60,
      onRecord: (record) => {
        const { session, protocol, sourcePort, destinationPort, packets, bytes } = record
        const { startSeconds, endSeconds, vpcTcpFlags, reason } = record
        this.recorded += packets
        this.records.push(
          `${session} ${protocol} ${sourcePort}>${destinationPort} ${packets} ${bytes} ` +
            `${startSeconds}-${endSeconds} ${vpcTcpFlags} ${reason}`,
        )
      },
    })
    this.sessions = new SessionDirectory({
      max,
      key,
      onOpen: () => undefined,
      onClose: (session) => {
        this.tracker.endSession(session.index, 'session-deleted')
        this.gone.push(session)
      },
    })
    const pipeline = new Pipeline({
      ledger: this.ledger,
      tracker: this.tracker,
      openCapture: (session) => this.#capture(session),
      ...(duplicates && { duplicates }),
    })
    this.demux = new Demux({ ledger: this.ledger, sessions: this.sessions, pipeline, ...rest })
  }

  /** Every session there was. */
  get all(): Session[] {
    return [...this.sessions.values(), ...this.gone, this.demux.unmirrored]
  }

  /** What does not add up: empty when all sums are right. */
  wrongSums(): string[] {
    const { ledger, all } = this
    const sum = (of: (counters: SessionCounters) => number) =>
      all.reduce((total, { counters }) => total + of(counters), 0)
    const inSessions = sum(({ received }) => received)
    const outside = ledger.filtered + ledger.unknownSession
    const inside = ledger.accepted + ledger.duplicate
    const malformedInside = sum(({ malformed }) => malformed)
    const rules: Record<string, [number, number]> = {
      'received = accepted + filtered + unknownSession + duplicate + malformed': [
        ledger.received,
        inside + outside + ledger.malformedTotal,
      ],
      'accepted, of all sessions': [ledger.accepted, sum(({ accepted }) => accepted)],
      'flowPackets + untracked = accepted': [
        sum(({ flowPackets, untracked }) => flowPackets + untracked),
        ledger.accepted,
      ],
      'received, of all sessions': [inSessions, inside + malformedInside],
      'captured, of all sessions': [sum(({ captured }) => captured), this.delivered.length],
      'captured = received - duplicate': [this.delivered.length, inSessions - ledger.duplicate],
    }
    if (malformedInside > ledger.malformedTotal) return ['malformed frames of no account']
    return Object.entries(rules)
      .filter(([, [left, right]]) => left !== right)
      .map(([rule, [left, right]]) => `${rule}: ${left}, ${right}`)
  }

  #capture(session: Session) {
    return {
      write: (packet: Packet, kept: number, originalLength: number): boolean => {
        const { bytes, start, seconds, nanoseconds, linkType } = packet
        this.delivered.push({
          session: session.name,
          frame: Buffer.from(bytes.subarray(start, start + kept)),
          originalLength,
          linkType,
          seconds,
          nanoseconds,
        })
        return true
      },
      tick: () => undefined,
      close: () => Promise.resolve(),
    }
  }
}
