import { SESSION_INDICES } from '../flow/flow-entry.js'
import type { FlowTrackerOptions } from '../flow/flow-lives.js'
import type { OnFlowRecord } from '../flow/flow-record.js'
import { FlowTracker } from '../flow/flow-tracker.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import {
  type CaptureOutcome,
  type CapturePart,
  type OnRead,
  readCaptures,
} from '../pcap/capture-merge.js'
import { type CaptureSummary, type ReadOptions, readCapture } from '../pcap/reader.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { Ledger } from '../session/ledger.js'
import type { PacketObserver } from '../session/pipeline.js'
import type { PacketFilter, Session } from '../session/session.js'
import { Tap } from '../session/tap.js'
import type { Packet } from '../wire/packet.js'

export interface OfflineOptions {
  decap: 'auto' | 'none'
  vxlanPort: number
  genevePort: number
  vnis?: ReadonlySet<number>
  duplicates?: DuplicateMode
  /** Packets before and after these moments are left out. A packet without a time lies between none. */
  since?: PointInTime | undefined
  until?: PointInTime | undefined
  /** Given the files, says what of each has to be read for the packets between those moments. */
  partsOf?: ((paths: readonly string[]) => (file: number) => CapturePart) | undefined
  /** Without it packets are not counted into flows. */
  flows?: Omit<FlowTrackerOptions, 'sessions' | 'complete'>
  /** In place of `flows`: makes what counts packets into flows, of which every record is to be shown to `complete`. */
  counter?: (complete: OnFlowRecord) => PacketCounter | undefined
  observe?: PacketObserver
  /** As ReadOptions.open. */
  open?: ReadOptions['open']
  /** Of every session; packets it does not want are counted as filtered. */
  filter?: PacketFilter
}

type AfterBlock = NonNullable<ReadOptions['afterBlock']>

export interface PointInTime {
  readonly seconds: number
  readonly nanoseconds: number
}

/** Capture files through the same pipeline that live packets take. */
export class Offline {
  readonly tracker: FlowTracker | undefined
  /** Time of the latest packet by its own clock. */
  lastSeconds = 0
  lastNanoseconds = 0
  /** How far a packet's time lies before that of one read earlier, in seconds, at most. */
  setBackSeconds = 0
  /** Packets after `until` that were left out. */
  later = 0

  readonly #tap: Tap<PacketCounter | undefined>
  readonly #since: PointInTime | undefined
  readonly #until: PointInTime | undefined
  readonly #partsOf: OfflineOptions['partsOf']
  readonly #open: ReadOptions['open']

  constructor(options: OfflineOptions) {
    this.#since = options.since
    this.#until = options.until
    this.#partsOf = options.partsOf
    this.#open = options.open
    const { flows, counter } = options
    this.#tap = new Tap<PacketCounter | undefined>({
      ...options,
      maxSessions: SESSION_INDICES - 2,
      counter: (complete) => {
        if (counter !== undefined) return counter(complete)
        return flows && new FlowTracker({ ...flows, sessions: SESSION_INDICES, complete })
      },
    })
    const made = this.#tap.counter
    this.tracker = made instanceof FlowTracker ? made : undefined
  }

  get ledger(): Ledger {
    return this.#tap.ledger
  }

  /** See PacketCounter. */
  get clampedTimes(): number {
    return this.#tap.counter?.clampedTimes ?? 0
  }

  /** The session a flow or record speaks of. */
  session(index: number): Session {
    return this.#tap.session(index)
  }

  /** Every session seen, that of the packets that were not mirrored included. */
  get sessions(): Session[] {
    return this.#tap.all
  }

  /**
   * Reads one file. `afterBlock` is called between blocks, as readCapture does,
   * when everything due by the time of the packets so far has been done.
   */
  async read(path: string, afterBlock?: AfterBlock): Promise<CaptureSummary> {
    const options = this.#readOptions(afterBlock)
    const summary = await readCapture(path, (packet) => this.accept(packet), options)
    this.end()
    return summary
  }

  /** Reads several files as one, in the order of time across them; see readCaptures. */
  async readAll(
    paths: readonly string[],
    afterBlock?: AfterBlock,
    onRead?: OnRead,
  ): Promise<CaptureOutcome[]> {
    const options = this.#readOptions(afterBlock)
    const outcomes = await readCaptures(paths, (packet) => this.accept(packet), {
      ...options,
      ...(this.#partsOf && { partOf: this.#partsOf(paths) }),
      ...(onRead && {
        onRead: (packet, file) => {
          if (!this.#isEarly(packet) && !this.#isLate(packet)) onRead(packet, file)
        },
      }),
    })
    this.end()
    return outcomes
  }

  #readOptions(afterBlock: AfterBlock = () => undefined): ReadOptions {
    return {
      ...(this.#open && { open: this.#open }),
      afterBlock: (octetsRead) => {
        this.work()
        return afterBlock(octetsRead)
      },
    }
  }

  /** Does everything due by the time of the packets so far. */
  work(): void {
    const { counter } = this.#tap
    if (counter !== undefined) while (counter.work(Number.MAX_SAFE_INTEGER));
  }

  /** Passes on what waits for fragments that do not come: there are no more packets. */
  end(): void {
    this.#tap.demux.end()
    this.work()
  }

  /**
   * Takes a packet of a file that somebody else reads; `work` is then to be called
   * between its blocks, and `end` when all have come.
   */
  accept(packet: Packet): void {
    if (this.#isEarly(packet)) return
    if (this.#isLate(packet)) {
      this.later++
      return
    }
    const { seconds, nanoseconds } = packet
    if (!packet.timed) {
      this.#tap.demux.acceptPacket(packet)
      return
    }
    if (seconds >= this.lastSeconds) {
      if (seconds > this.lastSeconds || nanoseconds > this.lastNanoseconds) {
        this.lastSeconds = seconds
        this.lastNanoseconds = nanoseconds
      }
    } else if (this.lastSeconds - seconds > this.setBackSeconds) {
      this.setBackSeconds = this.lastSeconds - seconds
    }
    this.#tap.demux.acceptPacket(packet)
  }

  #isEarly(packet: Packet): boolean {
    return this.#since !== undefined && (!packet.timed || isBefore(packet, this.#since))
  }

  #isLate(packet: Packet): boolean {
    return this.#until !== undefined && isBefore(this.#until, packet)
  }
}

/** Of two points in time. */
function isBefore({ seconds, nanoseconds }: PointInTime, moment: PointInTime): boolean {
  return (
    seconds < moment.seconds || (seconds === moment.seconds && nanoseconds < moment.nanoseconds)
  )
}
