import { styleText } from 'node:util'
import { Analysis } from '../../analyze/analysis.js'
import type { AnalysisReport } from '../../analyze/analysis-report.js'
import { firstRows } from '../../analyze/first-rows.js'
import { OperatorError } from '../../errors.js'
import { formatAnalysis } from '../../report/analysis-text.js'
import { Output } from '../../sink/text-output.js'
import { terminalWidth } from '../../terminal/terminal-width.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles } from '../offline-input.js'
import { formatOfOutput } from '../output-format.js'
import { asPrinted } from '../process/console.js'
import { type Stop, stoppable } from '../process/stop.js'
import { sayWritten } from '../process/written.js'
import type { AnalyzeOptions } from './options.js'

const PAGE = { byEnding: { html: 'html', htm: 'html' }, usual: 'html', hasOption: false } as const

/** Rows of each list that the page has, of which it shows a part at a time. */
const PAGE_ROWS = 100

/** Characters written at a time: less than a block of the sink in any script. */
const PIECE = 32 * 1024

/** Reads the files and says what is in them. */
export async function analyze(files: readonly string[], options: AnalyzeOptions): Promise<void> {
  await stoppable((stop) => sumUp(files, options, stop))
}

async function sumUp(files: readonly string[], options: AnalyzeOptions, stop: Stop): Promise<void> {
  const { report: page } = options
  if (page === '-' && options.json) {
    throw new OperatorError(
      '--report - and --json cannot both write to standard output: name a file',
      {
        exitCode: 2,
      },
    )
  }
  checkNames(files, page === undefined ? [] : [page])
  if (page !== undefined) formatOfOutput(page, undefined, PAGE)
  const leftOut: string[] = []
  const analysis = new Analysis({
    ...(await offlineOptions(options, (line) => leftOut.push(line))),
    maxFlows: options.maxFlows,
    top: options.top,
    ...(page !== undefined && { rows: Math.max(options.top, PAGE_ROWS) }),
    names: options.names,
  })
  // Opened first: a path that cannot be written to is better known before the work.
  const output = page === undefined ? undefined : new Output(page)
  try {
    const problems = await readFiles(analysis, files, stop)
    const report = analysis.report()
    if (output !== undefined) await stop.interrupts(writePage(output, report, options))
    if (page !== '-') await stop.interrupts(print(firstRows(report, options.top), options))
    if (page !== undefined) sayWritten('the report was', page)
    failWith([...problems, ...leftOut])
  } catch (error) {
    await output?.discard()
    throw error
  }
}

async function writePage(
  output: Output,
  report: AnalysisReport,
  { api }: AnalyzeOptions,
): Promise<void> {
  const { reportPage } = await import('../../report/report-page.js')
  await write(output, reportPage(report, { appliance: api }))
  await output.close()
}

async function print(report: AnalysisReport, options: AnalyzeOptions): Promise<void> {
  const output = new Output('-')
  if (options.json) await write(output, asPrinted(`${JSON.stringify(report, null, 2)}\n`))
  else {
    const { stdout } = process
    const lines = formatAnalysis(report, {
      width: terminalWidth(stdout),
      // Heeds NO_COLOR, FORCE_COLOR and TERM.
      styled: (style, text) => styleText(style, text, { stream: stdout }),
      top: options.top,
    })
    await write(output, lines.map((line) => `${line}\n`).join(''))
  }
  await output.close()
}

async function write(output: Output, text: string): Promise<void> {
  for (let at = 0; at < text.length && output.open; at += PIECE) {
    output.write(text.slice(at, at + PIECE))
    await output.room()
  }
}
