import { statSync } from 'node:fs'
import { OperatorError } from '../errors.js'
import type { Packet } from '../wire/packet.js'
import { PacketQueue } from './packet-queue.js'
import { PacketSpill } from './packet-spill.js'
import {
  type ByteRange,
  type CaptureSummary,
  type KnownRestart,
  type ReadOptions,
  readCapture,
} from './reader.js'

/**
 * Files read at the same time. Each needs the memory of a block, and a descriptor. If more of them
 * overlap, the rest of half of them is merged into one temporary file.
 */
const OPEN_MAX = 64
/** The same is done if this many bytes of packets wait: a frame may have 128 MiB. */
const WAITING_OCTETS_MAX = 512 * 1024 * 1024

/** Without the interfaces: many files may have long lists of them. */
export type FileSummary = Omit<CaptureSummary, 'interfaces'>

/** What became of one file. */
export interface CaptureOutcome {
  readonly path: string
  /** Undefined if it could not be read at all. */
  readonly summary: FileSummary | undefined
  /** Why it could not. */
  readonly error: OperatorError | undefined
}

/** Called with each packet as it is read, in the order of its file. `file` is its index among the files given. */
export type OnRead = (packet: Packet, file: number) => void

/** What is read of one file. */
export interface CapturePart {
  /** Like ReadOptions.ranges; undefined: all of the file. */
  readonly ranges: readonly ByteRange[] | undefined
  /** Like ReadOptions.restarts. */
  readonly restarts?: readonly KnownRestart[] | undefined
  /** The earliest time in the file, if that is known. */
  readonly begins: Moment | undefined
}

/** Passes the packets of one file to the merge. */
export interface Selection {
  accept(packet: Packet): void
  /** The file has no more packets. */
  end(): void
}

/** How several capture files are read as one. */
export interface ReadCapturesOptions
  extends Omit<ReadOptions, 'ranges' | 'restarts' | 'onParsed' | 'noteRestarts'> {
  onRead?: OnRead
  /** @internal */
  partOf?: (file: number) => CapturePart
  /**
   * Makes the stage that takes the packets of a file and emits those to merge.
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
 * Reads several captures as one. Packets are handed over in the order of time across files, and in the
 * order of the file within each; at the same time, the file given first goes first. Resolves with the
 * outcome of each file that was begun, in the order given.
 *
 * Files that follow each other in time, as a rotating writer leaves them, are read without copying.
 * Only where files overlap are packets copied, and on the disk only where very many files do.
 * Everything else is as in readCapture; `octetsRead` counts the bytes of all files.
 */
export async function readCaptures(
  paths: readonly string[],
  onPacket: (packet: Packet) => void,
  options: ReadCapturesOptions = {},
): Promise<CaptureOutcome[]> {
  const [path, ...others] = paths
  if (path !== undefined && others.length === 0) return [await readAlone(path, onPacket, options)]
  const merge = new CaptureMerge((packet) => onPacket(packet), options)
  const sources = paths.map((path, file) => new FileSource(path, file, merge))
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
  const part = partOf?.(0)
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
      { ...reading, ranges: part?.ranges, restarts: part?.restarts },
    )
    selection?.end()
  } catch (what) {
    if (!(what instanceof OperatorError)) throw what
    error = what
  }
  return { path, summary, error }
}

/** Time of the earliest packet in the first block. Input that is not a file can be read only once, and begins at once. */
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
    // Reported when its turn has come.
  }
  return earliest === NEVER ? BEGINNING : earliest
}

function isBefore(seconds: number, nanoseconds: number, moment: Moment): boolean {
  return (
    seconds < moment.seconds || (seconds === moment.seconds && nanoseconds < moment.nanoseconds)
  )
}

/** A source of packets to merge. */
interface Source {
  readonly waiting: PacketQueue
  /** How often its packets have been written to the temporary directory. */
  readonly level: number
  /** Whether all packets have been read. */
  readonly isOver: boolean
  /** Reads until packets wait or the source ends. Rejects with what a function of the caller threw. */
  more(): Promise<void>
  /** Stops reading. */
  end(): Promise<void>
}

