import { statSync } from 'node:fs'
import { OperatorError } from '../errors.js'
import type { Packet } from '../wire/packet.js'
import { PacketQueue } from './packet-queue.js'
import { type ByteRange, type CaptureSummary, type ReadOptions, readCapture } from './reader.js'

/** Files read at a time. Each holds what one block of it brings, and a descriptor. */
const OPEN_MAX = 64
/** With packets of this many bytes waiting in them, no other file is begun: a frame may have 128 MiB. */
const WAITING_OCTETS_MAX = 512 * 1024 * 1024

/** Of many files; the list of a file's interfaces may be long. */
export type FileSummary = Omit<CaptureSummary, 'interfaces'>

/** What became of one file. */
export interface CaptureOutcome {
  readonly path: string
  /** Undefined where it could not be read at all. */
  readonly summary: FileSummary | undefined
  /** Why it could not. */
  readonly error: OperatorError | undefined
  /** This many files overlap in time that this one was begun too late. */
  readonly isLate: boolean
}

/** Is shown each packet as it comes out of its file, in the file's own order; `file` counts from 0 in the order given. */
export type OnRead = (packet: Packet, file: number) => void

/** What is read of one file. */
export interface CapturePart {
  /** As ReadOptions.ranges; undefined: all. */
  readonly ranges: readonly ByteRange[] | undefined
  /** The earliest time in it; undefined where that is not known. */
  readonly begins: Moment | undefined
}

/** Stands between one file and the merge. */
export interface Selection {
  accept(packet: Packet): void
  /** The file has no more packets. */
  end(): void
}

/** How several capture files are read as one. */
export interface ReadCapturesOptions extends Omit<ReadOptions, 'ranges' | 'onParsed'> {
  onRead?: OnRead
  /** @internal */
  partOf?: (file: number) => CapturePart
  /**
   * Makes what takes the packets of a file and emits those to be merged.
   *
   * @internal
   */
  select?: (file: number, emit: (packet: Packet) => void) => Selection
}

interface Moment {
  readonly seconds: number
  readonly nanoseconds: number
}

const BEGINNING: Moment = { seconds: Number.NEGATIVE_INFINITY, nanoseconds: 0 }
const NEVER: Moment = { seconds: Number.POSITIVE_INFINITY, nanoseconds: 0 }

/**
 * Reads several captures as one: hands over the packets of all of them in the
 * order of time across files, and in the file's own order within each; of the same time, those of the
 * file given first. Resolves with the outcome of each file that was begun, in the order given.
 *
 * Files that follow each other in time, as a rotating writer leaves them, are read
 * as they lie; only where files overlap are packets copied to wait for each other.
 * As readCapture in all else; `octetsRead` counts those of all files.
 */
export async function readCaptures(
  paths: readonly string[],
  onPacket: (packet: Packet) => void,
  options: ReadCapturesOptions = {},
): Promise<CaptureOutcome[]> {
  const [path, ...others] = paths
  if (path !== undefined && others.length === 0) return [await readAlone(path, onPacket, options)]
  const merge = new CaptureMerge(onPacket, options)
  const sources = paths.map((path, file) => new Source(path, file, merge))
  for (const [file, source] of sources.entries()) {
    source.begins = options.partOf?.(file).begins ?? (await beginningOf(source.path, options))
  }
  await merge.run(sources)
  return sources.flatMap(({ outcome }) => outcome ?? [])
}

async function readAlone(
  path: string,
  onPacket: (packet: Packet) => void,
  options: ReadCapturesOptions,
): Promise<CaptureOutcome> {
  const { onRead, select, partOf, ...reading } = options
  const selection = select?.(0, onPacket)
  const take = selection === undefined ? onPacket : (packet: Packet) => selection.accept(packet)
  let summary: CaptureSummary | undefined
  let error: OperatorError | undefined
  try {
    summary = await readCapture(
      path,
      onRead === undefined
        ? take
        : (packet) => {
            onRead(packet, 0)
            take(packet)
          },
      { ...reading, ranges: partOf?.(0).ranges },
    )
    selection?.end()
  } catch (what) {
    if (!(what instanceof OperatorError)) throw what
    error = what
  }
  return { path, summary, error, isLate: false }
}

