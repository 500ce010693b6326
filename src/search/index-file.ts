import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { OperatorError } from '../errors.js'
import { INDEX_SUFFIX } from '../pcap/capture-name.js'
import {
  type CaptureSummary,
  type KnownRestart,
  type ReadOptions,
  readCapture,
} from '../pcap/reader.js'
import { Restarts } from '../pcap/restarts.js'
import { SINK_BLOCK_LEN } from '../sink/byte-sink.js'
import { openSinkLater } from '../sink/open.js'
import { errnoOf } from '../sink/write-error.js'
import { IndexBuilder } from './index-builder.js'
import {
  type CaptureIdentity,
  type CaptureIndex,
  headLengthOf,
  PREAMBLE_LEN,
  parseIndex,
  windowOf,
} from './index-format.js'

/** Of each end of a capture, what tells it from another of the same length and time. */
const END_LEN = 4096

/** Longer than that of any capture that fits a disk. */
const HEAD_LEN_MAX = 64 * 1024 * 1024

/**
 * Decompressed bytes between two places where decompressing can begin: some 100 ms of work. The window
 * of each, 32 KiB before it is made smaller, is then a thousandth of them at most.
 */
const RESTART_EVERY = 32 * 1024 * 1024

/** Where the index of a capture stands. */
export function indexPathOf(capture: string): string {
  return capture + INDEX_SUFFIX
}

/** What came of indexing a capture. */
export interface Indexed {
  readonly summary: CaptureSummary
  readonly blocks: number
  /** Bytes of the capture as it is stored, and of its index. */
  readonly captureBytes: number
  readonly indexBytes: number
}

/**
 * Reads a capture and writes its index, whole or not at all. Rejects with OperatorError where
 * the one cannot be read or the other not written, or the capture changed meanwhile, and with
 * what `afterBlock` throws, which then leaves no index.
 */
export async function buildIndex(
  capture: string,
  afterBlock?: ReadOptions['afterBlock'],
  restartEvery = RESTART_EVERY,
): Promise<Indexed> {
  const before = identified(capture)
  const size = before?.size ?? 0
  let { builder, summary } = await indexed(capture, size, afterBlock, restartEvery)
  // Where decompressing can begin is of use in whole files alone, and is found in them alone.
  if (summary.damage !== undefined && summary.compression !== 'none') {
    ;({ builder, summary } = await indexed(capture, size, afterBlock, undefined))
  }
  const after = identify(capture)
  if (before === undefined || !isSame(before, after)) {
    throw new OperatorError(`${capture} changed while it was read; index it when it is complete`)
  }
  const bytes = builder.finish(after, summary)
  await writeWhole(indexPathOf(capture), bytes)
  return { summary, blocks: builder.blocks, captureBytes: after.size, indexBytes: bytes.length }
}

async function indexed(
  capture: string,
  size: number,
  afterBlock: ReadOptions['afterBlock'],
  restartEvery: number | undefined,
): Promise<{ builder: IndexBuilder; summary: CaptureSummary }> {
  const builder = new IndexBuilder(size)
  const summary = await readCapture(capture, (packet) => builder.add(packet), {
    listInterfaces: false,
    onParsed: (parsed) => builder.parsed(parsed),
    noteRestarts:
      restartEvery === undefined
        ? undefined
        : new Restarts((restart) => builder.restart(restart), restartEvery),
    ...(afterBlock && { afterBlock }),
  })
  return { builder, summary }
}

/** Undefined where whoever reads it will say why. */
function identified(capture: string): CaptureIdentity | undefined {
  try {
    return identify(capture)
  } catch {
    return undefined
  }
}

/** The index of a capture, or why there is none to use. */
export type IndexState = CaptureIndex | 'none' | 'stale' | 'damaged'

/**
 * Memory that one index after the other is read into. To give a process memory that is new to it takes the
 * kernel several times as long as to read what is put there.
 */
export class ReusedMemory {
  #bytes = Buffer.alloc(0)

