import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { BlockPool } from '../sink/block-pool.js'
import { SINK_BLOCK_LEN } from '../sink/byte-sink.js'
import { openSink } from '../sink/open.js'
import { ParquetSink } from './parquet-sink.js'

/** Lines handed over at a time. */
const PIECE_LEN = SINK_BLOCK_LEN / 2
const NEWLINE = 0x0a

/**
 * Makes the Parquet file at `path` of the flow log at `spool`, which is then
 * removed. Rejects when either cannot be; the spool is then still there. Holds
 * the thread for as long as encoding takes, 5 µs a record.
 */
export async function convertSpool(spool: string, path: string): Promise<void> {
  const pool = new BlockPool(Number.POSITIVE_INFINITY)
  const limitBytes = Number.POSITIVE_INFINITY
  const sink = new ParquetSink(openSink(path, { limitBytes }), { pool, limitBytes })
  try {
    for await (const lines of linesOf(spool)) {
      const at = sink.reserve(lines.length)
      if (at !== -1) sink.block.set(lines, at)
      await sink.drained()
      if (sink.error !== undefined) throw sink.error
    }
  } catch (error) {
    await sink.discard().catch(() => undefined)
    throw error
  }
  await sink.close()
  await rm(spool)
}

/** Pieces of whole lines; what follows the last newline is left out. */
async function* linesOf(spool: string): AsyncGenerator<Buffer> {
  const file = createReadStream(spool)
  const text = createGunzip({ chunkSize: PIECE_LEN })
  file.on('error', (error) => text.destroy(error))
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const piece of file.pipe(text) as AsyncIterable<Buffer>) {
      const all = rest.length === 0 ? piece : Buffer.concat([rest, piece])
      const end = all.lastIndexOf(NEWLINE) + 1
      if (end > 0) yield all.subarray(0, end)
      rest = all.subarray(end)
    }
  } finally {
    file.destroy()
  }
}
