import { stat } from 'node:fs/promises'
import { OperatorError } from '../errors.js'
import { type CaptureFile, capturesIn } from '../search/capture-files.js'
import { errnoOf } from '../sink/write-error.js'

/**
 * The capture files that a command line names: files as they are named, and of each directory those in
 * and below it. Throws OperatorError for a directory that is not there, cannot be read or has none.
 */
export async function namedCaptures(paths: readonly string[]): Promise<CaptureFile[]> {
  const found: CaptureFile[] = []
  for (const path of paths) {
    const isDirectory = await stat(path).then(
      (stats) => stats.isDirectory(),
      () => false,
    )
    // Of a file that is not there, whoever opens it says so.
    if (isDirectory) found.push(...(await inDirectory(path)))
    else found.push({ path, session: undefined })
  }
  return found
}

async function inDirectory(path: string): Promise<CaptureFile[]> {
  let files: CaptureFile[]
  try {
    files = await capturesIn(path)
  } catch (error) {
    const why = errnoOf(error) === 'EACCES' ? 'may not be read; run as a user who may' : `${error}`
    throw new OperatorError(`${path} ${why}`, { cause: error })
  }
  if (files.length === 0) {
    throw new OperatorError(
      `${path} has no capture files: their names end in .pcap, .pcapng or .cap, with or without .gz or .zst`,
    )
  }
  return files
}
