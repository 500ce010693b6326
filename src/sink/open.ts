import { openSync, realpathSync, type Stats, statSync } from 'node:fs'
import { BlockPool } from './block-pool.js'
import type { BlockSink } from './block-sink.js'
import { CompressSink, compressionOf } from './compress-sink.js'
import { FileSink, type FileSinkOptions } from './file-sink.js'
import { StreamSink } from './stream-sink.js'
import { errnoOf, WriteError } from './write-error.js'

const STDOUT = 1

export interface OpenSinkOptions {
  /** Most octets pending; less than SINK_BLOCK_LEN counts as that. Infinity offline. */
  limitBytes: number
  /** Whether a file is to be on the disk before it has its name; by default it is. */
  durable?: boolean
  /** Where blocks come from; without one, memory is bounded by `limitBytes` alone. */
  pool?: BlockPool
}

/**
 * Opens what a person named: `-` is standard output, `.gz` and `.zst` compress.
 *
 * A regular file appears, or replaces the one of that name, when the sink is
 * closed; pipes and devices (`/dev/null`, `>(…)`) are written to as they are, and
 * opening a named pipe waits for its reader. Throws OperatorError before any
 * work starts: no such directory, no permission, a directory, no such compression.
 */
export function openSink(target: string, options: OpenSinkOptions): BlockSink {
  const pool = options.pool ?? new BlockPool(Number.POSITIVE_INFINITY)
  const limitBytes = options.limitBytes
  const compression = target === '-' ? undefined : compressionOf(target)
  const durable = options.durable ?? true
  if (compression === undefined) {
    return openPlain(target, { pool, limitBytes, durable, onFailure: 'keep-whole' })
  }

  const unbounded = new BlockPool(Number.POSITIVE_INFINITY)
  const beneath = openPlain(target, {
    pool: unbounded,
    limitBytes: Number.POSITIVE_INFINITY,
    durable,
    onFailure: 'leave-part',
  })
  return new CompressSink(beneath, compression, { pool, limitBytes })
}

function openPlain(
  target: string,
  options: Pick<FileSinkOptions, 'pool' | 'limitBytes' | 'durable' | 'onFailure'>,
): BlockSink {
  const { pool, limitBytes } = options
  if (target === '-') return new StreamSink(STDOUT, { pool, limitBytes, name: '-', owned: false })
  try {
    const existing = statOf(target)
    if (existing?.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' })
    if (existing !== undefined && !existing.isFile()) {
      const fd = openSync(target, 'w')
      return new StreamSink(fd, { pool, limitBytes, name: target, owned: true })
    }
    return new FileSink(existing === undefined ? target : realpathSync(target), {
      ...options,
      existing: 'replace',
      headerUnits: 1,
    })
  } catch (error) {
    throw new WriteError(target, error)
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
