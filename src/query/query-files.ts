import { open } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { OperatorError } from '../errors.js'
import { DEFAULT_FIELDS, fieldNamed } from '../flowlog/fields.js'
import { quoted } from './duckdb.js'
import { sqlType } from './sql-tables.js'

/** What was named on the command line, by what it is. */
export interface QueryFiles {
  readonly captures: readonly string[]
  readonly texts: readonly FlowLogText[]
  /** Absolute, like all that DuckDB itself opens. */
  readonly parquets: readonly string[]
}

/** A flow log as text. */
export interface FlowLogText {
  /** As the command line has it. */
  readonly name: string
  /** Absolute. */
  readonly path: string
}

/** Flow logs go by their names; everything else is a capture, or will be told that it is none. */
export function sortFiles(files: readonly string[]): QueryFiles {
  const captures: string[] = []
  const texts: FlowLogText[] = []
  const parquets: string[] = []
  for (const file of files) {
    const name = basename(file)
    if (/\.log(?:\.gz)?$/.test(name)) texts.push({ name: file, path: checkedPath(file) })
    else if (name.endsWith('.parquet')) parquets.push(checkedPath(file))
    else captures.push(file)
  }
  return { captures, texts, parquets }
}

/** DuckDB would take these for a pattern. */
function checkedPath(file: string): string {
  const path = resolve(file)
  if (!/[*?[\]]/.test(path)) return path
  throw new OperatorError(`${file}: rename it without *, ?, [ and ] for a query`, { exitCode: 2 })
}

/** SELECTs over the flow logs, to be united by the names of their columns. */
export async function selectsOf({ texts, parquets }: QueryFiles): Promise<string[]> {
  const selects: string[] = []
  const byHeader = new Map<string, string[]>()
  for (const { path } of texts) {
    const line = await firstLineOf(path)
    byHeader.set(line, [...(byHeader.get(line) ?? []), path])
  }
  for (const [line, paths] of byHeader) selects.push(selectText(line, paths))
  // A path such as year=2026/ would add a column.
  const options = 'union_by_name = true, hive_partitioning = false'
  for (const path of parquets) await checkReadable(path)
  if (parquets.length > 0) selects.push(`SELECT * FROM read_parquet(${list(parquets)}, ${options})`)
  return selects
}

/**
 * Flow logs that the SQL names, each as a SELECT by the names it goes by. DuckDB
 * knows what a Parquet file is by itself.
 */
export async function namedTexts(
  { texts }: QueryFiles,
  isNamed: (name: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const selects = new Map<string, string>()
  for (const { name, path } of texts) {
    for (const named of [name, path]) {
      if (isNamed(named)) selects.set(named, selectText(await firstLineOf(path), [path]))
    }
  }
  return selects
}

function list(paths: readonly string[]): string {
  return `[${paths.map(quoted).join(', ')}]`
}

function selectText(line: string, paths: readonly string[]): string {
  const words = line.split(' ')
  const hasHeader = words.every((word) => /^[a-z][a-z0-9-]*$/.test(word))
  // Records exported from CloudWatch Logs have no header; AWS's default format is then the likely one.
  const isDefault = words.length === DEFAULT_FIELDS.length && /^\d+$/.test(words[0]!)
  if (!isDefault && !(hasHeader && words.some((word) => fieldNamed(word) !== undefined))) {
    throw new OperatorError(
      `${paths[0]} is no flow log: its first line names none of a flow log's fields`,
    )
  }
  const names = hasHeader ? words : DEFAULT_FIELDS.map(({ name }) => name)
  const columns = [...new Set(names)].map((name) => {
    const field = fieldNamed(name)
    const type = field === undefined ? 'VARCHAR' : sqlType(field)
    return `${quoted(name.replaceAll('-', '_'))}: ${quoted(type)}`
  })
  if (columns.length < names.length) {
    throw new OperatorError(`${paths[0]} has a field twice, which a table cannot have`)
  }
  return (
    `SELECT * FROM read_csv(${list(paths)}, auto_detect = false, header = ${hasHeader}, ` +
    `delim = ' ', quote = '', escape = '', nullstr = '-', columns = {${columns.join(', ')}})`
  )
}

const FIRST_OCTETS = 64 * 1024
/** zlib gives out what it has of a stream that is cut. */
const Z_SYNC_FLUSH = 2

async function firstLineOf(path: string): Promise<string> {
  const head = await headOf(path)
  const isGzip = head.length >= 2 && head.readUInt16BE(0) === 0x1f8b
  let text: Buffer
  try {
    text = isGzip ? gunzipSync(head, { finishFlush: Z_SYNC_FLUSH }) : head
  } catch (error) {
    throw new OperatorError(`${path} is damaged: ${(error as Error).message}`)
  }
  const line = text.toString('latin1').split(/\r?\n/, 1)[0]!
  if (line === '') throw new OperatorError(`${path} is empty`)
  return line
}

async function checkReadable(path: string): Promise<void> {
  await headOf(path)
}

async function headOf(path: string): Promise<Buffer> {
  try {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(FIRST_OCTETS) })
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new OperatorError(`${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
