import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { constants, createGunzip } from 'node:zlib'
import type { ByteSink } from '../deliver/byte-sink.js'
import { SINK_BLOCK_LEN } from '../deliver/byte-sink.js'
import { openSink } from '../deliver/open.js'
import { errnoOf } from '../deliver/write-error.js'

/** `…_vpcflowlogs_…_<unique>.log.gz.part` */
const PART_NAME = /^(.*_vpcflowlogs_.*_)[0-9a-f]{8}(\.log\.gz)\.part$/

/** Text that may wait for the compressor; each wait makes it end a block, and a file of many blocks is larger. */
const PENDING_BYTES = 16 * SINK_BLOCK_LEN

const NEWLINE = 0x0a

export interface AdoptedFlowLogs {
  /** Files published from what was left over. */
  readonly files: number
  readonly records: number
}

/**
 * Publishes the flow logs that a killed process, or a disk that failed, left
 * unfinished below `directory`: each whole record of a `.part` goes into a new
 * file of its bucket, and the `.part` is removed once that file is safe.
 *
 * To be called before anything writes there: it cannot tell a left-over from a
 * file being written. Throws OperatorError when a new file cannot be written.
 */
export async function adoptFlowLogs(directory: string): Promise<AdoptedFlowLogs> {
  let files = 0
  let records = 0
  for (const path of await partsBelow(directory)) {
    const adopted = await adoptPart(path)
    records += adopted
    if (adopted > 0) files++
  }
  return { files, records }
}

async function partsBelow(directory: string): Promise<string[]> {
  try {
    const names = await readdir(join(directory, 'AWSLogs'), { recursive: true })
    return names
      .filter((name) => PART_NAME.test(name))
      .sort()
      .map((name) => join(directory, 'AWSLogs', name))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

/** The number of records in the file made from the part; none is made for none. */
async function adoptPart(part: string): Promise<number> {
  const [, stem, extension] = PART_NAME.exec(part)!
  let sink: ByteSink | undefined
  let lines = 0
  // The header waits until a record has been found behind it.
  let held: Buffer = Buffer.alloc(0)
  for await (const chunk of readableOctets(part)) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    const whole = held.lastIndexOf(NEWLINE) + 1
    const found = count(held, whole)
    if (lines === 0 && found < 2) continue
    lines += found
    sink ??= openSink(`${stem}${randomBytes(4).toString('hex')}${extension}`, {
      limitBytes: Number.POSITIVE_INFINITY,
    })
    append(sink, held, whole)
    if (sink.pendingBytes >= PENDING_BYTES) await sink.drained()
    held = held.subarray(whole)
  }
  await sink?.close()
  await rm(part)
  return Math.max(0, lines - 1)
}

/** Everything that can be decompressed, up to where the file was cut or damaged. */
async function* readableOctets(path: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  const file = createReadStream(path)
  file.on('error', (error) => gunzip.destroy(error))
  try {
    for await (const chunk of file.pipe(gunzip)) yield chunk as Buffer
  } catch (error) {
    if (!errnoOf(error)?.startsWith('Z_')) throw error
  } finally {
    file.destroy()
  }
}

function count(bytes: Buffer, end: number): number {
  let lines = 0
  for (let at = 0; at < end; at++) if (bytes[at] === NEWLINE) lines++
  return lines
}

function append(sink: ByteSink, bytes: Buffer, end: number): void {
  for (let from = 0; from < end; from += SINK_BLOCK_LEN) {
    const past = Math.min(from + SINK_BLOCK_LEN, end)
    const at = sink.reserve(past - from)
    // A sink without a limit refuses only once it has failed; close will say why.
    if (at === -1) return
    bytes.copy(sink.block, at, from, past)
  }
}
