import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { type ExitCode, main } from '../../src/cli/main.js'

export interface CommandOutcome {
  code: ExitCode
  /** All that went to standard output, by the descriptor or by the stream. */
  out: string
  err: string
}

/** Runs a command line in this process; nothing of what it says reaches the terminal. */
export async function runCommand(...argv: string[]): Promise<CommandOutcome> {
  const { code, pieces, err } = await runInPieces(...argv)
  return { code, out: Buffer.concat(pieces).toString(), err }
}

/** As runCommand, with each piece that was written to standard output. */
export async function runInPieces(
  ...argv: string[]
): Promise<{ code: ExitCode; pieces: Buffer[]; err: string }> {
  const out: Buffer[] = []
  let err = ''
  const { write } = fs
  const stdoutWrite = process.stdout.write
  const stderrWrite = process.stderr.write
  const toDescriptor = (fd: number, bytes: Buffer, ...rest: unknown[]): void => {
    if (fd !== 1) {
      Reflect.apply(write, fs, [fd, bytes, ...rest])
      return
    }
    const [offset, length] = rest as [number, number]
    out.push(Buffer.from(bytes.subarray(offset, offset + length)))
    const done = rest.at(-1) as (error: null, written: number) => void
    setImmediate(done, null, length)
  }
  fs.write = toDescriptor as unknown as typeof fs.write
  syncBuiltinESMExports()
  process.stdout.write = (text: string | Uint8Array): boolean => {
    out.push(Buffer.from(text as string))
    return true
  }
  process.stderr.write = (text: string | Uint8Array): boolean => {
    err += text.toString()
    return true
  }
  try {
    const code = await main(argv)
    return { code, pieces: out, err }
  } finally {
    fs.write = write
    syncBuiltinESMExports()
    process.stdout.write = stdoutWrite
    process.stderr.write = stderrWrite
  }
}
