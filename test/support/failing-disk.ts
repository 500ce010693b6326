import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { onTestFinished } from 'vitest'

/**
 * Stands between the product and the disk for the running test: `writev` takes
 * as many bytes as `room` says and then fails with `code`; while `isHeld` it
 * answers nothing at all.
 */
export class FailingDisk {
  room = Number.POSITIVE_INFINITY
  code = 'ENOSPC'
  readonly #held: (() => void)[] = []
  #isHeld = false
  readonly #writev = fs.writev

  constructor() {
    const writev = (fd: number, chunks: Buffer[], position: number, done: Done): void => {
      const go = (): void => this.#write(fd, chunks, position, done)
      if (this.#isHeld) this.#held.push(go)
      else go()
    }
    fs.writev = writev as unknown as typeof fs.writev
    syncBuiltinESMExports()
    onTestFinished(() => {
      fs.writev = this.#writev
      syncBuiltinESMExports()
    })
  }

  /** Writes that wait. */
  get waiting(): number {
    return this.#held.length
  }

  /** Writes wait until this is false again. */
  set isHeld(isHeld: boolean) {
    this.#isHeld = isHeld
    if (!isHeld) for (const go of this.#held.splice(0)) go()
  }

  #write(fd: number, chunks: Buffer[], position: number, done: Done): void {
    const bytes = Buffer.concat(chunks)
    const length = Math.min(bytes.length, this.room)
    if (length === 0) {
      const error = Object.assign(new Error(`${this.code}: injected`), { code: this.code })
      setImmediate(() => done(error, 0))
      return
    }
    this.room -= length
    this.#writev.call(fs, fd, [bytes.subarray(0, length)], position, done)
  }
}

type Done = (error: NodeJS.ErrnoException | null, written: number) => void
