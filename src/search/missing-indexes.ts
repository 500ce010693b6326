import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '../errors.js'
import { captureOfIndex, INDEX_SUFFIX, parseCaptureName } from '../pcap/capture-name.js'
import { PART } from '../sink/part-file.js'
import { errnoOf } from '../sink/write-error.js'
import { buildIndex, readIndex } from './index-file.js'

/** Lines on captures that cannot be indexed, in one run. */
const LINES_MAX = 100

/** The finished captures of a capture directory that have no index yet. */
export class MissingIndexes {
  readonly #directory: string
  readonly #onProblem: (line: string) => void
  readonly #onBegun: (capture: string) => void
  /** The oldest last. */
  #waiting: string[] = []
  /** Those that could not be indexed, as long as they are there. */
  #failed = new Set<string>()
  #lines = 0
  #isFirstLook = true

  /** `onBegun` takes the path of a capture whose index is about to be written. */
  constructor(
    directory: string,
    onProblem: (line: string) => void,
    onBegun: (capture: string) => void = () => undefined,
  ) {
    this.#directory = directory
    this.#onProblem = onProblem
    this.#onBegun = onBegun
  }

  /** Reads the directory, and removes indexes whose capture is gone. */
  async look(): Promise<void> {
    let names: string[]
    try {
      names = await readdir(this.#directory, { recursive: true })
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') this.#say(`captures are not indexed: ${String(error)}`)
      return
    }
    const there = new Set(names)
    const captures = names.filter((name) => parseCaptureName(basename(name)) !== undefined)
    this.#failed = new Set(captures.filter((name) => this.#failed.has(name)))
    const lacking = captures.filter(
      (name) => !this.#failed.has(name) && !(there.has(name + INDEX_SUFFIX) && this.#fits(name)),
    )
    this.#isFirstLook = false
    // Their names begin with the time, whatever the session is.
    this.#waiting = lacking.sort((a, b) => (basename(a) < basename(b) ? 1 : -1))
    for (const name of names) {
      const capture = captureOfIndex(basename(name, PART))
      if (capture === undefined || there.has(join(dirname(name), capture))) continue
      await rm(join(this.#directory, name), { force: true })
    }
  }

  /** Indexes the oldest; false when none is left. */
  async indexNext(): Promise<boolean> {
    const name = this.#waiting.pop()
    if (name === undefined) return false
    const capture = join(this.#directory, name)
    this.#onBegun(capture)
    try {
      await buildIndex(capture, () => nextTurn<void>())
    } catch (error) {
      if (!(error instanceof OperatorError) && errnoOf(error) === undefined) throw error
      this.#failed.add(name)
      // One that retention has removed meanwhile is nobody's loss.
      if (!/does not exist/.test(String(error)) && errnoOf(error) !== 'ENOENT') {
        this.#say(`not indexed: ${(error as Error).message}`)
      }
    }
    return true
  }

  /** Whether an index that is there is of its capture. What earlier runs left is looked at once. */
  #fits(name: string): boolean {
    return !this.#isFirstLook || typeof readIndex(join(this.#directory, name)) === 'object'
  }

  #say(line: string): void {
    if (this.#lines++ < LINES_MAX) this.#onProblem(line)
  }
}
