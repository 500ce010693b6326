import { readdir, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk } from '../sink/disk.js'
import { errnoOf } from '../sink/write-error.js'
import {
  type CaptureName,
  compareCaptureNames,
  INDEX_SUFFIX,
  parseCaptureName,
} from './capture-name.js'

interface RetentionPolicy {
  keepFiles: number
  keepBytes: number
  /** Of a worker that shares the directory; it then leaves the others' files alone. Empty: all files. */
  suffix: string
}

interface Kept {
  readonly name: CaptureName
  readonly bytes: number
}

/**
 * Keeps the finished capture files of one session within bounds by deleting the
 * oldest, those of earlier runs included, each with its index. Never sees a file that is being
 * written: that one is a `.part`.
 */
export class Retention {
  readonly #directory: string
  readonly #policy: RetentionPolicy
  readonly #disk: Disk
  readonly #onProblem: (line: string) => void
  readonly #kept = new Map<string, Kept>()
  #bytes = 0
  /** Work is done one piece behind the other, so that the count is always right. */
  #work: Promise<void>

  constructor(
    directory: string,
    policy: RetentionPolicy,
    disk: Disk,
    onProblem: (line: string) => void,
  ) {
    this.#directory = directory
    this.#policy = policy
    this.#disk = disk
    this.#onProblem = onProblem
    this.#work = this.#isUnbounded() ? Promise.resolve() : disk.run(() => this.#list())
  }

  /** A file of this session has got its final name. */
  add(file: string, bytes: number): void {
    if (this.#isUnbounded()) return
    this.#work = this.#work.then(() => {
      this.#count(file, bytes)
      return this.#isOver() ? this.#disk.run(() => this.#enforce()) : undefined
    })
  }

  /** Resolves when everything added so far has had its effect. */
  settled(): Promise<void> {
    return this.#work
  }

  #isUnbounded(): boolean {
    return (
      this.#policy.keepFiles === Number.POSITIVE_INFINITY &&
      this.#policy.keepBytes === Number.POSITIVE_INFINITY
    )
  }

  async #list(): Promise<void> {
    try {
      for (const file of await readdir(this.#directory)) {
        if (parseCaptureName(file) === undefined) continue
        const found = await stat(join(this.#directory, file)).catch(() => undefined)
        if (found?.isFile()) this.#count(file, found.size)
      }
    } catch (error) {
      // The directory is made with the first file.
      if (errnoOf(error) === 'ENOENT') return
      this.#onProblem(`old captures in ${this.#directory} are not deleted: ${String(error)}`)
    }
    await this.#enforce()
  }

  #count(file: string, bytes: number): void {
    const name = parseCaptureName(file)
    if (name === undefined || this.#kept.has(file)) return
    if (this.#policy.suffix !== '' && name.suffix !== this.#policy.suffix) return
    this.#kept.set(file, { name, bytes })
    this.#bytes += bytes
  }

  #isOver(): boolean {
    return this.#kept.size > this.#policy.keepFiles || this.#bytes > this.#policy.keepBytes
  }

  async #enforce(): Promise<void> {
    if (!this.#isOver()) return
    const oldestFirst = [...this.#kept].sort(([, a], [, b]) => compareCaptureNames(a.name, b.name))
    for (const [file, { bytes }] of oldestFirst) {
      if (!this.#isOver()) return
      this.#kept.delete(file)
      this.#bytes -= bytes
      try {
        await unlink(join(this.#directory, file))
        await rm(join(this.#directory, file + INDEX_SUFFIX), { force: true })
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') continue
        this.#onProblem(
          `cannot delete the old capture ${join(this.#directory, file)}: ${String(error)}`,
        )
      }
    }
  }
}
