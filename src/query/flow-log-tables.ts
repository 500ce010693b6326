import { join } from 'node:path'
import { OperatorError } from '../errors.js'
import { CaptureInput } from '../pcap/capture-input.js'
import { type FlowLogSummary, readFlowLog } from './flow-log-file.js'
import { type FlowLogFile, isPattern, type QueryFiles } from './query-files.js'
import { type RecordFile, RecordFiles, type RecordStore } from './record-files.js'
import { formatKey, selectLines, selectNone } from './record-format.js'
import { NO_OUTPUT } from './record-lines.js'

/** What was found in a flow log, or why it could not be read. */
interface FlowLogOutcome {
  readonly name: string
  readonly summary: FlowLogSummary | undefined
  readonly error: OperatorError | undefined
}

/** Is told of each flow log when it has been read, and between blocks how far it is. */
export interface FlowLogReader {
  readonly onRead: (outcome: FlowLogOutcome) => void
  readonly afterBlock: (bytesRead: number) => void
}

/**
 * Flow logs as SELECTs. A file that DuckDB can read as it lies is left to it; of all others the records are
 * kept in the store, those of many files in one file.
 */
export class FlowLogTables {
  readonly #files: QueryFiles
  readonly #store: RecordStore
  /** Read by itself, since the SQL names it. */
  readonly #own = new Map<FlowLogFile, readonly string[]>()
  #shared: readonly string[] = []

  constructor(files: QueryFiles, store: RecordStore) {
    this.#files = files
    this.#store = store
  }

  /** Over all flow logs. As long as none has been read they are empty, but have all columns. */
  selects(): readonly string[] {
    const { logs } = this.#files
    const selects = [...this.#shared, ...logs.flatMap((log) => this.#own.get(log) ?? [])]
    return selects.length > 0 ? selects : [...new Set(logs.map(shapeOf))]
  }

  /** Over one of them. */
  selectOf(log: FlowLogFile): string {
    return this.#own.get(log)?.join(' UNION ALL BY NAME ') ?? shapeOf(log)
  }

  /** Reads all, or those that `isNamed` alone. */
  async read(
    isAll: boolean,
    isNamed: (log: FlowLogFile) => boolean,
    reader: FlowLogReader,
  ): Promise<void> {
    const { logs } = this.#files
    const shared = new RecordFiles(this.#store)
    const plain = new Map<
      string,
      { readonly select: (paths: string[]) => string; paths: string[] }
    >()
    try {
      for (const log of logs) {
        if (isNamed(log)) this.#own.set(log, await this.#readOwn(log, reader))
        else if (isAll && (await this.#readInto(log, shared, reader))) {
          const { format, wrapping } = log.form
          const hasHeader = wrapping.in === 'lines' && wrapping.hasHeader
          const key = `${hasHeader} ${formatKey(format)}`
          const select = (paths: string[]): string => selectLines(format, paths, hasHeader)
          const known = plain.get(key) ?? { select, paths: [] }
          known.paths.push(log.path)
          plain.set(key, known)
        }
      }
    } finally {
      shared.close()
    }
    this.#shared = [
      ...[...plain.values()].map(({ select, paths }) => select(paths)),
      ...shared.files.map(selectFile),
    ]
  }

  async #readOwn(log: FlowLogFile, reader: FlowLogReader): Promise<readonly string[]> {
    const files = new RecordFiles(this.#store)
    try {
      if (await this.#readInto(log, files, reader)) return [selectAsIs(log)]
    } finally {
      files.close()
    }
    const selects = files.files.map(selectFile)
    return selects.length > 0 ? selects : [shapeOf(log)]
  }

  /** True: DuckDB is to read the file as it lies; nothing was written to `files`. */
  async #readInto(log: FlowLogFile, files: RecordFiles, reader: FlowLogReader): Promise<boolean> {
    const { name, form } = log
    const { onRead, afterBlock } = reader
    let summary: FlowLogSummary | undefined
    let error: OperatorError | undefined
    let isPlain = false
    const pipe = this.#files.pipes.get(name)
    try {
      const input = pipe ?? (await CaptureInput.open(name))
      try {
        if (mayBePlain(log, pipe)) {
          summary = await readFlowLog({ input, ...form, output: NO_OUTPUT, afterBlock })
          isPlain = summary.isPlain
        }
        if (!isPlain) {
          summary = await readFlowLog({ input, ...form, output: files, afterBlock })
        }
      } finally {
        await input.close()
      }
    } catch (what) {
      if (!(what instanceof OperatorError) || this.#store.isFull) throw what
      error = what
    }
    onRead({ name, summary, error })
    return isPlain
  }
}

function mayBePlain({ path, form }: FlowLogFile, pipe: CaptureInput | undefined): boolean {
  const { compression, wrapping } = form
  const isBare = wrapping.in === 'lines' && wrapping.before === 0
  return isBare && compression === 'none' && pipe === undefined && !isPattern(path)
}

function selectAsIs({ path, form }: FlowLogFile): string {
  const { wrapping, format } = form
  return selectLines(format, [path], wrapping.in === 'lines' && wrapping.hasHeader)
}

function selectFile({ format, path }: RecordFile): string {
  return selectLines(format, [path], false)
}

function shapeOf({ form }: FlowLogFile): string {
  return selectNone(form.format)
}

/** Where the store keeps its files. */
export function storeDirectory(temporaryDirectory: string): string {
  return join(temporaryDirectory, 'records')
}
