import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ApplicationReader } from '../../application/application-reader.js'
import { Transactions } from '../../application/transactions.js'
import { OperatorError } from '../../errors.js'
import { type LogFormat, type Logs, openLogs } from '../../export/logs.js'
import type { Connection } from '../../flow/connection.js'
import { ConnectionFacts } from '../../flow/connection-facts.js'
import { SESSION_INDICES } from '../../flow/flow-entry.js'
import type { FlowFilter } from '../../flow/flow-filter.js'
import type { FlowRow } from '../../flow/flow-row.js'
import { FlowTracker } from '../../flow/flow-tracker.js'
import { Offline } from '../../offline/offline.js'
import { ApplicationPackets } from '../../session/application-packets.js'
import { Output } from '../../sink/text-output.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles } from '../offline-input.js'
import type { Stop } from '../process/stop.js'
import type { FlowsOptions } from './options.js'
import { WantedRows } from './wanted-rows.js'

/** Rows put out between two looks at how much is waiting. */
const ROWS_AT_A_TIME = 1000

/** Reads the files and writes their flows, and what their packets say, as logs of another program. */
export async function writeLogs(
  files: readonly string[],
  format: LogFormat,
  options: FlowsOptions,
  filters: readonly FlowFilter[],
  stop: Stop,
): Promise<void> {
  const outputs: LogOutput[] = []
  const logs = await logsOf(format, options, files, outputs)
  const leftOut: string[] = []
  const { maxFlows } = options
  const rows = new WantedRows(logs.arePairs ? { ...options, pairs: true } : options, filters)
  let facts: ConnectionFacts | undefined
  const tracker: FlowTracker = new FlowTracker({
    capacity: maxFlows,
    sessions: SESSION_INDICES,
    onEnd: (flow) => {
      rows.addEnded(tracker, flow, facts)
      facts?.forget(flow)
    },
  })
  if (logs.arePairs) facts = new ConnectionFacts(tracker, maxFlows)
  const transactions = logs.transactions && new Transactions(logs.transactions)
  const packets =
    transactions && new ApplicationPackets(new ApplicationReader(transactions), options.duplicates)
  const offline = new Offline({
    ...(await offlineOptions(options, (line) => leftOut.push(line))),
    ...(options.at && { until: options.at }),
    ...(packets && { observe: packets.observe }),
    counter: () => facts ?? tracker,
  })
  try {
    const problems = await readFiles(offline, files, stop, () => hasRoom(outputs))
    packets?.end()
    transactions?.end()
    tracker.shutdown()
    const at = options.at ?? { seconds: offline.lastSeconds, nanoseconds: offline.lastNanoseconds }
    await stop.interrupts(writeRows(rows.sorted(at), logs, outputs))
    for (const output of outputs) await output.close()
    failWith([...problems, ...leftOut])
  } catch (error) {
    for (const output of outputs) await output.discard()
    throw error
  }
}

async function writeRows(
  rows: readonly FlowRow[],
  logs: Logs,
  outputs: readonly LogOutput[],
): Promise<void> {
  for (const [written, row] of rows.entries()) {
    if (logs.arePairs) logs.connection(row as Connection)
    else logs.flow(row)
    if (written % ROWS_AT_A_TIME === 0 && !(await hasRoom(outputs))) return
  }
}

/** Waits until there is; false where nobody reads any more. */
async function hasRoom(outputs: readonly LogOutput[]): Promise<boolean> {
  for (const output of outputs) await output.room()
  return outputs.some(({ open }) => open)
}

/** Adds what its logs are written to to `outputs`. */
async function logsOf(
  format: LogFormat,
  options: FlowsOptions,
  files: readonly string[],
  outputs: LogOutput[],
): Promise<Logs> {
  const { output, names } = options
  const isDirectory = format !== 'eve' && output !== '-'
  if (isDirectory) await makeDirectory(output)
  return openLogs({
    format,
    pairs: options.pairs ?? false,
    // Standard output has room for one log of Zeek's.
    applications: names && (isDirectory || format === 'eve'),
    open(name, header) {
      const path = isDirectory ? join(output, `${name}.log`) : output
      checkNames(files, [path])
      const file = new LogOutput(path, header)
      outputs.push(file)
      return (line) => file.write(line)
    },
  })
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
  } catch (error) {
    throw new OperatorError(
      `cannot make the directory ${path} for the logs (${(error as NodeJS.ErrnoException).code})`,
    )
  }
}

/** A log that is opened with its first line: without one there is none, but for its header on standard output. */
class LogOutput {
  readonly #path: string
  readonly #header: string | undefined
  #output: Output | undefined

  constructor(path: string, header?: string) {
    this.#path = path
    this.#header = header
    if (path === '-') this.#open()
  }

  get open(): boolean {
    return this.#output?.open ?? true
  }

  write(line: string): void {
    this.#open().write(`${line}\n`)
  }

  async room(): Promise<void> {
    await this.#output?.room()
  }

  async close(): Promise<void> {
    await this.#output?.close()
  }

  async discard(): Promise<void> {
    await this.#output?.discard()
  }

  #open(): Output {
    if (this.#output === undefined) {
      this.#output = new Output(this.#path)
      if (this.#header !== undefined) this.#output.write(`${this.#header}\n`)
    }
    return this.#output
  }
}
