import { constants, crc32, inflateRawSync } from 'node:zlib'

/** A place in a compressed file where decompressing can begin. */
export interface Restart {
  /** Bytes of the file before the first that is needed. */
  readonly at: number
  /** Bits of that byte that are of what went before: 0 to 7. */
  readonly bits: number
  /** Decompressed bytes before it. */
  readonly output: number
  /** The last 32 KiB of them, which what follows may refer to; none where a member or frame begins. */
  readonly window: Buffer
}

/** How far back deflate refers. */
export const WINDOW_LEN = 32 * 1024
/** Compressed bytes in which the end of a deflate block is looked for: blocks are of some 30 KB. */
export const CUT_LEN = 512 * 1024
/** Compressed bytes that are decompressed to see whether a block begins where it seems to. */
const TRIAL_LEN = 16 * 1024

/** Notes where decompressing can begin again, as zran of zlib does, while a file is decompressed. */
export class Restarts {
  readonly #onRestart: (restart: Restart) => void
  /** Decompressed bytes between two places. */
  readonly every: number
  /** Decompressed. */
  output = 0
  #latest = 0
  #window: Buffer = Buffer.alloc(0)

  constructor(onRestart: (restart: Restart) => void, every: number) {
    this.#onRestart = onRestart
    this.every = every
  }

  get window(): Buffer {
    return this.#window
  }

  get isDue(): boolean {
    return this.output - this.#latest >= this.every
  }

  add(piece: Buffer): void {
    this.output += piece.length
    const kept = Math.max(0, WINDOW_LEN - piece.length)
    const before = this.#window.subarray(Math.max(0, this.#window.length - kept))
    this.#window = Buffer.concat([before, piece.subarray(Math.max(0, piece.length - WINDOW_LEN))])
  }

  /** Inside of a member, at the end of a deflate block. */
  note(at: number, bits: number): void {
    this.#put({ at, bits, output: this.output, window: this.#window })
  }

  /** Where a member begins. */
  noteMember(at: number): void {
    this.#put({ at, bits: 0, output: this.output, window: Buffer.alloc(0) })
  }

  #put(restart: Restart): void {
    this.#latest = restart.output
    this.#onRestart(restart)
  }
}

/** What is known of a member so far: what its trailer must say if it ends here. */
interface Member {
  readonly crc: number
  readonly outputLen: number
}

/**
 * Where the next deflate block begins: zlib says after which byte the one before ends, but not after
 * which bit of that. Of the eight it is the one from which `rest` can be decompressed: a wrong one fails
 * within a few bytes, unless what it skips is the padding before a stored block. `last` is that byte, `rest` what follows. Answers with the bits of `last`
 * that are used, 8 for all; 'end' where the member is over; undefined where it cannot be told.
 */
export function blockBegin(
  last: number,
  rest: Buffer,
  window: Buffer,
  member: Member,
): number | 'end' | undefined {
  if (isTrailer(rest, 0, member)) return 'end'
  let found: { readonly bits: number; readonly output: Buffer } | undefined
  const trial = rest.subarray(0, TRIAL_LEN)
  for (let bits = 1; bits <= 8; bits++) {
    const start = beginning(bits & 7, last)
    const input = Buffer.concat([start, trial])
    try {
      const { buffer, engine } = inflate(input, {
        info: true,
        dictionary: window,
        finishFlush: constants.Z_SYNC_FLUSH,
      })
      const used = engine.bytesWritten - start.length
      const { crc, outputLen } = member
      const after = { crc: crc32(buffer, crc), outputLen: (outputLen + buffer.length) >>> 0 }
      if (used !== trial.length && !isTrailer(rest, used, after)) continue
      if (found !== undefined && !found.output.equals(buffer)) return undefined
      found = { bits, output: buffer }
    } catch {
      // None begins there.
    }
  }
  return trial.length === 0 ? undefined : found?.bits
}

function isTrailer(bytes: Buffer, at: number, { crc, outputLen }: Member): boolean {
  if (at + 8 > bytes.length) return false
  return bytes.readUInt32LE(at) === crc && bytes.readUInt32LE(at + 4) === outputLen
}

/** With `info`, of which the types know nothing. */
const inflate = inflateRawSync as unknown as (
  bytes: Buffer,
  options: object,
) => { buffer: Buffer; engine: { bytesWritten: number } }

/**
 * What an inflater is given in place of a byte whose lowest `bits` are of what went before: empty blocks
 * that end after as many bits of a byte, and then the rest of it. Nothing where no bit is.
 */
export function beginning(bits: number, byte: number): Buffer {
  const bytes = Buffer.from(EMPTY_BLOCKS[bits]!, 'hex')
  if (bits > 0) bytes[bytes.length - 1]! |= byte & (0xff << bits)
  return bytes
}

/**
 * Empty deflate blocks, by how many bits of their last byte they use. One with fixed codes has ten bits
 * (RFC 1951 §3.2.6), one with dynamic codes that has only the code of its end 93.
 */
const EMPTY_BLOCKS: readonly string[] = [
  '',
  '04c001090000000090ffaf45000100',
  '0200',
  '04c001090000000090ffaf4500010400',
  '020800',
  '04c001090000000090ffaf05',
  '02082000',
  '04c001090000000090ffaf4500',
]
