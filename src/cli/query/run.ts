import { createReadStream, createWriteStream, rmSync } from 'node:fs'
import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { OperatorError } from '../../errors.js'
import { damageProblem } from '../../offline/problems.js'
import { CaptureInput } from '../../pcap/capture-input.js'
import { type DuckDb, loadDuckDb } from '../../query/duckdb.js'
import type { FlowLogSummary } from '../../query/flow-log-file.js'
import { type Answer, answerError, query, writeParquet } from '../../query/query.js'
import { messageName, sortFiles } from '../../query/query-files.js'
import { formatOfOption } from '../../query/record-format.js'
import { Output } from '../../sink/text-output.js'
import { terminalWidth } from '../../terminal/terminal-width.js'
import { lifetimeOf } from '../lifetime-options.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles, sayTrailing } from '../offline-input.js'
import { checkParquetName, formatOfOutput } from '../output-format.js'
import { say } from '../process/console.js'
import { Progress } from '../process/progress.js'
import { Interrupted, type Stop, stoppable } from '../process/stop.js'
import { counted, sayWritten } from '../process/written.js'
import type { QueryCliOptions, QueryFormat } from './options.js'
import { writeAnswer } from './output.js'

const FORMATS: Parameters<typeof formatOfOutput<QueryFormat>>[2] = {
  byEnding: { csv: 'csv', json: 'json', parquet: 'parquet', txt: 'table' },
  usual: 'table',
}

/** Asks and answers. Throws OperatorError. */
export async function runQuery(
  sql: string,
  names: readonly string[],
  options: QueryCliOptions,
): Promise<void> {
  await stoppable(async (stop) => {
    const { from } = options
    if (from === undefined) return ask(sql, names, options, stop)
    await inTemporaryDirectory(async (directory) => {
      const file = join(directory, 'stream.jsonl')
      await stop.interrupts(fetchStream(from, file, stop.abortSignal))
      await ask(sql, [...names, file], options, stop)
    })
  })
}

/** DuckDB reads files: the records of the stream become one. */
async function fetchStream(url: string, file: string, signal: AbortSignal): Promise<void> {
  const { readStream } = await import('../stream-input.js')
  await pipeline(readStream(url, { follow: false, signal }), createWriteStream(file))
  if ((await stat(file)).size === 0) throw new OperatorError(`${url}: the stream has no records`)
}

async function ask(
  sql: string,
  names: readonly string[],
  options: QueryCliOptions,
  stop: Stop,
): Promise<void> {
  const { output, state, logFormat } = options
  checkNames(state === undefined ? names : [...names, state], [output])
  const format = formatOf(options)
  const lineFormat = logFormat === undefined ? undefined : formatOfOption(logFormat)
  const duckdb = loadDuckDb()
  // A signal is the end of standard input: who watches a pipe wants what came.
  if (names.includes('-')) void stop.reached.then(() => process.stdin.destroy())
  const files = await sortFiles(names, lineFormat)
  const mirrorSessions =
    state === undefined
      ? undefined
      : // What checks a state file takes longer to load than a small query takes.
        await (await import('./state.js')).readMirrorSessions(state)
  await inTemporaryDirectory(async (temporaryDirectory) => {
    const parquet = join(temporaryDirectory, 'answer.parquet')
    let problems: readonly string[] = []
    const leftOut = files.others.map(({ problem }) => problem)
    // While standard input is read, a signal is its end.
    let mayInterrupt: () => void = () => undefined
    const interruptible = new Promise<void>((resolve) => {
      mayInterrupt = resolve
    })
    const endInput = (): void => {
      if (stop.by !== undefined) stop.rearm()
      mayInterrupt()
    }
    if (!names.includes('-')) mayInterrupt()
    const progress = new Progress(files.logs.map(({ name }) => name))
    const asking = query(duckdb, {
      sql,
      files,
      mirrorSessions,
      load: {
        offline: await offlineOptions(options, (line) => leftOut.push(line)),
        lifetime: lifetimeOf(options),
        windowSeconds: Number(options.maxAggregationInterval),
        maxFlows: options.maxFlows,
        names: options.names,
        open: async (path) => files.pipes.get(path) ?? (await CaptureInput.open(path)),
      },
      temporaryDirectory,
      memoryBytes: options.memoryLimit,
      temporaryBytes: options.temporaryLimit,
      ...(options.sort && { sort: options.sort }),
      ...(options.top !== undefined && { top: options.top }),
      outputs: [parquet],
      read: async (run) => {
        problems = await readFiles(run, files.captures, stop)
        mayInterrupt()
      },
      flowLogs: {
        afterBlock: (bytesRead) => progress.show(bytesRead),
        onRead: ({ name, summary, error }) => {
          progress.fileDone()
          const isEnded = name === '-' && stop.by !== undefined
          if (error !== undefined) leftOut.push(error.message)
          if (summary !== undefined) leftOut.push(...flowLogProblems(name, summary, isEnded))
          if (name === '-') endInput()
        },
      },
      onNeeded: (readable) => {
        if (readable === 0) failWith(leftOut)
      },
      onProblem: (line) => leftOut.push(line),
    })
    const interrupted = interruptible.then(() => stop.interrupts(asking))
    const answer = await Promise.race([asking, interrupted])
    const shown = options.vertical ? 'vertical' : format
    await write(duckdb, answer, shown, output, parquet, stop)
    failWith([...problems, ...leftOut])
  })
}

