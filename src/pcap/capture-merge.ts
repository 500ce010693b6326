import { statSync } from 'node:fs'
import { OperatorError } from '../errors.js'
import type { Packet } from '../wire/packet.js'
import { PacketQueue } from './packet-queue.js'
import { type CaptureSummary, type ReadOptions, readCapture } from './reader.js'

/** Files read at a time. Each holds what one block of it brings, and a descriptor. */
const OPEN_MAX = 64
/** With packets of so many bytes waiting in them, no other file is begun: a frame may have 128 MiB. */
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
  /** So many files overlap in time that this one was begun too late. */
  readonly isLate: boolean
}

/** Is shown each packet as it comes out of its file, in the file's own order; `file` counts from 0 in the order given. */
export type OnRead = (packet: Packet, file: number) => void

export interface ReadCapturesOptions extends ReadOptions {
  onRead?: OnRead
}

interface Moment {
  readonly seconds: number
  readonly nanoseconds: number
}

const BEGINNING: Moment = { seconds: Number.NEGATIVE_INFINITY, nanoseconds: 0 }
const NEVER: Moment = { seconds: Number.POSITIVE_INFINITY, nanoseconds: 0 }

/**
 * Reads several captures as one: hands over the packets of all of them in the
 * order of time across files, and in the file's own order within each. Resolves
 * with the outcome of each file that was begun, in the order given.
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
  for (const source of sources) source.begins = await beginningOf(source.path)
  await merge.run(sources)
  return sources.flatMap(({ outcome }) => outcome ?? [])
}

async function readAlone(
  path: string,
  onPacket: (packet: Packet) => void,
  options: ReadCapturesOptions,
): Promise<CaptureOutcome> {
  const { onRead } = options
  let summary: CaptureSummary | undefined
  let error: OperatorError | undefined
  try {
    summary = await readCapture(
      path,
      onRead === undefined
        ? onPacket
        : (packet) => {
            onRead(packet, 0)
            onPacket(packet)
          },
      options,
    )
  } catch (what) {
    if (!(what instanceof OperatorError)) throw what
    error = what
  }
  return { path, summary, error, isLate: false }
}

/** Time of the earliest packet in the first block. What is no file is begun at once: it can be read but once. */
async function beginningOf(path: string): Promise<Moment> {
  let earliest = NEVER
  try {
    if (path === '-' || !statSync(path).isFile()) return BEGINNING
    await readCapture(
      path,
      ({ timed, seconds, nanoseconds }) => {
        if (timed && isBefore(seconds, nanoseconds, earliest)) earliest = { seconds, nanoseconds }
      },
      { afterBlock: () => false },
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
  readonly #options: ReadOptions
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

  /** Where files are opened, if not where readCapture does. */
  get opening(): Pick<ReadOptions, 'open'> {
    const { open } = this.#options
    return open === undefined ? {} : { open }
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

  /** Between blocks of a file, of which so many octets are new. */
  afterBlock(octets: number): ReturnType<NonNullable<ReadOptions['afterBlock']>> {
    this.#octetsRead += octets
    return this.#options.afterBlock?.(this.#octetsRead)
  }

  #begin(): void {
    this.#open.push(this.#later.pop()!)
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
    for (const source of this.#open) if (isEarlier(source.waiting, first.waiting)) first = source

    const next = this.#later.at(-1)
    let { seconds, nanoseconds } = next?.begins ?? NEVER
    const { waiting } = first
    if (
      next !== undefined &&
      !isBefore(waiting.headSeconds, waiting.headNanoseconds, next.begins)
    ) {
      if (this.#mayBegin) {
        this.#begin()
        return
      }
      next.isLate = true
      ;({ seconds, nanoseconds } = NEVER)
    }
    for (const source of this.#open) {
      const { headSeconds, headNanoseconds } = source.waiting
      if (source === first || (headSeconds === seconds && headNanoseconds >= nanoseconds)) continue
      if (headSeconds > seconds) continue
      seconds = headSeconds
      nanoseconds = headNanoseconds
    }
    do this.onPacket(waiting.shift())
    while (
      !waiting.isEmpty &&
      (waiting.headSeconds < seconds ||
        (waiting.headSeconds === seconds && waiting.headNanoseconds <= nanoseconds))
    )
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

function isEarlier(a: PacketQueue, b: PacketQueue): boolean {
  return (
    a.headSeconds < b.headSeconds ||
    (a.headSeconds === b.headSeconds && a.headNanoseconds < b.headNanoseconds)
  )
}

/** One file, read a block at a time when asked for more. */
class Source {
  readonly path: string
  begins = BEGINNING
  isLate = false
  readonly waiting = new PacketQueue()
  outcome: CaptureOutcome | undefined = undefined
  readonly #file: number
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
    this.#file = file
    this.#merge = merge
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
        ...this.#merge.opening,
        afterBlock: (octetsRead) => this.#afterBlock(octetsRead),
        listInterfaces: false,
      })
    } catch (what) {
      if (what instanceof OperatorError) error = what
      else this.#failure = { what }
    }
    this.outcome = { path: this.path, summary, error, isLate: this.isLate }
    this.#arrived()
  }

  #take(packet: Packet): void {
    const merge = this.#merge
    const { alone } = merge
    merge.onRead?.(packet, this.#file)
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
