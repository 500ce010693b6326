import { setImmediate as nextTurn } from 'node:timers/promises'
import { errnoOf } from '../deliver/write-error.js'
import { OperatorError } from '../errors.js'
import { JointCapture } from '../pcap/joint-capture.js'
import { type CaptureSummary, readCapture } from '../pcap/reader.js'
import { SplitCapture } from '../pcap/split-capture.js'
import { Tap } from '../session/tap.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import type { CaptureOptions } from './capture.js'
import { jointOptions } from './joint-options.js'
import { failWith } from './offline-options.js'
import { Progress } from './progress.js'
import { writeStats } from './stats-file.js'
import { Stop } from './stop.js'

/** Sessions told apart in one run; more than any mirror target sees. */
const SESSIONS_MAX = 65_535
/** What packets that were not mirrored are called. */
const NOT_MIRRORED = 'not-mirrored'
/** Blocks of input between two looks at signals: some 16 MiB. */
const BLOCKS_A_TURN = 64

type FileCapture = JointCapture | SplitCapture

/** Writes the packets of capture files to others. Throws OperatorError. */
export async function captureFiles(
  options: CaptureOptions,
  files: readonly string[],
): Promise<void> {
  const stop = new Stop()
  const capture = openCapture(options)
  const { decap, vxlanPort, genevePort, vni } = options
  const tap = new Tap({
    maxSessions: SESSIONS_MAX,
    openCapture: (session) => capture.source(session.name ?? NOT_MIRRORED),
    decap,
    vxlanPort,
    genevePort: genevePort ?? GENEVE_PORT,
    ...(vni && { vnis: new Set(vni) }),
  })
  let problems: string[]
  try {
    problems = await readAll(files, tap, capture, stop)
  } catch (error) {
    await capture.discard()
    throw error
  } finally {
    stop.release()
  }
  try {
    await capture.close()
  } catch (error) {
    // A reader such as `head` that has seen enough is not an error.
    if (errnoOf(error) !== 'EPIPE') throw error
    problems = []
  }
  if (options.stats !== undefined) writeStats(options.stats, tap.report(0))
  failWith(problems)
}

function openCapture(options: CaptureOptions): FileCapture {
  const { write, snaplen, count = Number.POSITIVE_INFINITY } = options
  const refuse = (message: string): never => {
    throw new OperatorError(message)
  }
  if (options.split === true) {
    const format = options.format ?? 'pcap'
    return new SplitCapture({ directory: write, format, snaplen, count, onOtherLinkType: refuse })
  }
  const capture = new JointCapture({
    ...jointOptions(options),
    limitBytes: Number.POSITIVE_INFINITY,
    onOtherLinkType: refuse,
  })
  // The name of a file with a time in it needs a packet.
  if (options.rotateInterval === undefined) capture.open(0)
  return capture
}

/** Reads every file, in the order given, and answers with lines on what was damaged. */
async function readAll(
  files: readonly string[],
  tap: Tap,
  capture: FileCapture,
  stop: Stop,
): Promise<string[]> {
  const problems: string[] = []
  const progress = new Progress(files)
  try {
    for (const file of files) {
      const summary = await untilStopped(readFile(file, tap, capture, stop, progress), file, stop)
      progress.fileDone()
      if (capture instanceof JointCapture && capture.packets === 0) {
        capture.emptyLinkType = summary?.interfaces[0]?.linkType ?? capture.emptyLinkType
      }
      if (stop.isReached) break
      if (summary?.damage !== undefined) {
        const name = file === '-' ? 'standard input' : file
        const { offset, message } = summary.damage
        problems.push(`${name}: damaged at octet ${offset}: ${message}; all before it was written`)
      }
    }
  } finally {
    progress.done()
  }
  return problems
}

function readFile(
  file: string,
  tap: Tap,
  capture: FileCapture,
  stop: Stop,
  progress: Progress,
): Promise<CaptureSummary> {
  const { demux } = tap
  let blocks = 0
  return readCapture(
    file,
    (packet) => {
      if (stop.isReached) return
      if (!capture.isOver(packet.seconds)) demux.acceptPacket(packet)
      if (capture.isOver(packet.seconds)) stop.stop()
    },
    {
      afterBlock: (octetsRead) => {
        progress.show(octetsRead)
        if (file === '-') capture.flush()
        if (stop.isReached || capture.error !== undefined) {
          stop.stop()
          return false
        }
        return capture.room() ?? (++blocks % BLOCKS_A_TURN === 0 ? nextTurn<void>() : true)
      },
    },
  )
}

/** What `reading` gives, or undefined as soon as all is to stop: a silent pipe would hold it up. */
async function untilStopped<T>(
  reading: Promise<T>,
  file: string,
  stop: Stop,
): Promise<T | undefined> {
  const result = await Promise.race([reading, stop.reached.then(() => undefined)])
  if (stop.isReached) {
    reading.catch(() => undefined)
    if (file === '-') process.stdin.destroy()
  }
  return result
}
