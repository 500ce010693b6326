import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
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

/** Decompressed at a time. */
const BLOCK_LEN = 64 * 1024

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
    for await (const text of linesOf(path)) {
      for (let from = 0; from < text.length; ) {
        const to = text.indexOf('\n', from)
        if (count >= skipped) {
          const record = recordOf(text, from, to)
          const isFull = chunk.length === limits.records || bytes + record.bytes > limits.bytes
          if (isFull && chunk.length > 0) {
            yield chunk
            chunk = []
            bytes = 0
          }
          chunk.push(record)
          bytes += record.bytes
        }
        count++
        from = to + 1
      }
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

/** The lines after the header, as many at a time as were decompressed together, each with its end. */
async function* linesOf(path: string): AsyncGenerator<string> {
  // Its errors are those of the iteration.
  const text = pipeline(
    createReadStream(path),
    createGunzip({ chunkSize: BLOCK_LEN }),
    () => undefined,
  )
  let rest: Buffer = Buffer.alloc(0)
  let isHeader = true
  for await (const block of text as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? block : Buffer.concat([rest, block])
    const from = isHeader ? bytes.indexOf(NEWLINE) + 1 : 0
    if (from > 0) isHeader = false
    const to = isHeader ? 0 : bytes.lastIndexOf(NEWLINE) + 1
    if (to > from) yield bytes.toString('utf8', from, to)
    rest = bytes.subarray(Math.max(from, to))
    if (rest.length > LINE_BYTES_MAX) throw new Malformed('a line is too long')
  }
  if (isHeader) throw new Malformed('it has no header line')
  if (rest.length > 0) throw new Malformed('its last line has no end')
}

const TIME = /^\d{1,12}$/

/** The record of a line, from its begin to its end in a text: `source start line`. */
function recordOf(text: string, from: number, to: number): QueuedRecord {
  const first = text.indexOf(' ', from)
  const second = text.indexOf(' ', first + 1)
  const start = text.slice(first + 1, second)
  if (first <= from || second === -1 || second + 1 >= to || !TIME.test(start)) {
    throw new Malformed('a line is not a record')
  }
  const line = text.slice(second + 1, to)
  return {
    source: text.slice(from, first),
    startMs: Number(start) * 1000,
    line,
    bytes: Buffer.byteLength(line),
  }
}
