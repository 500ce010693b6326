import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '../../errors.js'
import { isPart } from '../../search/capture-files.js'
import { buildIndex, readIndex } from '../../search/index-file.js'
import { namedCaptures } from '../named-captures.js'
import { failWith } from '../offline-input.js'
import { print, say } from '../process/console.js'
import { Progress } from '../process/progress.js'
import { Interrupted, type Stop, stoppable } from '../process/stop.js'
import { counted } from '../process/written.js'
import type { IndexOptions } from './options.js'

/** Blocks of input between two looks at signals: some 16 MiB. */
const BLOCKS_A_TURN = 64

interface Row {
  file: string
  packets: number
  blocks: number
  captureBytes: number
  indexBytes: number
  /** Where the capture stops making sense; null where it is whole. */
  damagedAt: number | null
}

/** Indexes what is named. Throws OperatorError when some of it could not be. */
export async function indexCaptures(
  paths: readonly string[],
  options: IndexOptions,
): Promise<void> {
  await stoppable((stop) => indexAll(paths, options, stop))
}

async function indexAll(
  paths: readonly string[],
  options: IndexOptions,
  stop: Stop,
): Promise<void> {
  const files = (await namedCaptures(paths)).map(({ path }) => path).filter((path) => !isPart(path))
  const rows: Row[] = []
  const problems: string[] = []
  let kept = 0
  const progress = new Progress(files)
  try {
    for (const file of files) {
      if (typeof readIndex(file) === 'object') kept++
      else {
        const row = await indexOne(file, stop, progress, problems)
        if (row !== undefined) rows.push(row)
      }
      progress.fileDone()
    }
  } finally {
    progress.done()
  }
  const failed = files.length - kept - rows.length
  if (options.json) print(`${JSON.stringify({ indexed: rows, kept, failed }, undefined, 2)}\n`)
  else say(summaryOf(rows, kept))
  failWith(problems)
}

async function indexOne(
  file: string,
  stop: Stop,
  progress: Progress,
  problems: string[],
): Promise<Row | undefined> {
  let blocks = 0
  try {
    const indexed = await buildIndex(file, async (octets) => {
      progress.show(octets)
      if (++blocks % BLOCKS_A_TURN === 0) await nextTurn()
      if (stop.by !== undefined) throw new Interrupted(stop.by)
    })
    const { packets, damage } = indexed.summary
    if (damage !== undefined) {
      problems.push(
        `${file}: damaged at byte ${damage.offset}: ${damage.message}; all before it was indexed`,
      )
    }
    return {
      file,
      packets,
      blocks: indexed.blocks,
      captureBytes: indexed.captureBytes,
      indexBytes: indexed.indexBytes,
      damagedAt: damage?.offset ?? null,
    }
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    problems.push(error.message)
    return undefined
  }
}

function summaryOf(rows: readonly Row[], kept: number): string {
  const captured = rows.reduce((sum, { captureBytes }) => sum + captureBytes, 0)
  const index = rows.reduce((sum, { indexBytes }) => sum + indexBytes, 0)
  const share = captured === 0 ? '' : `, ${((index / captured) * 100).toFixed(2)} % of`
  const done = `${counted(rows.length, 'capture')} indexed`
  const size =
    captured === 0 ? '' : ` (${megabytes(index)} of index${share} ${megabytes(captured)})`
  return `${done}${size}${kept === 0 ? '' : `; ${kept} had an index already`}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
