import { protocolName } from '../wire/protocol.js'

/** Columns for people. */

/** `tcp`, or the number where no name is common. */
export function formatProtocol(protocol: number): string {
  return protocolName(protocol) ?? String(protocol)
}

const FLAG_LETTERS = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C']

/** `SAF`, lowest bit first; `-` for none. */
export function formatFlags(tcpFlags: number): string {
  const letters = FLAG_LETTERS.filter((_letter, bit) => (tcpFlags & (1 << bit)) !== 0)
  return letters.length === 0 ? '-' : letters.join('')
}

/** Lines of a table with a heading; columns in `right` are set to the right. */
export function formatTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = heading.map((name) => name.length)
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      if (cell.length > widths[column]!) widths[column] = cell.length
    }
  }
  return [heading, ...rows].map((row) =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  )
}