class CaptureMerge {
  readonly onRead: OnRead | undefined
  /** Takes packets in order, with the file that each is from. */
  emit: OnRead
  readonly #options: ReadCapturesOptions
  /** Files not begun yet, the earliest last. */
  #later: FileSource[] = []
  /** Files being read. */
  #open: Source[] = []
  #octetsRead = 0
  stopped = false
  /** The time up to which the only file being read need not wait for another. */
  alone = NEVER

  constructor(emit: OnRead, options: ReadCapturesOptions) {
    this.emit = emit
    this.onRead = options.onRead
    this.#options = options
  }

  /** How a file is read. */
  readingOf(file: number): Pick<ReadOptions, 'open' | 'ranges' | 'restarts'> {
    const { open, partOf } = this.#options
    const part = partOf?.(file)
    return { ...(open && { open }), ranges: part?.ranges, restarts: part?.restarts }
  }

  selectionOf(file: number, emit: (packet: Packet) => void): Selection | undefined {
    return this.#options.select?.(file, emit)
  }

  async run(sources: readonly FileSource[]): Promise<void> {
    // The sort is stable: of files that begin at the same time, the one given first goes first.
    const inTime = (a: FileSource, b: FileSource): number =>
      Math.sign(a.begins.seconds - b.begins.seconds) || a.begins.nanoseconds - b.begins.nanoseconds
    this.#later = [...sources].sort(inTime).reverse()
    try {
      while (!this.stopped && this.#later.length + this.#open.length > 0) {
        if (this.#open.length === 0) this.#begin()
        await this.#fill()
        const first = this.stopped ? undefined : this.#first()
        if (first === undefined) continue
        if (!this.#mustBegin(first)) this.#emit(first)
        else if (this.#mayBegin) this.#begin()
        else await this.#spill()
      }
    } finally {
      this.stopped = true
      await Promise.allSettled(this.#open.map((source) => source.end()))
    }
  }

  /** Called between blocks of a file, with the number of new bytes. */
  afterBlock(octets: number): ReturnType<NonNullable<ReadOptions['afterBlock']>> {
    this.#octetsRead += octets
    return this.#options.afterBlock?.(this.#octetsRead)
  }

  #begin(): void {
    this.#open.push(this.#later.pop()!)
  }

  /** Makes sure that every file being read has a packet ready, or has ended. */
  async #fill(): Promise<void> {
    this.alone = this.#open.length === 1 ? (this.#later.at(-1)?.begins ?? NEVER) : BEGINNING
    let isOver = false
    for (const source of this.#open) {
      if (!source.waiting.isEmpty) continue
      await source.more()
      if (source.isOver) isOver = true
    }
    // A file that has ended may still have packets waiting.
    if (isOver) this.#dropDone()
  }

  /** The source with the earliest packet; at the same time, that of the file given first. */
  #first(): Source | undefined {
    let first = this.#open[0]
    for (const source of this.#open) {
      if (comesBefore(source.waiting, first!.waiting)) first = source
    }
    return first
  }

  /** Whether the next file may have a packet before those that wait. */
  #mustBegin({ waiting }: Source): boolean {
    const next = this.#later.at(-1)
    if (next === undefined) return false
    return compare(waiting, next.begins.seconds, next.begins.nanoseconds) >= 0
  }

