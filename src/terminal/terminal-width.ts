/**
 * Columns of the terminal that a stream is: what COLUMNS says, else what the terminal says, else
 * 80. Infinity where it is none, so that what is piped on is whole.
 */
export function terminalWidth(stream: NodeJS.WriteStream): number {
  if (stream.isTTY !== true) return Number.POSITIVE_INFINITY
  const { COLUMNS } = process.env
  if (COLUMNS !== undefined && /^[1-9]\d{0,5}$/.test(COLUMNS)) return Number(COLUMNS)
  return stream.columns > 0 ? stream.columns : 80
}
