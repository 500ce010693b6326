import { createReadStream, existsSync } from 'node:fs'
import { open, readdir, readlink, realpath, rename, rm, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip } from 'node:zlib'
import { syncDirectory } from '../sink/directory.js'
import { lockHolder } from '../sink/directory-lock.js'
import { PART } from '../sink/part-file.js'
import { errnoOf } from '../sink/write-error.js'
import { PART_KINDS, type PartKind } from './part-kinds.js'

interface Adoption {
  /** Files that have got their final names. */
  adopted: number
  /** Files in which nothing was whole. */
  removed: number
  /** Bytes that were cut off or removed; of compressed files, as far as they could be decompressed. */
  lostBytes: number
  /** One line a file, for the operator. */
  lines: string[]
}

/** Whether files of this process may be among those found, which is nothing to speak of. */
type AdoptionMode = 'at the start' | 'beside others'

/** A compressed file being made anew; worth nothing if that was interrupted, the part is still there. */
const ANEW = '.new'

/**
 * Finishes what a killed process left in `directory` and below: each `.part` is
 * cut to its last whole packet and gets its final name, or the next one free.
 *
 * To be called before the directory is written to. A file that a live process
 * still writes is left alone: all of them when another process holds the
 * directory's lock, else those that /proc shows open. So is one that cannot be
 * read or is not what its name says. Nothing is thrown for what one file does.
 *
 * After a thread of this process has died it may be called `beside others`, which open, finish and
 * remove files meanwhile.
 */
export async function adoptParts(
  directory: string,
  mode: AdoptionMode = 'at the start',
): Promise<Adoption> {
  const isBeside = mode === 'beside others'
  const adoption: Adoption = { adopted: 0, removed: 0, lostBytes: 0, lines: [] }
  const holder = lockHolder(directory)
  if (holder !== undefined && holder !== process.pid) {
    adoption.lines.push(`left ${directory} alone: process ${holder} is using it`)
    return adoption
  }
  const parts = await partsBelow(directory)
  const inUse = parts.length === 0 ? new Set() : await openFiles(PART)
  for (const part of parts) {
    try {
      if (inUse.has(await realpath(part))) {
        if (isBeside) continue
        throw new Error('a process is writing it')
      }
      await adopt(part, adoption)
    } catch (error) {
      // Finished by now.
      if (isBeside && errnoOf(error) === 'ENOENT') continue
      adoption.lines.push(`left ${part} alone: ${(error as Error).message}`)
    }
  }
  return adoption
}

async function partsBelow(directory: string): Promise<string[]> {
  const parts: string[] = []
  let entries: Awaited<ReturnType<typeof list>>
  try {
    entries = await list(directory)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile()) continue
    if (path.endsWith(PART + ANEW)) await rm(path, { force: true })
    else if (path.endsWith(PART)) parts.push(path)
  }
  return parts.sort()
}

function list(directory: string) {
  return readdir(directory, { recursive: true, withFileTypes: true })
}

async function adopt(part: string, adoption: Adoption): Promise<void> {
  const path = part.slice(0, -PART.length)
  const [extension, kind] = kindOf(path)
  const walker = kind.walker()
  let octets = 0
  for await (const piece of piecesOf(part, kind)) {
    octets += piece.length
    walker.push(piece)
  }
  if (walker.isStrange) throw new Error('it is not what its name says')

  if (walker.units === 0) {
    await rm(part)
    adoption.removed++
    adoption.lostBytes += octets
    adoption.lines.push(`removed ${part}: ${octets} bytes and no whole ${kind.unit}`)
    return
  }
  const whole = walker.wholeOctets
  if (kind.isGzip) await compressAnew(part, kind, whole)
  else if (whole < octets) await truncate(part, whole)
  await syncFile(part)
  const name = freeName(path, extension)
  await rename(part, name)
  await syncDirectory(dirname(name))
  adoption.adopted++
  adoption.lostBytes += octets - whole
  const cut = whole < octets ? `, ${octets - whole} bytes of a cut ${kind.unit} removed` : ''
  adoption.lines.push(
    `adopted ${name}: ${walker.units} ${kind.unit}${walker.units === 1 ? '' : 's'}${cut}`,
  )
}

function kindOf(path: string): [string, PartKind] {
  const found = Object.entries(PART_KINDS).find(([extension]) => path.endsWith(extension))
  if (found === undefined) throw new Error('no way is known to finish such a file')
  return found
}

/** The file's bytes, decompressed as far as that goes. */
async function* piecesOf(path: string, kind: PartKind): AsyncGenerator<Buffer> {
  const file = createReadStream(path)
  if (!kind.isGzip) {
    yield* file as AsyncIterable<Buffer>
    return
  }
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  file.on('error', (error) => gunzip.destroy(error))
  let isGzip = false
  try {
    for await (const piece of file.pipe(gunzip)) {
      isGzip = true
      yield piece as Buffer
    }
  } catch (error) {
    if (!isGzip || !errnoOf(error)?.startsWith('Z_')) throw error
  } finally {
    file.destroy()
  }
}

/** Puts a file that holds the first `octets`, and ends as it should, in the part's place. */
async function compressAnew(part: string, kind: PartKind, octets: number): Promise<void> {
  const anew = part + ANEW
  await rm(anew, { force: true })
  const file = await open(anew, 'wx')
  await pipeline(firstOf(piecesOf(part, kind), octets), createGzip(), file.createWriteStream())
  await syncFile(anew)
  await rename(anew, part)
}

async function* firstOf(pieces: AsyncIterable<Buffer>, octets: number): AsyncGenerator<Buffer> {
  let left = octets
  for await (const piece of pieces) {
    yield piece.subarray(0, left)
    left -= Math.min(left, piece.length)
    if (left === 0) return
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** The path, or with `-1`, `-2`, … in the style of capture-name.ts if it is taken. */
function freeName(path: string, extension: string): string {
  if (!existsSync(path)) return path
  const base = path.slice(0, -extension.length)
  const [, stem, index, suffix] = /^(.*?)(?:(?<=Z)-(\d+))?(\.w\d+)?$/s.exec(base)!
  for (let next = Number(index ?? 0) + 1; ; next++) {
    const name = `${stem}-${next}${suffix ?? ''}${extension}`
    if (!existsSync(name)) return name
  }
}

/**
 * Paths of all files whose names end in `ending` that some process, this one
 * included, has open: as far as /proc shows them to us, which is all of them to
 * root and our own to others. Empty where there is no /proc.
 */
async function openFiles(ending: string): Promise<Set<string>> {
  const found = new Set<string>()
  for (const pid of await namesIn('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const directory = join('/proc', pid, 'fd')
    for (const fd of await namesIn(directory)) {
      // A process, or one descriptor of it, may be gone by now.
      const path = await readlink(join(directory, fd)).catch(() => '')
      if (path.endsWith(ending)) found.add(path)
    }
  }
  return found
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