  /** Hands over packets of the file with the earliest one, until it is another file's turn. */
  #emit(first: Source): void {
    const { waiting } = first
    const file = waiting.headFile
    // Up to that time; at that time only if this file was given first.
    let { seconds, nanoseconds } = this.#later.at(-1)?.begins ?? NEVER
    let goesFirst = false
    for (const source of this.#open) {
      const order = source === first ? 1 : compare(source.waiting, seconds, nanoseconds)
      if (order > 0) continue
      goesFirst = file < source.waiting.headFile && (order < 0 || goesFirst)
      seconds = source.waiting.headSeconds
      nanoseconds = source.waiting.headNanoseconds
    }
    const atMost = goesFirst ? 0 : -1
    do this.emit(waiting.shift(), file)
    while (
      !waiting.isEmpty &&
      waiting.headFile === file &&
      compare(waiting, seconds, nanoseconds) <= atMost
    )
    if (waiting.isEmpty && first.isOver) this.#dropDone()
  }

  #dropDone(): void {
    const isDone = ({ isOver, waiting }: Source): boolean => isOver && waiting.isEmpty
    for (const source of this.#open) if (isDone(source)) source.waiting.release()
    this.#open = this.#open.filter((source) => !isDone(source))
  }

  get #mayBegin(): boolean {
    if (this.#open.length === 1) return true
    let waiting = 0
    for (const source of this.#open) waiting += source.waiting.octets
    return this.#open.length < OPEN_MAX && waiting < WAITING_OCTETS_MAX
  }

  /**
   * Merges the rest of some open files into one. Those that have been written least often are chosen, so
   * that with n files each packet is written about log n times.
   */
  async #spill(): Promise<void> {
    const enough = Math.min(this.#open.length, OPEN_MAX / 2)
    const levels = this.#open.map(({ level }) => level).sort((a, b) => a - b)
    const level = levels[enough - 1]!
    const [open, later, emit] = [this.#open, this.#later, this.emit]
    const spill = new PacketSpill(level + 1)
    this.#later = []
    this.#open = open.filter((source) => source.level <= level)
    this.emit = (packet, file) => spill.write(packet, file)
    try {
      while (!this.stopped && this.#open.length > 0) {
        await this.#fill()
        const first = this.stopped ? undefined : this.#first()
        if (first !== undefined) this.#emit(first)
        if (spill.error !== undefined) throw spill.error
      }
    } finally {
      this.emit = emit
      this.#later = later
      const rest = open.filter((source) => source.level > level)
      this.#open = [...this.#open, ...rest, spill]
    }
    if (!this.stopped) spill.rewind()
  }
}

/** Compares the time of the packet at the head with a moment: -1 before it, 1 after it. */
function compare(
  { headSeconds, headNanoseconds }: PacketQueue,
  seconds: number,
  nanoseconds: number,
): -1 | 0 | 1 {
  if (headSeconds !== seconds) return headSeconds < seconds ? -1 : 1
  if (headNanoseconds === nanoseconds) return 0
  return headNanoseconds < nanoseconds ? -1 : 1
}

function comesBefore(one: PacketQueue, other: PacketQueue): boolean {
  const order = compare(one, other.headSeconds, other.headNanoseconds)
  return order < 0 || (order === 0 && one.headFile < other.headFile)
}

/** One file, read block by block on demand. */
class FileSource implements Source {
  readonly path: string
  readonly file: number
  begins = BEGINNING
  readonly level = 0
  readonly waiting = new PacketQueue()
  outcome: CaptureOutcome | undefined = undefined
  #selection: Selection | undefined = undefined
  readonly #merge: CaptureMerge
  #reading: Promise<void> | undefined = undefined
  #octetsRead = 0
  /** Continues reading. */
  #resume: (goOn: boolean) => void = () => undefined
  /** Wakes the caller that waits for packets. */
  #arrived: () => void = () => undefined
  #failure: { readonly what: unknown } | undefined = undefined

  constructor(path: string, file: number, merge: CaptureMerge) {
    this.path = path
    this.file = file
    this.#merge = merge
  }

  get isOver(): boolean {
    return this.outcome !== undefined
  }

  async end(): Promise<void> {
    if (this.outcome === undefined) await this.more()
  }

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
    this.#selection = this.#merge.selectionOf(this.file, (packet) => this.#put(packet))
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
    this.#selection = undefined
    this.outcome = { path: this.path, summary, error }
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
    if (goesOn) merge.emit(packet, this.file)
    else this.waiting.push(packet, this.file)
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
