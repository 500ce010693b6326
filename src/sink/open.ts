import { open, openSync, realpathSync, type Stats, statSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { BlockPool } from './block-pool.js'
import type { BlockSink } from './block-sink.js'
import { CompressSink, compressionOf } from './compress-sink.js'
import { FileSink, type FileSinkOptions } from './file-sink.js'
import { openPart, openPartSync, type PartFile } from './part-file.js'
import { StreamSink } from './stream-sink.js'
import { errnoOf, WriteError } from './write-error.js'

const openAsync = promisify(open)

const STDOUT = 1

/** How much may wait for a sink, and how safe its file is to be. */
export interface OpenSinkOptions {
  /** Most bytes pending; less than 256 KiB counts as that. Infinity for who awaits `drained`. */
  limitBytes: number
  /** Whether a file is to be on the disk before it has its name; by default it is. */
  durable?: boolean
  /**
   * Where blocks come from; without one, memory is bounded by `limitBytes` alone.
   *
   * @internal
   */
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
  return compressed(target, options, (plain) => openPlain(target, plain))
}

/** The same for a thread that must not wait for the disk. */
export async function openSinkLater(target: string, options: OpenSinkOptions): Promise<BlockSink> {
  try {
    const existing = await stat(target).catch(absent)
    refuseDirectory(existing)
    if (existing !== undefined && !existing.isFile()) {
      const fd = await openAsync(target, 'w')
      return compressed(target, options, (plain) => streamTo(fd, target, plain))
    }
    const path = existing === undefined ? target : await realpath(target)
    const part = await openPart(path, 'replace')
    return compressed(target, options, (plain) => fileOf(part, plain))
  } catch (error) {
    throw new WriteError(target, error)
  }
}

/**
 * What writes the file at `path` while its part is still being opened, compressed as its name
 * says. When the part cannot be opened, the sink fails.
 */
export function sinkInto(
  path: string,
  part: Promise<PartFile>,
  options: OpenSinkOptions,
): BlockSink {
  const opening = part.catch((error: unknown) => {
    throw new WriteError(path, error)
  })
  const sink = compressed(path, options, (plain) => fileOf(opening, plain))
  opening.catch((error: Error) => sink.fail(error))
  return sink
}

type PlainOptions = Pick<FileSinkOptions, 'pool' | 'limitBytes' | 'durable' | 'onFailure'>

function compressed(
  target: string,
  options: OpenSinkOptions,
  openBeneath: (options: PlainOptions) => BlockSink,
): BlockSink {
  const pool = options.pool ?? new BlockPool(Number.POSITIVE_INFINITY)
  const limitBytes = options.limitBytes
  const compression = target === '-' ? undefined : compressionOf(target)
  const durable = options.durable ?? true
  if (compression === undefined) {
    return openBeneath({ pool, limitBytes, durable, onFailure: 'keep-whole' })
  }

  const unbounded = new BlockPool(Number.POSITIVE_INFINITY, pool.disk)
  const beneath = openBeneath({
    pool: unbounded,
    limitBytes: Number.POSITIVE_INFINITY,
    durable,
    onFailure: 'leave-part',
  })
  return new CompressSink(beneath, compression, { pool, limitBytes })
}

function openPlain(target: string, options: PlainOptions): BlockSink {
  const { pool, limitBytes } = options
  if (target === '-') return new StreamSink(STDOUT, { pool, limitBytes, name: '-', owned: false })
  try {
    const existing = statOf(target)
    refuseDirectory(existing)
    if (existing !== undefined && !existing.isFile()) {
      return streamTo(openSync(target, 'w'), target, options)
    }
    const path = existing === undefined ? target : realpathSync(target)
    return fileOf(openPartSync(path, 'replace'), options)
  } catch (error) {
    throw new WriteError(target, error)
  }
}

function streamTo(fd: number, name: string, { pool, limitBytes }: PlainOptions): StreamSink {
  return new StreamSink(fd, { pool, limitBytes, name, owned: true })
}

function fileOf(part: PartFile | Promise<PartFile>, options: PlainOptions): FileSink {
  return new FileSink(part, { ...options, headerUnits: 1 })
}

function refuseDirectory(existing: Stats | undefined): void {
  if (existing?.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' })
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    return absent(error)
  }
}

function absent(error: unknown): undefined {
  if (errnoOf(error) === 'ENOENT') return undefined
  throw error
}
