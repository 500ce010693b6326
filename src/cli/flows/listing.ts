import type { AddressNames } from '../../application/address-names.js'
import type { FlowPair } from '../../flow/flow-pair.js'
import type { FlowRow } from '../../flow/flow-row.js'
import type { PointInTime } from '../../offline/offline.js'
import type { SessionReport } from '../../session/ledger.js'
import type { Session } from '../../session/session.js'
import { Output } from '../../sink/text-output.js'
import { type Column, FittedTable, verticalLines } from '../../terminal/fitted-table.js'
import { terminalWidth } from '../../terminal/terminal-width.js'
import { wrapped } from '../../terminal/text-width.js'
import { visible } from '../../visible.js'
import { formatCuts } from '../listen/ledger-text.js'
import type { FlowsOptions } from './options.js'
import {
  flowColumns,
  flowJson,
  type Names,
  nameColumns,
  pairColumns,
  pairJson,
  type Sessions,
} from './rows.js'

/** Rows put out between two looks at how much is waiting. */
const ROWS_AT_A_TIME = 1000

/** How rows of flows are shown. */
interface Listing {
  /** Those that the rows are of. */
  readonly sessions: readonly Session[]
  /** Undefined: addresses are shown without names. */
  readonly names: AddressNames | undefined
  readonly options: Pick<FlowsOptions, 'json' | 'pairs' | 'vertical'>
  /** The moment that ages are told for. */
  readonly at: PointInTime
}

/** Prints flows, or with `pairs` connections, as a table or as JSON. */
export async function printRows(rows: readonly FlowRow[], listing: Listing): Promise<void> {
  const { names: addresses, options, at } = listing
  const output = new Output('-')
  const reports = new Map(listing.sessions.map((session) => [session.index, session.report()]))
  const sessions: Sessions = (session) => reports.get(session)!
  const names: Names | undefined = addresses && ((row) => addresses.of(row))
  const lines = options.json
    ? jsonLines(rows, sessions, names, options, at)
    : textLines(rows, sessions, names, [...reports.values()], options)
  let written = 0
  for (const line of lines) {
    output.write(`${line}\n`)
    if (written++ % ROWS_AT_A_TIME === 0) await output.room()
    if (!output.open) break
  }
  await output.close()
}

function* jsonLines(
  rows: readonly FlowRow[],
  sessions: Sessions,
  names: Names | undefined,
  options: Listing['options'],
  at: PointInTime,
): Generator<string> {
  if (rows.length === 0) yield '[]'
  for (const [index, row] of rows.entries()) {
    const object = options.pairs
      ? pairJson(row as FlowPair, sessions, names, at)
      : flowJson(row, sessions, names, at)
    if (index === 0) yield '['
    yield visible(JSON.stringify(object)) + (index < rows.length - 1 ? ',' : '')
  }
  if (rows.length > 0) yield ']'
}

function* textLines(
  rows: readonly FlowRow[],
  sessions: Sessions,
  names: Names | undefined,
  reports: readonly SessionReport[],
  { pairs, vertical }: Listing['options'],
): Generator<string> {
  const hasSessions = reports.some(({ session }) => session !== null)
  const make = (pairs ? pairColumns : flowColumns) as typeof flowColumns
  const columns: readonly Column<FlowRow>[] = [
    ...make(sessions, hasSessions, vertical ?? false),
    ...(names ? nameColumns(rows, names, pairs ?? false) : []),
  ]
  const width = terminalWidth(process.stdout)
  if (vertical) {
    for (const [at, row] of rows.entries()) yield* verticalLines(columns, row, at + 1, width)
  } else {
    const table = new FittedTable(columns, rows, width)
    yield table.heading
    for (const row of rows) yield table.line(row)
  }
  for (const line of formatCuts(reports)) yield* wrapped(visible(line), width)
}
