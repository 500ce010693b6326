import type { FilterSubject } from '../filter/decision.js'
import { ExpressionFilter } from '../filter/expression-filter.js'
import { parseExpression } from '../filter/parser.js'
import type { CaptureInput } from '../pcap/capture-input.js'
import {
  type CaptureOutcome,
  type CapturePart,
  readCaptures,
  type Selection,
} from '../pcap/capture-merge.js'
import type { ReadOptions } from '../pcap/reader.js'
import { type SessionCapture, vniInName } from '../session/session.js'
import { Tap } from '../session/tap.js'
import { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { parseFrame } from '../wire/parse-frame.js'
import { type CaptureFile, openCaptureFile } from './capture-files.js'
import type { Moment } from './index-format.js'
import { type FilePlan, isBefore, type Search, SearchPlanner } from './search-plan.js'

/** Sessions told apart in a file; more than any mirror target sees. */
const SESSIONS_MAX = 65_535

export interface SearchOptions extends Omit<Search, 'expression'> {
  readonly files: readonly CaptureFile[]
  /** pcap-filter(7); empty wants every packet. */
  readonly text: string
  /** Is told of packets that the expression cannot be asked about. */
  readonly onProblem: (line: string) => void
}

/** Is shown each packet that is found, with the session it is of; null: of none that is known. */
export type OnFound = (packet: Packet, session: string | null) => void

/**
 * Packets of capture files, by an expression, a time and a session. The indexes beside the files say
 * what need not be read; what is read is decided on packet by packet, so that the answer is the
 * same without them.
 *
 * Each file is searched by itself, and what is found handed over in the order of time across files.
 * Files of `listen` hold mirrored frames, whose session is their directory's; those of others are
 * unwrapped as everywhere.
 */
export class PacketSearch {
  /** Packets found. */
  found = 0
  readonly #options: SearchOptions
  readonly #filter: ExpressionFilter
  readonly #planner: SearchPlanner
  /** By the number that packets carry. */
  readonly #sessions: (string | null)[] = []
  readonly #numbers = new Map<string | null, number>()

  /** Throws OperatorError (exit code 2) for an expression that is wrong. */
  constructor(options: SearchOptions) {
    this.#options = options
    this.#filter = new ExpressionFilter(options.text, options.onProblem)
    this.#planner = new SearchPlanner({ ...options, expression: parseExpression(options.text) })
  }

  /** What has to be read of each file, one after the other. */
  *plan(): Generator<FilePlan, void, undefined> {
    for (const file of this.#options.files) yield this.#planner.plan(file)
  }

  /** Reads what `plan` gave. Resolves with the outcome of each file that was begun. */
  read(
    plans: readonly FilePlan[],
    onFound: OnFound,
    afterBlock: ReadOptions['afterBlock'],
  ): Promise<CaptureOutcome[]> {
    const toRead = plans.filter(({ ranges }) => ranges === undefined || ranges.length > 0)
    return readCaptures(
      toRead.map(({ file }) => file.path),
      (packet) => {
        this.found++
        onFound(packet, this.#sessions[packet.origin]!)
      },
      {
        ...(afterBlock && { afterBlock }),
        open: (path): Promise<CaptureInput> => openCaptureFile(path),
        partOf: (file): CapturePart => toRead[file]!,
        select: (file, emit) => this.#select(toRead[file]!.file, emit),
      },
    )
  }

  #select(file: CaptureFile, emit: (packet: Packet) => void): Selection {
    const { since, until, decap, vxlanPort, genevePort, session } = this.#options
    const isTimely = (packet: Packet): boolean => {
      if (since === undefined && until === undefined) return true
      return packet.timed && isWithin(packet, since, until)
    }
    if (file.session !== undefined) {
      const number = this.#numberOf(file.session)
      return new OurSelection(this.#filter, file.session, isTimely, (packet) => {
        packet.origin = number
        emit(packet)
      })
    }
    const tap = new Tap({
      maxSessions: SESSIONS_MAX,
      counter: () => undefined,
      decap,
      vxlanPort,
      genevePort,
      filter: this.#filter,
      openCapture: ({ name }) =>
        session !== undefined && session !== name
          ? undefined
          : new FoundPackets(this.#numberOf(name), emit),
    })
    return {
      accept: (packet) => {
        if (isTimely(packet)) tap.demux.acceptPacket(packet)
      },
      end: () => tap.demux.end(),
    }
  }

  #numberOf(session: string | null): number {
    let number = this.#numbers.get(session)
    if (number === undefined) {
      number = this.#sessions.push(session) - 1
      this.#numbers.set(session, number)
    }
    return number
  }
}

function isWithin(packet: Moment, since: Moment | undefined, until: Moment | undefined): boolean {
  if (since !== undefined && isBefore(packet, since)) return false
  return until === undefined || !isBefore(until, packet)
}

/** Of a file that `listen` wrote: its frames are those that were mirrored, and stay as they are. */
class OurSelection implements Selection {
  readonly #filter: ExpressionFilter
  readonly #subject: FilterSubject
  readonly #isTimely: (packet: Packet) => boolean
  readonly #emit: (packet: Packet) => void
  readonly #frame = new Frame()

  constructor(
    filter: ExpressionFilter,
    session: string,
    isTimely: (packet: Packet) => boolean,
    emit: (packet: Packet) => void,
  ) {
    this.#filter = filter
    this.#subject = { vni: vniInName(session) ?? null, name: session, isFiled: true }
    this.#isTimely = isTimely
    this.#emit = emit
  }

  accept(packet: Packet): void {
    if (!this.#isTimely(packet)) return
    const { bytes, start, end, linkType, originalLength } = packet
    parseFrame(bytes, start, end, linkType, originalLength, this.#frame)
    if (this.#filter.accepts(packet, this.#frame, this.#subject)) this.#emit(packet)
  }

  end(): void {}
}

/** Takes the place of a session's capture file. */
class FoundPackets implements SessionCapture {
  readonly #number: number
  readonly #emit: (packet: Packet) => void

  constructor(number: number, emit: (packet: Packet) => void) {
    this.#number = number
    this.#emit = emit
  }

  write(packet: Packet, _kept: number, originalLength: number): boolean {
    packet.originalLength = originalLength
    packet.origin = this.#number
    this.#emit(packet)
    return true
  }

  tick(): void {}

  close(): Promise<void> {
    return Promise.resolve()
  }
}