  /** Valid until the next call. */
  bytes(length: number): Buffer {
    if (this.#bytes.length < length) this.#bytes = Buffer.alloc(length)
    return this.#bytes.subarray(0, length)
  }
}

/**
 * The index that stands beside a capture, if it is whole and of this capture as it is now. It lies in
 * `memory`, and is valid as long as that is.
 */
export function readIndex(capture: string, memory = new ReusedMemory()): IndexState {
  let fd: number
  try {
    fd = openSync(indexPathOf(capture), 'r')
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'none' : 'damaged'
  }
  try {
    const { size } = fstatSync(fd)
    const headLength = headLengthOf(readAt(fd, 0, PREAMBLE_LEN))
    if (headLength === undefined || headLength > Math.min(size, HEAD_LEN_MAX)) return 'damaged'
    const head = memory.bytes(headLength)
    const index = parseIndex(head.subarray(0, readInto(fd, 0, head)), size)
    if (index === undefined) return 'damaged'
    return isSame(index.capture, identify(capture)) ? index : 'stale'
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return 'damaged'
  } finally {
    closeSync(fd)
  }
}

/** The filters of all blocks of an index that was read; undefined where they are no longer there. */
export function readFilters(
  capture: string,
  { filtersLength }: CaptureIndex,
  memory: ReusedMemory,
): Buffer | undefined {
  return readPart(capture, (size) => size - filtersLength, memory.bytes(filtersLength))
}

/** The places where decompressing can begin. */
export function restartsOf(capture: string, { places }: CaptureIndex): KnownRestart[] {
  return places.map((place) => ({
    at: place.at,
    bits: place.bits,
    output: place.output,
    window: () => {
      const kept = readPart(capture, () => place.windowAt, Buffer.alloc(place.windowLength))
      return kept && windowOf(kept, place)
    },
  }))
}

/** Fills `bytes` with a part of an index; undefined where it is no longer there. */
function readPart(
  capture: string,
  from: (size: number) => number,
  bytes: Buffer,
): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(indexPathOf(capture), 'r')
  } catch {
    return undefined
  }
  try {
    return readInto(fd, from(fstatSync(fd).size), bytes) === bytes.length ? bytes : undefined
  } catch {
    return undefined
  } finally {
    closeSync(fd)
  }
}

/** It can be made again, so that it need not be on the disk before it has its name. */
async function writeWhole(path: string, bytes: Buffer): Promise<void> {
  const sink = await openSinkLater(path, { limitBytes: Number.POSITIVE_INFINITY, durable: false })
  for (let from = 0; from < bytes.length; from += SINK_BLOCK_LEN) {
    const piece = bytes.subarray(from, from + SINK_BLOCK_LEN)
    const at = sink.reserve(piece.length)
    if (at === -1) break
    piece.copy(sink.block, at)
  }
  try {
    await sink.close()
  } catch (error) {
    // A part of it may have got the name.
    await rm(path, { force: true })
    throw error
  }
}

function identify(path: string): CaptureIdentity {
  const fd = openSync(path, 'r')
  try {
    const { size, mtimeNs } = fstatSync(fd, { bigint: true })
    const length = Number(size)
    const head = readAt(fd, 0, END_LEN)
    const tail = readAt(fd, Math.max(0, length - END_LEN), END_LEN)
    return { size: length, mtimeNs, ends: crc32(tail, crc32(head)) }
  } finally {
    closeSync(fd)
  }
}

function isSame(one: CaptureIdentity, other: CaptureIdentity): boolean {
  return one.size === other.size && one.mtimeNs === other.mtimeNs && one.ends === other.ends
}

function readAt(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  return bytes.subarray(0, readInto(fd, from, bytes))
}

/** Returns how many bytes were there. */
function readInto(fd: number, from: number, bytes: Buffer): number {
  let filled = 0
  while (filled < bytes.length) {
    const read = readSync(fd, bytes, filled, bytes.length - filled, from + filled)
    if (read === 0) break
    filled += read
  }
  return filled
}
