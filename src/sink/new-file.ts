import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { errnoOf } from './write-error.js'

/** What file systems answer that know no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'])

/**
 * Makes a file that holds all of its text from the moment it has its name, so that of processes
 * that make it at the same time one succeeds, and nobody reads half of it. (What replaces a file
 * is written with write-file-atomic.) Without hard links it may be seen half written.
 * Returns false when the name is taken.
 */
export function makeNewFile(path: string, text: string, mode = 0o666): boolean {
  const unnamed = `${path}.${randomUUID()}`
  try {
    writeNew(unnamed, text, mode)
    try {
      linkSync(unnamed, path)
    } catch (error) {
      if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error
      writeNew(path, text, mode)
    }
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(unnamed, { force: true })
  }
}

function writeNew(path: string, text: string, mode: number): void {
  const fd = openSync(path, 'wx', mode)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
