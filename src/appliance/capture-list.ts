import { constants } from 'node:fs'
import { type FileHandle, open, opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type CaptureName, parseCaptureName } from '../pcap/capture-name.js'
import type { Disk } from '../sink/disk.js'
import { errnoOf } from '../sink/write-error.js'

/** A finished capture file. Plain data. */
export interface ListedCapture {
  readonly session: string
  readonly name: string
  /** When its first packet came, `2026-11-20T18:34:00Z`. */
  readonly start: string
  readonly bytes: number
  /** Milliseconds since the epoch. */
  readonly finishedAt: number
}

export interface CaptureListing {
  /** Newest first. */
  readonly captures: readonly ListedCapture[]
  /** What to give as `before` for those that follow; undefined where there are none. */
  readonly next: string | undefined
  /** Sessions that have a directory, the one written to last first. */
  readonly sessions: readonly string[]
}

export interface ListedRange {
  /** Undefined: of all. */
  readonly session?: string | undefined
  /** `next` of the listing before. */
  readonly before?: string | undefined
  /** Captures at most. */
  readonly count: number
}

/** Directories that are looked at, and named in a listing. */
const DIRECTORIES_MAX = 10_000
const SESSIONS_MAX = 1000

interface Found {
  readonly session: string
  readonly name: string
  readonly parsed: CaptureName
  /** Its place in the order of time. */
  readonly place: string
}

/**
 * The finished captures of a directory, `<session>/<start>.pcap`, a few at a time and newest first. However many
 * there are, only those of one listing are held.
 */
export class CaptureList {
  readonly #directory: string
  readonly #disk: Disk

  constructor(directory: string, disk: Disk) {
    this.#directory = directory
    this.#disk = disk
  }

  async list({ session, before, count }: ListedRange): Promise<CaptureListing> {
    const directories = await this.#directories()
    const newest = new Newest(count + 1, before)
    const named = { name: session ?? '', changedAt: Number.POSITIVE_INFINITY }
    for (const { name, changedAt } of session === undefined ? directories : [named]) {
      if (!isOneDirectory(name)) break
      // Nothing in a directory began after the last change of it.
      if (newest.isFullFrom(changedAt)) break
      for await (const file of this.#namesIn(name)) newest.add(name, file)
    }
    const found = newest.places
    const captures: ListedCapture[] = []
    for (const { session, name, parsed } of found.slice(0, count)) {
      const path = join(this.#directory, session, name)
      const file = await this.#disk.run(() => stat(path)).catch(unlessGone)
      if (file === undefined) continue
      captures.push({
        session,
        name,
        start: isoOf(parsed.start),
        bytes: file.size,
        finishedAt: file.mtimeMs,
      })
    }
    return {
      captures,
      next: found.length > count ? found[count - 1]!.place : undefined,
      sessions: directories.slice(0, SESSIONS_MAX).map(({ name }) => name),
    }
  }

  /** Opens a capture by its names; undefined where there is none. Neither name can lead out of the directory. */
  async open(session: string, name: string): Promise<FileHandle | undefined> {
    if (!isOneDirectory(session) || parseCaptureName(name) === undefined) return undefined
    const path = join(this.#directory, session, name)
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const handle = await this.#disk.run(() => open(path, flags)).catch(unlessNone)
    if (handle === undefined) return undefined
    if ((await this.#disk.run(() => handle.stat())).isFile()) return handle
    await handle.close()
    return undefined
  }

  /** Those of sessions, the one changed last first. */
  async #directories(): Promise<{ name: string; changedAt: number }[]> {
    const directories: { name: string; changedAt: number }[] = []
    for await (const { name, isDirectory } of this.#entries(this.#directory)) {
      if (!isDirectory || !isOneDirectory(name)) continue
      const found = await this.#disk.run(() => stat(join(this.#directory, name))).catch(unlessGone)
      if (found !== undefined) directories.push({ name, changedAt: found.mtimeMs })
      if (directories.length === DIRECTORIES_MAX) break
    }
    return directories.sort((a, b) => b.changedAt - a.changedAt || (a.name < b.name ? -1 : 1))
  }

  async *#namesIn(session: string): AsyncGenerator<string> {
    for await (const { name, isFile } of this.#entries(join(this.#directory, session))) {
      if (isFile) yield name
    }
  }

  async *#entries(
    path: string,
  ): AsyncGenerator<{ name: string; isFile: boolean; isDirectory: boolean }> {
    const directory = await this.#disk
      .run(() => opendir(path, { bufferSize: 1024 }))
      .catch(unlessNone)
    if (directory === undefined) return
    try {
      for (;;) {
        const entry = await this.#disk.run(() => directory.read())
        if (entry === null) return
        yield { name: entry.name, isFile: entry.isFile(), isDirectory: entry.isDirectory() }
      }
    } finally {
      await directory.close()
    }
  }
}

/** The latest of many captures, so many of them. */
class Newest {
  #found: Found[] = []
  readonly #count: number
  readonly #before: string | undefined

  constructor(count: number, before: string | undefined) {
    this.#count = count
    this.#before = before
  }

  add(session: string, name: string): void {
    const parsed = parseCaptureName(name)
    if (parsed === undefined) return
    const place = placeOf(session, parsed, name)
    if (this.#before !== undefined && place >= this.#before) return
    this.#found.push({ session, name, parsed, place })
    if (this.#found.length >= 2 * this.#count) this.#found = this.places
  }

  /** Whether all that began by then, in milliseconds, would come behind those that are here. */
  isFullFrom(changedAt: number): boolean {
    const { places } = this
    const last = places[this.#count - 1]
    return last !== undefined && Date.parse(isoOf(last.parsed.start)) > changedAt
  }

  get places(): Found[] {
    return this.#found.sort((a, b) => (a.place > b.place ? -1 : 1)).slice(0, this.#count)
  }
}

/** Texts that are in the order of time: of captures that began in the same second in that of their numbers. */
function placeOf(session: string, { start, index, suffix }: CaptureName, name: string): string {
  return [start, String(index).padStart(9, '0'), suffix, session, name].join('/')
}

/** `20261120T183400Z` as `2026-11-20T18:34:00Z`. */
function isoOf(start: string): string {
  return start.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
}

/** Hidden directories are not those of sessions. */
function isOneDirectory(name: string): boolean {
  return /^[^./\0][^/\0]*$/.test(name)
}

/** What was there a moment ago may have been delivered, or removed by retention. */
function unlessGone(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}

/** Nothing is there, or a link, a directory, a pipe or a name that is too long. */
function unlessNone(error: unknown): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '')) {
    throw error
  }
}
