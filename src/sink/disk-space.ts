import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { adviceOn } from '../errors.js'

/** The file system below a directory, as its writer finds it. */
export interface Space {
  readonly directory: string
  readonly bytes: number
  /** For who is not root. */
  readonly availableBytes: number
  /** Files that can still be made; undefined where the file system sets no bound. */
  readonly availableFiles: number | undefined
}

const LOOK_EVERY_MS = 2000
/** A few blocks of a capture: with less, the next write fails. */
const FULL_BYTES = 1024 * 1024

export function isFull({ availableBytes, availableFiles }: Space): boolean {
  return availableBytes < FULL_BYTES || availableFiles === 0
}

/** What is there in the place of a volume that was unmounted, most of all the disk of the system. */
const ANOTHER = 'another file system is there than at the start: was it unmounted?'

/** How full the file systems of some directories are, and whether they can be written to, looked at every two seconds. */
export class DiskSpace {
  readonly #latest = new Map<string, Space>()
  /** Why nothing that is written there is of use, by directory. */
  readonly #troubles = new Map<string, string>()
  /** The file system that each was on at the first look. */
  readonly #devices = new Map<string, number>()
  /** A file system that hangs is not asked again before it has answered. */
  readonly #asked = new Set<string>()
  readonly #directories: readonly string[]
  readonly #onProblem: (line: string) => void
  readonly #timer: NodeJS.Timeout

  private constructor(
    directories: readonly string[],
    onProblem: (line: string) => void,
    everyMs: number,
  ) {
    this.#directories = directories
    this.#onProblem = onProblem
    this.#timer = setInterval(() => void this.#look(), everyMs)
    this.#timer.unref()
  }

  /** Resolves when each has been looked at, or cannot be. `onProblem` has a line when trouble begins, and one when it is over. */
  static async watch(
    directories: readonly string[],
    onProblem: (line: string) => void = () => undefined,
    everyMs = LOOK_EVERY_MS,
  ): Promise<DiskSpace> {
    const space = new DiskSpace(directories, onProblem, everyMs)
    await space.#look()
    return space
  }

  /** As of the last look at each. */
  get latest(): readonly Space[] {
    return [...this.#latest.values()]
  }

  /** A line for each directory that cannot be written to, or is no longer what it was. */
  get troubles(): readonly string[] {
    return [...this.#troubles].map(([directory, trouble]) => `${directory}: ${trouble}`)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    await Promise.all(this.#directories.map((directory) => this.#lookAt(directory)))
  }

  async #lookAt(directory: string): Promise<void> {
    if (this.#asked.has(directory)) return
    this.#asked.add(directory)
    try {
      const [{ bsize, blocks, bavail, files, ffree }, { dev }] = await Promise.all([
        statfs(directory),
        stat(directory),
      ])
      this.#latest.set(directory, {
        directory,
        bytes: blocks * bsize,
        availableBytes: bavail * bsize,
        // btrfs and others have as many as there is room for, and say 0 of both.
        availableFiles: files === 0 ? undefined : ffree,
      })
      if (!this.#devices.has(directory)) this.#devices.set(directory, dev)
      await access(directory, constants.W_OK)
      this.#note(directory, this.#devices.get(directory) === dev ? undefined : ANOTHER)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EROFS' && code !== 'EACCES') this.#latest.delete(directory)
      this.#note(directory, adviceOn(error, 'write') ?? (error as Error).message)
    } finally {
      this.#asked.delete(directory)
    }
  }

  #note(directory: string, trouble: string | undefined): void {
    if (trouble === this.#troubles.get(directory)) return
    if (trouble === undefined) this.#troubles.delete(directory)
    else this.#troubles.set(directory, trouble)
    this.#onProblem(`${directory}: ${trouble ?? 'it can be written to again'}`)
  }
}
