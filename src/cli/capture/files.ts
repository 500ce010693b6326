import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '../../errors.js'
import { ExpressionFilter } from '../../filter/expression-filter.js'
import { captureNames } from '../../offline/capture-names.js'
import { timeProblems } from '../../offline/problems.js'
import { type CaptureFormat, LAST_SECOND } from '../../pcap/capture-writer.js'
import { JointCapture } from '../../pcap/joint-capture.js'
import { type CaptureSummary, readCapture } from '../../pcap/reader.js'
import { SplitCapture } from '../../pcap/split-capture.js'
import { Tap } from '../../session/tap.js'
import { errnoOf } from '../../sink/write-error.js'
import { GENEVE_PORT } from '../../wire/geneve.js'
import { LINKTYPE_ETHERNET } from '../../wire/link-type.js'
import type { Packet } from '../../wire/packet.js'
import { checkNames } from '../named-files.js'
import { failWith, sayTrailing } from '../offline-input.js'
import { Progress } from '../process/progress.js'
import { writeStats } from '../process/stats-file.js'
import { Interrupted, type Stop, stoppable } from '../process/stop.js'
import { counted, sayWritten } from '../process/written.js'
import { jointOptions } from './joint-options.js'
import type { CaptureOptions } from './options.js'

/** Sessions told apart in one run; more than any mirror target sees. */
const SESSIONS_MAX = 65_535
/** What packets that were not mirrored are called. */
const NOT_MIRRORED = 'not-mirrored'
/** Blocks of input between two looks at signals: some 16 MiB. */
const BLOCKS_A_TURN = 64

/** Writes the packets of capture files to others. Throws OperatorError. */
export async function captureFiles(
  options: CaptureOptions,
  files: readonly string[],
): Promise<void> {
  const { stats, write, split } = options
  checkNames(files, [...(stats === undefined ? [] : [stats]), ...(split ? [] : [write])])
  const conversion = new Conversion(options, (path) => checkNames(files, [path]))
  await stoppable((stop) => conversion.run(files, stop))
}

/** Capture files on their way into others. */
class Conversion {
  readonly #capture: JointCapture | SplitCapture
  readonly #tap: Tap
  readonly #format: CaptureFormat
  readonly #isPiped: boolean
  readonly #stats: string | undefined
  readonly #problems: string[] = []
  /** The file or directory named, or the last file of a series. */
  #target: string
  #files: number | undefined
  #untimely = 0
  /** Why a packet could not be written, which is the fault of no input. */
  #refusal: unknown = undefined

