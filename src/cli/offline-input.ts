import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '../errors.js'
import type { ExpressionFilter } from '../filter/expression-filter.js'
import { GRACE_SECONDS } from '../flow/flow-intake.js'
import type { Offline, PointInTime } from '../offline/offline.js'
import { farTimesNote, readingProblems } from '../offline/problems.js'
import type { FileSummary } from '../pcap/capture-merge.js'
import { PART } from '../sink/part-file.js'
import { namedCaptures } from './named-captures.js'
import { sayProblem } from './process/console.js'
import { Progress } from './process/progress.js'
import type { Stop } from './process/stop.js'
import { checkTimes, type OfflineCliOptions } from './shared-options.js'

/** Blocks of input between two looks at signals: some 16 MiB. */
const BLOCKS_A_TURN = 64

/**
 * The options as the offline pipeline takes them. `onProblem` is told of packets that the
 * filter cannot be asked about. Throws OperatorError for a filter that is wrong.
 */
export async function offlineOptions(
  options: OfflineCliOptions,
  onProblem: (line: string) => void,
) {
  const { decap, vxlanPort, genevePort, vni, duplicates, filter, since, until } = options
  return {
    ...((since ?? until) && { since, until, partsOf: await partsWithin(since, until) }),
    ...(filter !== undefined && { filter: await compile(filter, onProblem) }),
    ...(duplicates && { duplicates }),
    decap,
    vxlanPort,
    genevePort,
    ...(vni && { vnis: new Set(vni) }),
  }
}

/**
 * The captures that a command line names, with those of its directories that are finished. Throws
 * OperatorError (exit code 2) where it names none.
 */
export async function capturesNamed(
  files: readonly string[],
  { dir, since, until }: OfflineCliOptions,
): Promise<readonly string[]> {
  checkTimes(since, until)
  if (dir === undefined) {
    if (files.length > 0) return files
    throw new OperatorError('name capture files, or directories of them with --dir', {
      exitCode: 2,
    })
  }
  const found = (await namedCaptures(dir)).map(({ path }) => path)
  return [...found.filter((path) => !path.endsWith(PART)), ...files]
}

async function partsWithin(since: PointInTime | undefined, until: PointInTime | undefined) {
  const { partsBetween } = await import('../search/search-plan.js')
  return (paths: readonly string[]) => partsBetween(paths, since, until)
}

/** The compiler is loaded where there is something to compile. */
async function compile(
  filter: string,
  onProblem: (line: string) => void,
): Promise<ExpressionFilter> {
  const { ExpressionFilter } = await import('../filter/expression-filter.js')
  return new ExpressionFilter(filter, onProblem)
}

/**
 * Reads every file, in the order of time across them. Resolves with lines on what
 * could not be read, each of which makes the exit code 1 once all that could has
 * been put out. Rejects when there is nothing to put out: no file could be read at
 * all.
 *
 * A signal is the end of standard input: who watches a pipe wants what came. Where only
 * files are read, rejects with Interrupted, so that nothing half done is left.
 */
export async function readFiles(
  offline: Pick<Offline, 'ledger' | 'readAll' | 'clampedTimes'> &
    Partial<Pick<Offline, 'setBackSeconds'>>,
  files: readonly string[],
  stop: Stop,
  afterBlock: () => boolean | Promise<boolean> = () => true,
  mayShowProgress = true,
): Promise<string[]> {
  const progress = new Progress(files, mayShowProgress)
  const hasStdin = files.includes('-')
  if (hasStdin) void stop.reached.then(() => process.stdin.destroy())
  let blocks = 0
  const reading = offline.readAll(files, (octets) => {
    progress.show(octets)
    if (stop.isReached) return false
    const more = afterBlock()
    if (more !== true || ++blocks % BLOCKS_A_TURN > 0) return more
    return goesOn(stop)
  })
  // What blocks in another pipe than standard input never ends by itself.
  const outcomes = await (hasStdin ? reading : stop.interrupts(reading)).finally(() =>
    progress.done(),
  )
  if (stop.by !== undefined) {
    stop.rearm()
    return []
  }
  for (const { path, summary } of outcomes) if (summary !== undefined) sayTrailing(path, summary)
  const note = farTimesNote(outcomes)
  if (note !== undefined) sayProblem(note)
  const setBack = offline.setBackSeconds ?? 0
  if (setBack > GRACE_SECONDS) {
    sayProblem(`times go backwards, by up to ${setBack} s; each packet is counted at its own time`)
  }
  const problems = readingProblems(
    outcomes,
    offline.ledger.malformed['link-type'],
    offline.clampedTimes,
  ).map(({ message }) => message)
  if (outcomes.every(({ summary }) => summary === undefined)) failWith(problems)
  return problems
}

/** False when a signal has come; signals are heard between turns of the event loop. */
async function goesOn(stop: Stop): Promise<boolean> {
  await nextTurn()
  return !stop.isReached
}

/** A note on what gzip(1) warns of, too; nothing is lost by it. */
export function sayTrailing(
  path: string,
  { compression, hasTrailing }: Pick<FileSummary, 'compression' | 'hasTrailing'>,
): void {
  if (!hasTrailing) return
  const name = path === '-' ? 'standard input' : path
  sayProblem(`${name}: ignored the bytes after the end of the ${compression} data`)
}

/** Says what was wrong, once everything readable has been put out; exit code 1. */
export function failWith(problems: readonly string[]): void {
  const last = problems.at(-1)
  if (last === undefined) return
  for (const line of problems.slice(0, -1)) sayProblem(line)
  throw new OperatorError(last)
}
