import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '../errors.js'
import { makeNewFile } from './new-file.js'
import { errnoOf, WriteError } from './write-error.js'

export const LOCK_NAME = '.mirrortap.lock'

/** Who wrote a lock. A pid alone is used again, by a container's first process at every start. */
interface Holder {
  readonly pid: number
  /** Start of the process in ticks since boot (proc(5), stat, field 22), and the boot; empty where there is no /proc. */
  readonly started: string
  readonly boot: string
}

/**
 * One process at a time manages the files of a directory.
 *
 * A file, since Node cannot flock. One that a killed process left is recognised
 * and replaced. Processes that cannot see each other (containers that share a
 * volume) take each other for dead: give each a directory of its own.
 */
export class DirectoryLock {
  readonly #path: string
  readonly #text: string

  /** The directory must exist. Throws OperatorError when another live process, or this one, holds the lock. */
  constructor(directory: string) {
    this.#path = join(directory, LOCK_NAME)
    this.#text = `${JSON.stringify(holderOf(process.pid))}\n`
    try {
      while (!makeNewFile(this.#path, this.#text)) {
        const held = readText(this.#path)
        const holder = parse(held)
        if (holder !== undefined && isAlive(holder)) {
          throw new OperatorError(
            `${directory} is in use by process ${holder.pid}; stop that one or name another directory`,
          )
        }
        if (held !== undefined) removeStale(this.#path, held)
      }
    } catch (error) {
      throw error instanceof OperatorError ? error : new WriteError(this.#path, error)
    }
  }

  /** One that cannot be removed, on a disk that fails, is recognised as that of a process that is gone. */
  release(): void {
    try {
      if (readText(this.#path) === this.#text) rmSync(this.#path, { force: true })
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
    }
  }
}

/** The process that holds the directory's lock, or undefined when none that lives does. */
export function lockHolder(directory: string): number | undefined {
  const holder = parse(readText(join(directory, LOCK_NAME)))
  return holder !== undefined && isAlive(holder) ? holder.pid : undefined
}

/** Removes the lock, if it still is the one with that text: another process may have replaced it meanwhile. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.${randomUUID()}.stale`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw error
  }
  const taken = readText(aside)
  if (taken !== undefined && taken !== text) makeNewFile(path, taken)
  rmSync(aside, { force: true })
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function parse(text: string | undefined): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    if (typeof value !== 'object' || value === null) return undefined
    const { pid, started, boot } = value as Partial<Holder>
    if (!Number.isInteger(pid) || typeof started !== 'string' || typeof boot !== 'string') {
      return undefined
    }
    return { pid: pid!, started, boot }
  } catch {
    return undefined
  }
}

function isAlive(holder: Holder): boolean {
  const now = holderOf(holder.pid)
  if (now.started !== '' || now.boot !== '') {
    return now.started === holder.started && now.boot === holder.boot
  }
  try {
    process.kill(holder.pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/** `started` is empty for a process that is gone or a zombie. */
function holderOf(pid: number): Holder {
  const boot = read('/proc/sys/kernel/random/boot_id').trim()
  // The second field is the command in parentheses and may hold any character.
  const fields = read(`/proc/${pid}/stat`)
    .replace(/^.*\)\s*/s, '')
    .split(' ')
  const isGone = fields[0] === 'Z' || fields[0] === 'X'
  return { pid, started: isGone ? '' : (fields[19] ?? ''), boot }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
