import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { OnOutput } from './decompressor.js'

const PROGRAM = 'zstd'

/** Whether the host has the program. */
export function hasZstdProgram(): boolean {
  return spawnSync(PROGRAM, ['--version'], { stdio: 'ignore' }).status === 0
}

/**
 * Decompresses zstd with the host's program, for a Node that cannot, or not well: as Decompressor
 * does, except that what a piece decompresses to may only come with the next one.
 *
 * The program's output is read while a piece is written and at the end, so that
 * whoever writes sets the pace: in between it waits in the pipe.
 */
export class ZstdProgram {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #stderr = ''
  #thrown: { readonly what: unknown } | undefined = undefined
  #isBroken = false
  /** Whoever takes the output wants no more before. */
  #held: Promise<void> | undefined = undefined
  #hasOutput = false
  #hasTrailing = false

  constructor(onOutput: OnOutput) {
    this.#child = spawn(PROGRAM, ['-d', '-c', '-q'], { stdio: 'pipe' })
    const { stdin, stdout, stderr } = this.#child
    stdout!.on('data', (piece: Buffer) => {
      if (this.#thrown !== undefined) return
      this.#hasOutput = true
      try {
        const taken = onOutput(piece)
        if (taken !== undefined) this.#hold(taken)
      } catch (what) {
        this.#throw(what)
      }
    })
    stdout!.pause()
    stderr!.on('data', (text: Buffer) => {
      this.#stderr += text.toString()
    })
    // It has read enough, or something wrong; how it ended says which.
    stdin!.on('error', () => {
      this.#isBroken = true
    })
    this.#ended = once(this.#child, 'close').catch((error: Error) => {
      this.#stderr = error.message
    })
  }

  /** As Decompressor.hasTrailing; zeros count, too. */
  get hasTrailing(): boolean {
    return this.#hasTrailing
  }

  /** As Decompressor.write. */
  async write(piece: Buffer): Promise<Error | undefined> {
    const { stdin, stdout } = this.#child
    stdout!.resume()
    await new Promise<void>((resolve) => stdin!.write(piece, () => resolve()))
    while (this.#held !== undefined) await this.#held
    if (this.#isBroken) return this.end()
    stdout!.pause()
    this.#rethrow()
    return undefined
  }

  /** As Decompressor.end. */
  async end(): Promise<Error | undefined> {
    const { stdin, stdout } = this.#child
    stdin!.end()
    stdout!.resume()
    await this.#ended
    this.#rethrow()
    if (this.#child.exitCode === 0) return undefined
    const [line] = this.#stderr.trim().split('\n')
    // What it says of bytes that begin no frame. Damage inside of a frame has other words.
    if (this.#hasOutput && /: (?:unsupported format|unknown header)\s*$/.test(line!)) {
      this.#hasTrailing = true
      return undefined
    }
    const { exitCode, signalCode } = this.#child
    return new Error(line === '' ? `zstd ended with ${signalCode ?? `code ${exitCode}`}` : line)
  }

  destroy(): void {
    this.#child.kill()
  }

  #hold(taken: Promise<void>): void {
    const { stdout } = this.#child
    stdout!.pause()
    this.#held = taken
      .catch((what: unknown) => this.#throw(what))
      .then(() => {
        this.#held = undefined
        stdout!.resume()
      })
  }

  /** What is still to come is of no use. */
  #throw(what: unknown): void {
    this.#thrown = { what }
    this.#child.kill()
  }

  #rethrow(): void {
    if (this.#thrown !== undefined) throw this.#thrown.what
  }
}