  constructor(options: CaptureOptions, onFile: (path: string) => void) {
    const { decap, vxlanPort, genevePort = GENEVE_PORT, vni, filter: text } = options
    const onProblem = (line: string) => this.#problems.push(line)
    // Before a file is made that nothing would be written to.
    const filter = text === undefined ? undefined : new ExpressionFilter(text, onProblem)
    this.#target = options.write
    const capture = openCapture(options, (path) => {
      onFile(path)
      if (options.split !== true) this.#target = path
      this.#files = (this.#files ?? 0) + 1
    })
    this.#capture = capture
    this.#format = jointOptions(options).format
    this.#isPiped = options.write === '-'
    this.#stats = options.stats
    const names =
      capture instanceof JointCapture
        ? captureNames(capture, this.#format, options.names)
        : undefined
    this.#tap = new Tap({
      observe: names?.observe,
      maxSessions: SESSIONS_MAX,
      counter: () => undefined,
      openCapture: (session) => capture.source(session.name ?? NOT_MIRRORED),
      decap,
      vxlanPort,
      genevePort,
      ...(vni && { vnis: new Set(vni) }),
      filter,
    })
  }

  async run(files: readonly string[], stop: Stop): Promise<void> {
    const progress = new Progress(files)
    try {
      let unreadable = 0
      for (const file of files) {
        try {
          await this.#read(file, stop, progress)
        } catch (error) {
          if (!(error instanceof OperatorError) || error === this.#refusal) throw error
          this.#problems.push(error.message)
          unreadable++
        }
        if (stop.isReached) break
        progress.fileDone()
      }
      if (unreadable === files.length) failWith(this.#problems)
      // The end of standard input: who watches a pipe wants what came.
      if (stop.by !== undefined && files.includes('-')) stop.rearm()
      if (stop.by !== undefined) throw new Interrupted(stop.by)
      this.#tap.demux.end()
      await this.#finish(stop)
    } catch (error) {
      await this.#capture.discard()
      throw error
    } finally {
      progress.done()
    }
    failWith(this.#problems)
  }

  async #read(file: string, stop: Stop, progress: Progress): Promise<void> {
    const capture = this.#capture
    let blocks = 0
    const onPacket = (packet: Packet): void => {
      try {
        this.#take(packet, stop)
      } catch (error) {
        this.#refusal = error
        throw error
      }
    }
    const reading = readCapture(file, onPacket, {
      afterBlock: (octetsRead) => {
        progress.show(octetsRead)
        if (file === '-') capture.flush()
        if (capture.error !== undefined) stop.stop()
        if (stop.isReached) return false
        return capture.room() ?? (++blocks % BLOCKS_A_TURN === 0 ? nextTurn<void>() : true)
      },
    })
    const summary = await untilStopped(reading, file, stop)
    if (summary === undefined) return
    sayTrailing(file, summary)
    this.#problems.push(...timeProblems(file, summary))
    if (capture instanceof JointCapture) capture.emptyLinkType = linkTypeOf(summary)
    if (summary.damage === undefined) return
    const name = file === '-' ? 'standard input' : file
    const { offset, message } = summary.damage
    this.#problems.push(`${name}: damaged at byte ${offset}: ${message}; all before it was written`)
  }

  #take(packet: Packet, stop: Stop): void {
    if (stop.isReached) return
    const capture = this.#capture
    if (packet.seconds < 0 || packet.seconds > LAST_SECOND[this.#format]) {
      this.#untimely++
      packet.seconds = 0
      packet.nanoseconds = 0
    }
    if (!capture.isOver(packet.seconds)) this.#tap.demux.acceptPacket(packet)
    if (capture.isOver(packet.seconds)) stop.stop()
  }

  async #finish(stop: Stop): Promise<void> {
    let isUnread = false
    try {
      const closed = this.#capture.close()
      // A file is finished in no time; a reader may never read.
      await (this.#isPiped ? stop.interrupts(closed) : closed)
    } catch (error) {
      // A reader such as `head` that has seen enough is not an error.
      isUnread = errnoOf(error) === 'EPIPE'
      if (!isUnread) throw error
    }
    if (this.#stats !== undefined) writeStats(this.#stats, this.#tap.report(0))
    if (!isUnread) sayWritten(counted(this.#capture.packets, 'packet'), this.#target, this.#files)
    if (isUnread) this.#problems.length = 0
    else if (this.#untimely > 0) {
      const last = new Date(LAST_SECOND[this.#format] * 1000).getUTCFullYear()
      this.#problems.push(
        `${this.#untimely} packets have times before 1970 or after ${last}, which ${this.#format} ` +
          'cannot hold: they were written without a time',
      )
    }
  }
}

function openCapture(
  options: CaptureOptions,
  onFile: (path: string) => void,
): JointCapture | SplitCapture {
  const refuse = (message: string): never => {
    throw new OperatorError(message)
  }
  const joint = jointOptions(options)
  if (options.split === true) {
    return new SplitCapture({
      ...joint,
      directory: options.write,
      onFile,
      onOtherLinkType: refuse,
    })
  }
  const capture = new JointCapture({
    ...joint,
    limitBytes: Number.POSITIVE_INFINITY,
    onFile,
    onOtherLinkType: refuse,
  })
  // The name of a file with a time in it needs a packet.
  if (options.rotateInterval === undefined) capture.open(0)
  return capture
}

function linkTypeOf(summary: CaptureSummary): number {
  return summary.linkTypes[0] ?? LINKTYPE_ETHERNET
}

/** What `reading` gives, or undefined as soon as all is to stop: a silent pipe would hold it up. */
async function untilStopped<T>(
  reading: Promise<T>,
  file: string,
  stop: Stop,
): Promise<T | undefined> {
  const result = await Promise.race([reading, stop.reached.then(() => undefined)])
  if (!stop.isReached) return result
  // A pipe that is cut off in the middle of a packet is no longer of interest.
  reading.catch(() => undefined)
  if (file === '-') process.stdin.destroy()
  return undefined
}
