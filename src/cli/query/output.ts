import type { DuckDBResult, DuckDBValue } from '@duckdb/node-api'
import { type DuckDb, isNumeric } from '../../query/duckdb.js'
import type { Output } from '../../sink/text-output.js'
import { type Column, FittedTable, verticalLines } from '../../terminal/fitted-table.js'
import { visible, visibleLines } from '../../visible.js'

/** Characters written at a time: less than a block of the sink in any script. */
const PIECE = 32 * 1024
/** Rows whose widths a table is laid out by. More come in the same columns, as well as they fit. */
const LAID_OUT_ROWS = 1000

type Row = readonly DuckDBValue[]

interface WrittenAnswer {
  readonly rows: number
  /** Columns that the terminal has no room for. */
  readonly leftOut: readonly string[]
}

/**
 * Writes an answer as it is computed. `open` false: nobody reads any more. In CSV and JSON
 * characters that a terminal would obey stay as they are, but for a terminal: its width is infinite where
 * there is none.
 */
export async function writeAnswer(
  duckdb: DuckDb,
  result: DuckDBResult,
  format: 'table' | 'vertical' | 'csv' | 'json',
  output: Output,
  terminalWidth: number,
): Promise<WrittenAnswer> {
  const isPlan = result.statementType === duckdb.StatementType.EXPLAIN
  if (format === 'table' && !isPlan) return await writeTable(duckdb, result, output, terminalWidth)
  const shown = terminalWidth === Number.POSITIVE_INFINITY ? (text: string) => text : visible
  const write = (): Promise<number> => {
    if (format === 'csv') return writeCsv(result, output, shown)
    if (format === 'json') return writeJson(duckdb, result, output, shown)
    if (isPlan) return writePlan(result, output)
    return writeVertical(duckdb, result, output, terminalWidth)
  }
  return { rows: await write(), leftOut: [] }
}

async function writeCsv(
  result: DuckDBResult,
  output: Output,
  shown: (text: string) => string,
): Promise<number> {
  const line = (cells: readonly string[]): string => csvLine(cells.map(shown))
  await put(output, line(result.deduplicatedColumnNames()))
  return await eachRow(result, output, (row) => line(row.map((value) => textOf(value) ?? '')))
}

/** A plan is a drawing. */
async function writePlan(result: DuckDBResult, output: Output): Promise<number> {
  const plan = (row: Row): string => visibleLines(textOf(row.at(-1) ?? null) ?? '')
  return await eachRow(result, output, (row) => `${plan(row)}\n`)
}

/** In pieces: a row may be longer than a block. */
async function put(output: Output, text: string): Promise<void> {
  for (let at = 0; at < text.length; at += PIECE) output.write(text.slice(at, at + PIECE))
  await output.room()
}

async function eachRow(
  result: DuckDBResult,
  output: Output,
  lineOf: (row: Row) => string,
): Promise<number> {
  let count = 0
  for await (const rows of result.yieldRows()) {
    await put(output, rows.map(lineOf).join(''))
    count += rows.length
    if (!output.open) break
  }
  return count
}

/** As SQL spells it; undefined for NULL. */
function textOf(value: DuckDBValue): string | undefined {
  return value === null ? undefined : String(value)
}

/** RFC 4180, with lines that end as they do here; NULL is empty. */
function csvLine(cells: readonly string[]): string {
  const quoted = cells.map((cell) =>
    /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell,
  )
  return `${quoted.join(',')}\n`
}

async function writeJson(
  duckdb: DuckDb,
  result: DuckDBResult,
  output: Output,
  shown: (text: string) => string,
): Promise<number> {
  const keys = result.deduplicatedColumnNames().map((name) => JSON.stringify(name))
  let rows = 0
  await put(output, '[')
  await eachRow(result, output, (row) => {
    const members = row.map((value, at) => `${keys[at]}:${jsonOf(duckdb, value)}`)
    return `${rows++ === 0 ? '\n' : ',\n'}{${shown(members.join(','))}}`
  })
  await put(output, rows === 0 ? ']\n' : '\n]\n')
  return rows
}

/** Numbers are numbers, however long; what JSON has no word for is as SQL spells it. */
function jsonOf(duckdb: DuckDb, value: DuckDBValue): string {
  const { DuckDBListValue, DuckDBArrayValue, DuckDBStructValue, DuckDBDecimalValue } = duckdb
  if (value === null) return 'null'
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object') return JSON.stringify(value)
  if (value instanceof DuckDBDecimalValue) return String(value)
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return `[${value.items.map((item) => jsonOf(duckdb, item)).join(',')}]`
  }
  if (value instanceof DuckDBStructValue) {
    const members = Object.entries(value.entries).map(
      ([name, member]) => `${JSON.stringify(name)}:${jsonOf(duckdb, member)}`,
    )
    return `{${members.join(',')}}`
  }
  return JSON.stringify(String(value))
}

/** Rows in columns, laid out by the first of them. */
async function writeTable(
  duckdb: DuckDb,
  result: DuckDBResult,
  output: Output,
  width: number,
): Promise<WrittenAnswer> {
  const columns = columnsOf(duckdb, result)
  let table: FittedTable<Row> | undefined
  let waiting: Row[] = []
  const layOut = (): string => {
    table = new FittedTable(columns, waiting, width)
    const lines = [table.heading, ...waiting.map((row) => table!.line(row))]
    waiting = []
    return `${lines.join('\n')}\n`
  }
  const count = await eachRow(result, output, (row) => {
    if (table !== undefined) return `${table.line(row)}\n`
    waiting.push(row)
    return waiting.length === LAID_OUT_ROWS ? layOut() : ''
  })
  if (table === undefined) await put(output, layOut())
  return { rows: count, leftOut: table!.leftOut }
}

async function writeVertical(
  duckdb: DuckDb,
  result: DuckDBResult,
  output: Output,
  width: number,
): Promise<number> {
  const columns = columnsOf(duckdb, result)
  let number = 0
  return await eachRow(result, output, (row) => {
    number++
    return `${verticalLines(columns, row, number, width).join('\n')}\n`
  })
}

/** Text may be shortened; what there is no room for is left out from the right. */
function columnsOf(duckdb: DuckDb, result: DuckDBResult): Column<Row>[] {
  const types = result.columnTypes()
  const cutMin = 15
  return result.deduplicatedColumnNames().map((name, at) => ({
    name,
    cell: (row) => textOf(row[at]!) ?? '-',
    right: isNumeric(duckdb, types[at]!.typeId),
    ...(mayBeCut(duckdb, types[at]!.typeId) && { min: cutMin }),
    ...(at > 0 && { drop: at }),
  }))
}

/** Of numbers and times a part says something else. */
function mayBeCut({ DuckDBTypeId }: DuckDb, typeId: number): boolean {
  const { VARCHAR, BLOB, BIT, LIST, STRUCT, MAP, ARRAY, UNION } = DuckDBTypeId
  return [VARCHAR, BLOB, BIT, LIST, STRUCT, MAP, ARRAY, UNION].includes(typeId)
}
