import { basename, dirname, join } from 'node:path'

/**
 * How a Parquet file comes to be while records trickle in.
 *
 * Half a Parquet file is worth nothing, and one is written group by group, so
 * records first grow as compressed text in a hidden file beside it: of that,
 * what a killed process leaves can be cut to whole records like any other flow
 * log. When the file is over the text is made into Parquet, and removed.
 */

const SPOOL = /^\.(.+)\.log\.gz$/
const PARQUET = '.log.parquet'

/** The spool of the Parquet file at `path`. */
export function spoolOf(path: string): string {
  return join(dirname(path), `.${basename(path, PARQUET)}.log.gz`)
}

/** The Parquet file of the spool at `path`, or undefined where that is none. */
export function parquetOf(path: string): string | undefined {
  const stem = SPOOL.exec(basename(path))?.[1]
  return stem === undefined ? undefined : join(dirname(path), stem + PARQUET)
}