/** What is wrong with a flow log. `isEnded`: a signal ended it, whatever it was in the middle of. */
function flowLogProblems(name: string, summary: FlowLogSummary, isEnded: boolean): string[] {
  sayTrailing(name, summary)
  const { wrong, firstWrong, damage } = summary
  const problems: string[] = []
  if (wrong > 0) {
    const where = firstWrong === undefined ? '' : `, line ${firstWrong} the first`
    const what =
      wrong === 1 ? '1 entry is not a flow log record' : `${wrong} entries are not flow log records`
    problems.push(`${messageName(name)}: ${what}${where}; left out`)
  }
  if (damage !== undefined && !isEnded) problems.push(damageProblem(messageName(name), damage))
  return problems
}

/** Asked for, or told by the name of the file. */
function formatOf({ format, output, vertical }: QueryCliOptions): QueryFormat {
  const chosen = formatOfOutput(output, format, FORMATS)
  if (vertical && chosen !== 'table') {
    throw new OperatorError(
      `--vertical prints a table, and the format is ${chosen}: leave one of them out`,
      {
        exitCode: 2,
      },
    )
  }
  if (chosen === 'parquet') checkParquetName(output)
  return chosen
}

/** Removed however the work ends, but for a signal that cannot be caught. */
async function inTemporaryDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'mirrortap-query-'))
  try {
    await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function write(
  duckdb: DuckDb,
  answer: Answer,
  format: QueryFormat | 'vertical',
  target: string,
  parquet: string,
  stop: Stop,
): Promise<void> {
  const output = new Output(target)
  let rows = 0
  let leftOut: readonly string[] = []
  const writing = async (): Promise<void> => {
    if (format === 'parquet') {
      rows = await writeParquet(answer, parquet)
      await copy(parquet, output)
    } else {
      const width = target === '-' ? terminalWidth(process.stdout) : Number.POSITIVE_INFINITY
      const written = await writeAnswer(duckdb, answer.result, format, output, width)
      rows = written.rows
      leftOut = written.leftOut
    }
    await output.close()
  }
  try {
    await stop.interrupts(writing())
  } catch (error) {
    await output.discard()
    // DuckDB is still at work, and ends with the process.
    if (error instanceof Interrupted) throw error
    const known = await answerError(answer, error)
    answer.database.connection.closeSync()
    answer.database.instance.closeSync()
    throw known
  }
  answer.database.connection.closeSync()
  answer.database.instance.closeSync()
  if (leftOut.length > 0) {
    say(`no room for ${leftOut.join(', ')}: select fewer columns, or see all with --vertical`)
  }
  sayWritten(counted(rows, 'row'), target)
}

async function copy(path: string, output: Output): Promise<void> {
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) {
    const at = output.sink.reserve(piece.length)
    if (at === -1) return
    piece.copy(output.sink.block, at)
    await output.room()
  }
}