/** Time of the earliest packet in the first block. What is no file is begun at once: it can be read but once. */
async function beginningOf(path: string, { open }: ReadCapturesOptions): Promise<Moment> {
  let earliest = NEVER
  try {
    if (path === '-' || !statSync(path).isFile()) return BEGINNING
    await readCapture(
      path,
      ({ timed, seconds, nanoseconds }) => {
        if (timed && isBefore(seconds, nanoseconds, earliest)) earliest = { seconds, nanoseconds }
      },
      { afterBlock: () => false, ...(open && { open }) },
    )
  } catch {
    // Said when its turn has come.
  }
  return earliest === NEVER ? BEGINNING : earliest
}

function isBefore(seconds: number, nanoseconds: number, moment: Moment): boolean {
  return (
    seconds < moment.seconds || (seconds === moment.seconds && nanoseconds < moment.nanoseconds)
  )
}

class CaptureMerge {
  readonly onPacket: (packet: Packet) => void
  readonly onRead: OnRead | undefined
  readonly #options: ReadCapturesOptions
  /** Not begun yet, the earliest last. */
  #later: Source[] = []
  /** Being read. */
  #open: Source[] = []
  #octetsRead = 0
  stopped = false
  /** Until when the only file being read need not wait for another. */
  alone = NEVER

  constructor(onPacket: (packet: Packet) => void, options: ReadCapturesOptions) {
    this.onPacket = onPacket
    this.onRead = options.onRead
    this.#options = options
  }

  /** How a file is read. */
  readingOf(file: number): Pick<ReadOptions, 'open' | 'ranges'> {
    const { open, partOf } = this.#options
    return { ...(open && { open }), ranges: partOf?.(file).ranges }
  }

  selectionOf(file: number, emit: (packet: Packet) => void): Selection | undefined {
    return this.#options.select?.(file, emit)
  }

  async run(sources: readonly Source[]): Promise<void> {
    // A sort is stable: of files that begin together, the first given goes first.
    const inTime = (a: Source, b: Source): number =>
      Math.sign(a.begins.seconds - b.begins.seconds) || a.begins.nanoseconds - b.begins.nanoseconds
    this.#later = [...sources].sort(inTime).reverse()
    try {
      while (!this.stopped && this.#later.length + this.#open.length > 0) {
        if (this.#open.length === 0) this.#begin()
        await this.#fill()
        if (!this.stopped) this.#emit()
      }
    } finally {
      this.stopped = true
      const paused = this.#open.filter((source) => source.outcome === undefined)
      await Promise.allSettled(paused.map((source) => source.more()))
    }
  }

  /** Between blocks of a file, of which this many bytes are new. */
  afterBlock(octets: number): ReturnType<NonNullable<ReadOptions['afterBlock']>> {
    this.#octetsRead += octets
    return this.#options.afterBlock?.(this.#octetsRead)
  }

  #begin(): void {
    this.#open.push(this.#later.pop()!)
    this.#open.sort((a, b) => a.file - b.file)
  }

  /** Makes sure that every file being read has a packet to show, or is over. */
  async #fill(): Promise<void> {
    this.alone = this.#open.length === 1 ? (this.#later.at(-1)?.begins ?? NEVER) : BEGINNING
    let isOver = false
    for (const source of this.#open) {
      if (!source.waiting.isEmpty) continue
      await source.more()
      if (source.outcome !== undefined) isOver = true
    }
    // What is over may still have left packets.
    if (isOver) this.#dropDone()
  }

  /** Hands over packets of the file that has the earliest, up to where another's turn comes. */
  #emit(): void {
    let first = this.#open[0]
    if (first === undefined) return
    for (const source of this.#open) {
      const { headSeconds, headNanoseconds } = first.waiting
      if (compare(source.waiting, headSeconds, headNanoseconds) < 0) first = source
    }

    const next = this.#later.at(-1)
    const { waiting } = first
    // Up to then; at that very time only before files that were given later.
    let { seconds, nanoseconds } = next?.begins ?? NEVER
    let goesFirst = false
    if (next !== undefined && compare(waiting, seconds, nanoseconds) >= 0) {
      if (this.#mayBegin) {
        this.#begin()
        return
      }
      next.isLate = true
      ;({ seconds, nanoseconds } = NEVER)
    }
    for (const source of this.#open) {
      const order = source === first ? 1 : compare(source.waiting, seconds, nanoseconds)
      if (order > 0) continue
      goesFirst = first.file < source.file && (order < 0 || goesFirst)
      seconds = source.waiting.headSeconds
      nanoseconds = source.waiting.headNanoseconds
    }
    const atMost = goesFirst ? 0 : -1
    do this.onPacket(waiting.shift())
    while (!waiting.isEmpty && compare(waiting, seconds, nanoseconds) <= atMost)
    if (first.isDone) this.#dropDone()
  }

  #dropDone(): void {
    for (const source of this.#open) if (source.isDone) source.waiting.release()
    this.#open = this.#open.filter((source) => !source.isDone)
  }

  get #mayBegin(): boolean {
    let waiting = 0
    for (const source of this.#open) waiting += source.waiting.octets
    return this.#open.length < OPEN_MAX && waiting < WAITING_OCTETS_MAX
  }
}

