import { type Html, html } from './html.js'

export interface PageColumn<Row> {
  name: string
  /** Content of a cell; or `bars`. */
  cell?: (row: Row) => string | Html
  /** Shares of the column's width, from 0 to 1, one below the other. */
  bars?: (row: Row) => number[]
  kind?: 'number' | 'address'
  /** Whether the cell is to catch the eye. */
  isBad?: (row: Row) => boolean
}

/** A table that scrolls by itself where it is too wide for the page. */
export function pageTable<Row>(columns: readonly PageColumn<Row>[], rows: readonly Row[]): Html {
  return html`<div class="scroll"><table><thead><tr>${columns.map(
    ({ name, kind }) => html`<th scope="col" class="${kind === 'number' ? 'n' : ''}">${name}</th>`,
  )}</tr></thead><tbody>
${rows.map((row) => html`<tr>${columns.map((column) => cell(column, row))}</tr>\n`)}</tbody></table></div>`
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
  return html`<td class="${classes.join(' ')}">${column.cell?.(row)}</td>`
}

/** What is more than nothing shows. */
function percentOf(share: number): number {
  return share === 0 ? 0 : Math.max(1, Math.round(100 * share))
}
