import { randomUUID } from 'node:crypto'
import {
  close as closeFd,
  closeSync,
  existsSync,
  fsync,
  mkdirSync,
  open as openFd,
  openSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { errnoOf, WriteError } from './write-error.js'

const openAsync = promisify(openFd)
const fsyncAsync = promisify(fsync)
const closeAsync = promisify(closeFd)

/** What file systems answer that cannot sync a directory, or to users who may write but not read one. */
const NO_DIRECTORY_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EACCES', 'EPERM'])

/**
 * Makes the directory if it is not there and proves that files can be made in
 * it by making one: permission bits say nothing about root, read-only mounts and
 * full disks. Returns what it had to make, outermost first. Throws WriteError.
 */
export function ensureDirectory(directory: string): readonly string[] {
  const probe = join(directory, `.mirrortap-probe-${randomUUID()}`)
  const made: string[] = []
  try {
    makeDirectory(directory, made)
    // Exclusive: a link of that name is not followed.
    closeSync(openSync(probe, 'wx'))
    rmSync(probe)
    return made
  } catch (error) {
    removeEmpty(made)
    throw new WriteError(directory, error)
  }
}

/** For work that came to nothing: removes directories, outermost first, as far as there is nothing in them. */
export function removeEmpty(directories: readonly string[]): void {
  for (const directory of directories.toReversed()) {
    try {
      rmdirSync(directory)
    } catch {
      // There is something in it, or somebody was faster.
    }
  }
}

/** With all above it. Where none can be made, as in /proc, Node's own way to do that never ends. */
function makeDirectory(directory: string, made: string[]): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(directory), made)
  try {
    mkdirSync(directory)
    made.push(directory)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(directory)) throw error
  }
}

/** Makes names in the directory (new, renamed, removed) survive a power failure, where the file system can. */
export async function syncDirectory(directory: string): Promise<void> {
  try {
    const fd = await openAsync(directory, 'r')
    try {
      await fsyncAsync(fd)
    } finally {
      await closeAsync(fd)
    }
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.has(errnoOf(error) ?? '')) throw error
  }
}

/** Makes the directory `made` and those above it up to `first`, as mkdirSync reports it, survive a power failure. */
export async function syncMadeDirectories(first: string, made: string): Promise<void> {
  const top = dirname(first)
  for (let directory = dirname(made); ; directory = dirname(directory)) {
    await syncDirectory(directory)
    if (directory === top || directory === dirname(directory)) return
  }
}