/** Where the packet at the head lies by its time: -1 before that moment, 1 after it. */
function compare(
  { headSeconds, headNanoseconds }: PacketQueue,
  seconds: number,
  nanoseconds: number,
): -1 | 0 | 1 {
  if (headSeconds !== seconds) return headSeconds < seconds ? -1 : 1
  if (headNanoseconds === nanoseconds) return 0
  return headNanoseconds < nanoseconds ? -1 : 1
}

/** One file, read a block at a time when asked for more. */
class Source {
  readonly path: string
  readonly file: number
  begins = BEGINNING
  isLate = false
  readonly waiting = new PacketQueue()
  outcome: CaptureOutcome | undefined = undefined
  readonly #selection: Selection | undefined
  readonly #merge: CaptureMerge
  #reading: Promise<void> | undefined = undefined
  #octetsRead = 0
  /** Has reading go on. */
  #resume: (goOn: boolean) => void = () => undefined
  /** Settles what waits for more. */
  #arrived: () => void = () => undefined
  #failure: { readonly what: unknown } | undefined = undefined

  constructor(path: string, file: number, merge: CaptureMerge) {
    this.path = path
    this.file = file
    this.#merge = merge
    this.#selection = merge.selectionOf(file, (packet) => this.#put(packet))
  }

  get isDone(): boolean {
    return this.outcome !== undefined && this.waiting.isEmpty
  }

  /** Reads on until packets wait or the file is over. Rejects with what a caller's function threw. */
  async more(): Promise<void> {
    const arrived = new Promise<void>((resolve) => {
      this.#arrived = resolve
    })
    if (this.#reading === undefined) this.#reading = this.#read()
    else this.#resume(!this.#merge.stopped)
    await arrived
    if (this.#failure !== undefined) throw this.#failure.what
  }

  async #read(): Promise<void> {
    let summary: FileSummary | undefined
    let error: OperatorError | undefined
    try {
      summary = await readCapture(this.path, (packet) => this.#take(packet), {
        ...this.#merge.readingOf(this.file),
        afterBlock: (octetsRead) => this.#afterBlock(octetsRead),
        listInterfaces: false,
      })
      if (!this.#merge.stopped) this.#selection?.end()
    } catch (what) {
      if (what instanceof OperatorError) error = what
      else this.#failure = { what }
    }
    this.outcome = { path: this.path, summary, error, isLate: this.isLate }
    this.#arrived()
  }

  #take(packet: Packet): void {
    this.#merge.onRead?.(packet, this.file)
    if (this.#selection === undefined) this.#put(packet)
    else this.#selection.accept(packet)
  }

  #put(packet: Packet): void {
    const merge = this.#merge
    const { alone } = merge
    const goesOn =
      this.waiting.isEmpty &&
      (!packet.timed || isBefore(packet.seconds, packet.nanoseconds, alone)) &&
      alone !== BEGINNING
    if (goesOn) merge.onPacket(packet)
    else this.waiting.push(packet)
  }

  #afterBlock(octetsRead: number): ReturnType<NonNullable<ReadOptions['afterBlock']>> {
    const merge = this.#merge
    if (merge.stopped) return false
    const answer = merge.afterBlock(octetsRead - this.#octetsRead)
    this.#octetsRead = octetsRead
    if (answer === false) {
      merge.stopped = true
      return false
    }
    if (typeof answer === 'object') return this.#heed(answer)
    return this.waiting.isEmpty ? true : this.#pause()
  }

  async #heed(answer: Promise<unknown>): Promise<boolean> {
    if ((await answer) === false) {
      this.#merge.stopped = true
      return false
    }
    return this.waiting.isEmpty ? true : this.#pause()
  }

  #pause(): Promise<boolean> {
    const resumed = new Promise<boolean>((resolve) => {
      this.#resume = resolve
    })
    this.#arrived()
    return resumed
  }
}
