import { type Html, html } from './html.js'

export interface PageColumn<Row> {
  name: string
  /** Content of a cell; or `bars`. */
  cell?: (row: Row) => string | Html
  /** Shares of the column's width, from 0 to 1, one below the other. */
  bars?: (row: Row) => number[]
  kind?: 'number' | 'address'
  /** What rows are sorted by; by default the text of the cell. */
  value?: (row: Row) => number
  /** Whether the cell is to catch the eye. */
  isBad?: (row: Row) => boolean
}

/** What a row has beside its columns. */
export interface RowFacts {
  /** A pcap-filter(7) expression that its packets match. */
  filter?: string | undefined
  /** Whose packets they are; undefined: of all. */
  session?: string | null | undefined
  /** Decimal seconds between which they came. */
  since?: string | null | undefined
  until?: string | null | undefined
  /** Shown only where the session is asked for. */
  isExtra?: boolean
}

export interface PageTable<Row> {
  columns: readonly PageColumn<Row>[]
  rows: readonly Row[]
  facts?: (row: Row) => RowFacts
  /** Where the packets of a row are found: the dashboard of an appliance. */
  appliance: string | undefined
}

/**
 * A table that scrolls by itself where it is too wide for the page. Without scripts it is whole; with them it is
 * sorted by its heads, searched, and shown a part at a time.
 */
export function pageTable<Row>({ columns, rows, facts, appliance }: PageTable<Row>): Html {
  const all = rows.map((row) => ({ row, facts: facts?.(row) ?? {} }))
  const hasFilters = all.some(({ facts: { filter } }) => filter !== undefined)
  return html`<div class="scroll"><table class="data"><thead><tr>${columns.map(
    ({ name, kind, bars }) =>
      html`<th scope="col" class="${kind === 'number' ? 'n' : ''}"${bars !== undefined && html` data-fixed`}>${name}</th>`,
  )}${hasFilters && html`<th scope="col" class="filter" data-fixed>filter</th>`}</tr></thead><tbody>
${all.map(
  ({ row, facts }) =>
    html`<tr${sessionOf(facts)}${facts.isExtra === true && html` class="extra"`}>${columns.map((column) => cell(column, row))}${hasFilters && html`<td class="filter">${filterMarkup(facts, appliance)}</td>`}</tr>\n`,
)}</tbody></table></div>`
}

/** One that nobody would sort: it has few rows, in an order of their own. */
export function plainTable<Row>(columns: readonly PageColumn<Row>[], rows: readonly Row[]): Html {
  return html`<div class="scroll"><table><thead><tr>${columns.map(
    ({ name, kind }) => html`<th scope="col" class="${kind === 'number' ? 'n' : ''}">${name}</th>`,
  )}</tr></thead><tbody>
${rows.map((row) => html`<tr>${columns.map((column) => cell(column, row))}</tr>\n`)}</tbody></table></div>`
}

/** A filter to be copied, and where there is an appliance the link to its packets. */
export function filterMarkup(facts: RowFacts, appliance: string | undefined): Html | undefined {
  const { filter } = facts
  if (filter === undefined) return undefined
  const link = appliance !== undefined && html`<a href="${linkTo(appliance, facts)}">packets</a>`
  return html`<code title="${filter}">${filter}</code>${link}`
}

/** The dashboard looks for packets of what is behind its address; see dashboard/assets/captures.js. */
function linkTo(appliance: string, { filter, session, since, until }: RowFacts): string {
  const query = new URLSearchParams({ filter: filter ?? '' })
  if (typeof session === 'string') query.set('session', session)
  if (typeof since === 'string') query.set('since', wholeSeconds(since, 0))
  if (typeof until === 'string') query.set('until', wholeSeconds(until, 1))
  return new URL(`/#packets?${query}`, appliance).href
}

function wholeSeconds(decimal: string, more: number): string {
  return String(Number(decimal.split('.')[0]) + more)
}

function sessionOf({ session }: RowFacts): Html | undefined {
  return session === undefined ? undefined : html` data-session="${session ?? ''}"`
}

function cell<Row>(column: PageColumn<Row>, row: Row): Html {
  if (column.bars !== undefined) {
    const bars = column.bars(row).map((share) => html`<i class="w${percentOf(share)}"></i>`)
    return html`<td class="bar">${bars}</td>`
  }
  const classes = [
    column.kind === 'number' && 'n',
    column.kind === 'address' && 'address',
    column.isBad?.(row) && 'bad',
  ].filter((name) => typeof name === 'string')
  const value = column.value !== undefined && html` data-v="${column.value(row)}"`
  return html`<td class="${classes.join(' ')}"${value}>${column.cell?.(row)}</td>`
}

/** What is more than nothing shows. */
function percentOf(share: number): number {
  return share === 0 ? 0 : Math.max(1, Math.round(100 * share))
}
