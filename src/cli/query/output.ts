import type { DuckDBResult, DuckDBValue } from '@duckdb/node-api'
import type { DuckDb } from '../../query/duckdb.js'
import type { Output } from '../../sink/text-output.js'
import { visible, visibleLines } from '../../visible.js'

/** Characters written at a time: less than a block of the sink in any script. */
const PIECE = 32 * 1024
/** Rows whose widths a table is laid out by. More come in the same columns, as well as they fit. */
const LAID_OUT_ROWS = 1000

type Row = readonly DuckDBValue[]

/**
 * Writes an answer as it is computed. `open` false: nobody reads any more. In CSV and JSON
 * characters that a terminal would obey stay as they are, but for a terminal. Gives the number of rows.
 */
export async function writeAnswer(
  duckdb: DuckDb,
  result: DuckDBResult,
  format: 'table' | 'csv' | 'json',
  output: Output,
  isForTerminal: boolean,
): Promise<number> {
  const names = result.deduplicatedColumnNames()
  const shown = isForTerminal ? visible : (text: string) => text
  if (format === 'csv') {
    const line = (cells: readonly string[]): string => csvLine(cells.map(shown))
    await put(output, line(names))
    return await eachRow(result, output, (row) => line(row.map((value) => textOf(value) ?? '')))
  } else if (result.statementType === duckdb.StatementType.EXPLAIN && format === 'table') {
    // A plan is a drawing.
    return await eachRow(
      result,
      output,
      (row) => `${visibleLines(textOf(row.at(-1) ?? null) ?? '')}\n`,
    )
  } else if (format === 'json') {
    return await writeJson(duckdb, names, result, output, shown)
  } else {
    return await writeTable(duckdb, names.map(visible), result, output)
  }
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
  names: readonly string[],
  result: DuckDBResult,
  output: Output,
  shown: (text: string) => string,
): Promise<number> {
  const keys = names.map((name) => JSON.stringify(name))
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

async function writeTable(
  duckdb: DuckDb,
  names: readonly string[],
  result: DuckDBResult,
  output: Output,
): Promise<number> {
  const isNumber = result.columnTypes().map(({ typeId }) => isNumeric(duckdb, typeId))
  let widths: number[] | undefined
  let waiting: string[][] = []
  const layOut = (): string => {
    widths = names.map((name, at) =>
      waiting.reduce((width, row) => Math.max(width, row[at]!.length), name.length),
    )
    const rows = [names, ...waiting]
    waiting = []
    return rows.map((row) => tableLine(row, widths!, isNumber)).join('')
  }
  const count = await eachRow(result, output, (row) => {
    const cells = row.map((value) => visible(textOf(value) ?? '-'))
    if (widths !== undefined) return tableLine(cells, widths, isNumber)
    waiting.push(cells)
    return waiting.length === LAID_OUT_ROWS ? layOut() : ''
  })
  if (widths === undefined) await put(output, layOut())
  return count
}

function isNumeric({ DuckDBTypeId }: DuckDb, typeId: number): boolean {
  const { DECIMAL, HUGEINT, UHUGEINT, TINYINT, DOUBLE } = DuckDBTypeId
  // TINYINT … DOUBLE: all whole numbers and floats of up to 64 bits.
  return (typeId >= TINYINT && typeId <= DOUBLE) || [DECIMAL, HUGEINT, UHUGEINT].includes(typeId)
}

function tableLine(
  cells: readonly string[],
  widths: readonly number[],
  isNumber: boolean[],
): string {
  const padded = cells.map((cell, at) =>
    isNumber[at] ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!),
  )
  return `${padded.join('  ').trimEnd()}\n`
}
