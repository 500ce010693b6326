import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { LEADING_VALUES } from '../flowlog/delivery-queue-format.js'
import { errnoOf } from '../sink/write-error.js'
import { Undeliverable } from './destination.js'

/** A record that waits for a destination of records. */
export interface QueuedRecord {
  /** The id of the interface or attachment; `-` where it is unknown. */
  readonly source: string
  /** When it begins, in milliseconds since the epoch. */
  readonly startMs: number
  /** The record as the flow log has it, without a newline. */
  readonly line: string
  /** Length of `line` in UTF-8. */
  readonly bytes: number
}

/** How much of a file is in memory at a time. */
export interface ChunkLimits {
  readonly records: number
  /** Of their lines. A single longer record is a chunk of its own. */
  readonly bytes: number
}

/** No record is as long, and every service takes one up to here. */
const LINE_BYTES_MAX = 1_000_000

const NEWLINE = 0x0a

/** What zlib says of bytes that are not those of a whole gzip file, whatever the disk does. */
const DAMAGED = new Set(['Z_DATA_ERROR', 'Z_BUF_ERROR', 'Z_NEED_DICT'])

/**
 * The records of a queue's file after the first `skipped`, in chunks: the same ones at each call
 * that begins where a chunk began. Where the file is damaged, what is before the damage comes
 * first; then it rejects with Undeliverable. Otherwise it rejects with the file system's error.
 */
export async function* queuedRecords(
  path: string,
  limits: ChunkLimits,
  skipped: number,
): AsyncGenerator<readonly QueuedRecord[]> {
  let chunk: QueuedRecord[] = []
  let bytes = 0
  let count = 0
  let damage: Undeliverable | undefined
  try {
    for await (const line of linesOf(path)) {
      if (count < skipped) {
        count++
        continue
      }
      const record = recordOf(line)
      const isFull = chunk.length === limits.records || bytes + record.bytes > limits.bytes
      if (isFull && chunk.length > 0) {
        yield chunk
        chunk = []
        bytes = 0
      }
      chunk.push(record)
      bytes += record.bytes
      count++
    }
  } catch (error) {
    damage = damageOf(error, count)
    if (damage === undefined) throw error
  }
  if (chunk.length > 0) yield chunk
  if (damage !== undefined) throw damage
}

function damageOf(error: unknown, count: number): Undeliverable | undefined {
  const isDamage = error instanceof Malformed || DAMAGED.has(errnoOf(error) ?? '')
  if (!isDamage) return undefined
  const { message } = error as Error
  return new Undeliverable(
    `it is damaged after its first ${count} records, which have been delivered: ${message}`,
  )
}

/** It is a whole gzip file, and yet not what a queue holds. */
class Malformed extends Error {
  override readonly name = 'Malformed'
}

/** The lines after the header. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  // Its errors are those of the iteration.
  const text = pipeline(createReadStream(path), createGunzip(), () => undefined)
  let rest: Buffer = Buffer.alloc(0)
  let isHeader = true
  for await (const block of text as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? block : Buffer.concat([rest, block])
    let from = 0
    for (;;) {
      const to = bytes.indexOf(NEWLINE, from)
      if (to === -1) break
      if (isHeader) isHeader = false
      else yield bytes.subarray(from, to)
      from = to + 1
    }
    rest = bytes.subarray(from)
    if (rest.length > LINE_BYTES_MAX) throw new Malformed('a line is too long')
  }
  if (isHeader) throw new Malformed('it has no header line')
  if (rest.length > 0) throw new Malformed('its last line has no end')
}

function recordOf(bytes: Buffer): QueuedRecord {
  const text = bytes.toString()
  const [source = '', start = ''] = text.split(' ', LEADING_VALUES)
  const line = text.slice(source.length + start.length + LEADING_VALUES)
  if (source === '' || !/^\d{1,12}$/.test(start) || line === '') {
    throw new Malformed('a line is not a record')
  }
  return { source, startMs: Number(start) * 1000, line, bytes: Buffer.byteLength(line) }
}
