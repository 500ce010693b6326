import { close, closeSync, existsSync, open, openSync, rm, rmSync, stat } from 'node:fs'
import { promisify } from 'node:util'

const closeAsync = promisify(close)
const openAsync = promisify(open)
const rmAsync = promisify(rm)
const statAsync = promisify(stat)

/** What a file is called until it is whole. */
export const PART = '.part'

/** The open `.part` of the file that is to be at `path`. */
export interface PartFile {
  readonly path: string
  readonly fd: number
}

/** What an operator is told of a part that could not be given its name. */
export function partLeft(path: string, reason: string): string {
  return `${path}${PART} is left as it is, for the next start to finish: ${reason}`
}

/** Whether a file of that name, or what a killed run left of one, is replaced or refused (EEXIST). */
export type Existing = 'replace' | 'refuse'

/** Opens `<path>.part`. Rejects with the file system's error: EEXIST, ENOSPC, EMFILE, … */
export async function openPart(path: string, existing: Existing): Promise<PartFile> {
  const part = path + PART
  // Another process may hold the old one open; it will find at its end that the name is no longer its own.
  if (existing === 'replace') await rmAsync(part, { force: true })
  const fd = await openAsync(part, 'wx')
  // Asked second: whoever held the part until now may have renamed it since.
  if (existing === 'refuse' && (await exists(path))) {
    await closeAsync(fd)
    await rmAsync(part, { force: true })
    throw taken(path)
  }
  return { path, fd }
}

/** The same for work that can wait for the disk, and wants to know at once. */
export function openPartSync(path: string, existing: Existing): PartFile {
  const part = path + PART
  if (existing === 'replace') rmSync(part, { force: true })
  const fd = openSync(part, 'wx')
  if (existing === 'refuse' && existsSync(path)) {
    closeSync(fd)
    rmSync(part)
    throw taken(path)
  }
  return { path, fd }
}

function exists(path: string): Promise<boolean> {
  return statAsync(path).then(
    () => true,
    () => false,
  )
}

function taken(path: string): Error {
  return Object.assign(new Error(`EEXIST: file already exists, '${path}'`), { code: 'EEXIST' })
}
