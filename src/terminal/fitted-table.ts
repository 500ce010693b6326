import { visible } from '../visible.js'
import { shortened, widthOf, wrapped } from './text-width.js'

/** A column of a table that must fit a width. */
export interface Column<Row> {
  readonly name: string
  /** What a terminal would obey in it is made visible. */
  readonly cell: (row: Row) => string
  /** Numbers are set to the right. */
  readonly right?: boolean
  /** May be shortened to this many columns of a terminal, with …; to less where nothing more can be left out. */
  readonly min?: number
  /** Where … goes: an address with a port says most at both ends. */
  readonly cut?: 'end' | 'middle'
  /** Left out where there is no room, highest first; without it the column stays. */
  readonly drop?: number
}

interface Shown<Row> {
  readonly column: Column<Row>
  width: number
}

const GAP = '  '

/** Text is shortened to no less than this, even where nothing can be left out any more. */
const SHORTEST = 5

/**
 * A table with a heading that is at most `width` wide, as far as that goes: first long cells are
 * shortened, then columns left out. Infinity leaves everything as it is. Laid out by the rows it
 * is made with; rows that come later are put in the same columns, as well as they fit.
 */
export class FittedTable<Row> {
  readonly heading: string
  /** Names of the columns there was no room for. */
  readonly leftOut: readonly string[]
  readonly #shown: readonly Shown<Row>[]
  readonly #isFitted: boolean

  constructor(columns: readonly Column<Row>[], rows: Iterable<Row>, width: number) {
    const all = columns.map((column) => ({ column, width: widthOf(visible(column.name)) }))
    for (const row of rows) {
      for (const each of all) {
        const cell = widthOf(visible(each.column.cell(row)))
        if (cell > each.width) each.width = cell
      }
    }
    this.#shown = fitted(all, width)
    this.#isFitted = width !== Number.POSITIVE_INFINITY
    this.leftOut = columns
      .filter((column) => !this.#shown.some((each) => each.column === column))
      .map(({ name }) => name)
    this.heading = this.#join(({ name }) => name)
  }

  line(row: Row): string {
    return this.#join((column) => column.cell(row))
  }

  #join(textOf: (column: Column<Row>) => string): string {
    return this.#shown
      .map(({ column, width }) => {
        const whole = visible(textOf(column))
        // A number that is cut is another number.
        const isCut = this.#isFitted && column.min !== undefined
        const text = isCut ? shortened(whole, width, column.cut) : whole
        const padding = ' '.repeat(Math.max(width - widthOf(text), 0))
        return column.right ? padding + text : text + padding
      })
      .join(GAP)
      .trimEnd()
  }
}

/** Lines of a table with its heading. */
export function fittedTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): string[] {
  const table = new FittedTable(columns, rows, width)
  return [table.heading, ...rows.map((row) => table.line(row))]
}

/** The vertical form of a row: a line with its number, and one for each column, broken where it is too long. */
export function verticalLines<Row>(
  columns: readonly Column<Row>[],
  row: Row,
  number: number,
  width: number,
): string[] {
  const names = columns.map(({ name }) => visible(name))
  const widest = names.reduce((most, name) => Math.max(most, widthOf(name)), 0)
  const heading = `-[ ${number} ]`.padEnd(Math.min(widest + 2, width), '-')
  const lines = columns.flatMap((column, at) => {
    const name = names[at]!
    const head = name + ' '.repeat(widest - widthOf(name)) + GAP
    const text = visible(column.cell(row))
    return wrapped(text, width, { head, hard: true })
  })
  return [heading, ...lines]
}

function totalOf(shown: readonly Shown<never>[]): number {
  return shown.reduce((sum, each) => sum + each.width, GAP.length * (shown.length - 1))
}

function fitted<Row>(all: readonly Shown<Row>[], width: number): readonly Shown<Row>[] {
  let shown = all
  for (;;) {
    const excess = totalOf(shown) - width
    if (!(excess > 0) || shrink(shown, excess, ({ min }) => min)) return shown
    const dropped = shown.reduce<Shown<Row> | undefined>(
      (most, each) => ((each.column.drop ?? 0) > (most?.column.drop ?? 0) ? each : most),
      undefined,
    )
    if (dropped === undefined) {
      // Nothing else is left: less than the least that is useful says more than a broken line.
      shrink(shown, excess, ({ min }) => min && Math.min(min, SHORTEST), true)
      return shown
    }
    shown = shown.filter((each) => each !== dropped)
  }
}

/**
 * Takes `excess` columns of the terminal away from what can be shortened, always from the widest.
 * False, and nothing done, where that is not possible; unless all that is possible `isEnough`.
 */
function shrink<Row>(
  shown: readonly Shown<Row>[],
  excess: number,
  leastOf: (column: Column<Row>) => number | undefined,
  isEnough = false,
): boolean {
  const shrinkable = shown.flatMap((each) => {
    const least = leastOf(each.column)
    return least === undefined || least >= each.width ? [] : [{ each, least }]
  })
  /** What is won by a limit to all widths. */
  const saved = (limit: number): number =>
    shrinkable.reduce(
      (sum, { each, least }) => sum + Math.max(each.width - Math.max(limit, least), 0),
      0,
    )
  if (saved(0) < excess && !isEnough) return false
  let limit = 0
  for (let above = Math.max(0, ...shrinkable.map(({ each }) => each.width)); limit < above; ) {
    const middle = Math.ceil((limit + above) / 2)
    if (saved(middle) >= excess) limit = middle
    else above = middle - 1
  }
  let spare = saved(limit) - excess
  for (const { each, least } of shrinkable) {
    const width = Math.min(each.width, Math.max(limit, least))
    const isSpared = width < each.width && spare > 0
    if (isSpared) spare--
    each.width = isSpared ? width + 1 : width
  }
  return true
}
