/** A column of a table that must fit a width. */
export interface Column<Row> {
  name: string
  cell: (row: Row) => string
  /** Numbers are set to the right. */
  right?: true
  /** May be shortened to so many characters, with … at its end. */
  min?: number
  /** Left out where there is no room, highest first; without it the column stays. */
  drop?: number
}

const GAP = '  '

/**
 * Lines of a table with a heading that is at most `width` wide, as far as that goes: first
 * columns are dropped, then long ones are shortened. Infinity leaves everything as it is.
 */
export function fittedTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): string[] {
  let shown = columns.map((column) => {
    const cells = rows.map((row) => column.cell(row))
    return { column, cells, width: Math.max(column.name.length, ...cells.map(lengthOf)) }
  })
  const total = (): number =>
    shown.reduce((sum, each) => sum + each.width, GAP.length * (shown.length - 1))
  while (total() > width) {
    const shorter = shrinkable(shown)
    const excess = total() - width
    const slack = shorter.reduce((sum, each) => sum + each.width - each.column.min!, 0)
    if (slack >= excess) {
      shrink(shorter, excess)
      break
    }
    const dropped = shown
      .filter(({ column }) => column.drop !== undefined)
      .sort((left, right) => right.column.drop! - left.column.drop!)[0]
    if (dropped === undefined) {
      shrink(shorter, slack)
      break
    }
    shown = shown.filter((each) => each !== dropped)
  }
  const line = (cellOf: (each: (typeof shown)[number]) => string): string =>
    shown
      .map((each) => {
        const text = shortened(cellOf(each), each.width)
        const padding = ' '.repeat(each.width - lengthOf(text))
        return each.column.right ? padding + text : text + padding
      })
      .join(GAP)
      .trimEnd()
  return [
    line(({ column }) => column.name),
    ...rows.map((_, row) => line(({ cells }) => cells[row]!)),
  ]
}

interface Shown {
  column: { min?: number }
  width: number
}

function shrinkable<S extends Shown>(shown: readonly S[]): S[] {
  return shown.filter(({ column, width }) => column.min !== undefined && width > column.min)
}

/** Takes `excess` characters away, each from what is then the widest. */
function shrink(columns: readonly Shown[], excess: number): void {
  for (let left = excess; left > 0; left--) {
    const widest = shrinkable(columns).reduce((most, each) =>
      each.width > most.width ? each : most,
    )
    widest.width--
  }
}

function shortened(text: string, width: number): string {
  const characters = [...text]
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`
}

function lengthOf(text: string): number {
  return [...text].length
}
