import { statfs } from 'node:fs/promises'

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

/** How full the file systems of some directories are, looked at every two seconds. */
export class DiskSpace {
  readonly #latest = new Map<string, Space>()
  /** A file system that hangs is not asked again before it has answered. */
  readonly #asked = new Set<string>()
  readonly #directories: readonly string[]
  readonly #timer: NodeJS.Timeout

  private constructor(directories: readonly string[]) {
    this.#directories = directories
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  /** Resolves when each has been looked at, or cannot be. */
  static async watch(directories: readonly string[]): Promise<DiskSpace> {
    const space = new DiskSpace(directories)
    await space.#look()
    return space
  }

  /** As of the last look at each. */
  get latest(): readonly Space[] {
    return [...this.#latest.values()]
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
      const { bsize, blocks, bavail, files, ffree } = await statfs(directory)
      this.#latest.set(directory, {
        directory,
        bytes: blocks * bsize,
        availableBytes: bavail * bsize,
        // btrfs and others have as many as there is room for, and say 0 of both.
        availableFiles: files === 0 ? undefined : ffree,
      })
    } catch {
      // It is gone, or its file system is: nothing is known. Whoever writes there says what is wrong.
      this.#latest.delete(directory)
    } finally {
      this.#asked.delete(directory)
    }
  }
}
