import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetOf } from '../flowlog/spool.js'
import type { Convert } from '../flowlog/spool-thread.js'
import { PART } from '../sink/part-file.js'
import { errnoOf } from '../sink/write-error.js'

/**
 * Removes what a killed process has left of Parquet files half converted; their
 * spools are still there. To be called by whoever holds the directory's lock,
 * before adoption looks for unfinished files.
 */
export async function removeHalfConverted(directory: string): Promise<void> {
  for (const spool of await spoolsBelow(directory)) {
    await rm(parquetOf(spool)! + PART, { force: true })
  }
}

/**
 * Converts the spools that a killed process has left in `directory` and below,
 * and answers with a line on each. To be called after adoption has cut them to
 * whole records. Nothing is thrown for what one file does.
 */
export async function convertSpools(directory: string, convert: Convert): Promise<string[]> {
  const lines: string[] = []
  for (const spool of await spoolsBelow(directory)) {
    const path = parquetOf(spool)!
    try {
      // Where only the spool's removal was still to be done, it is converted once more into the same file.
      await convert(spool, path)
      lines.push(`adopted ${path}`)
    } catch (error) {
      lines.push(`left ${spool} alone: ${(error as Error).message}`)
    }
  }
  return lines
}

async function spoolsBelow(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && parquetOf(entry.name) !== undefined)
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}
