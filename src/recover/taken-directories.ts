import { convertInThread } from '../flowlog/spool-thread.js'
import { ensureDirectory, removeEmpty } from '../sink/directory.js'
import { DirectoryLock } from '../sink/directory-lock.js'
import { adoptParts } from './adoption.js'
import { convertSpools, removeHalfConverted } from './spool-adoption.js'

/** Directories that are this process's alone. */
export class TakenDirectories {
  readonly paths: string[] = []
  readonly #locks: DirectoryLock[] = []
  readonly #made: string[] = []

  /**
   * Makes sure of the directories that have a name, and finishes what an earlier run left there
   * unfinished, of which `say` hears. Throws OperatorError when one of them is another process's.
   */
  static async take(
    names: readonly (string | undefined)[],
    say: (line: string) => void,
  ): Promise<TakenDirectories> {
    const taken = new TakenDirectories()
    const directories = new Set(names.filter((name) => name !== undefined))
    try {
      for (const directory of directories) taken.#take(directory)
      for (const directory of directories) {
        await removeHalfConverted(directory)
        for (const line of (await adoptParts(directory)).lines) say(line)
        for (const line of await convertSpools(directory, convertInThread)) say(line)
      }
      return taken
    } catch (error) {
      taken.abandon()
      throw error
    }
  }

  release(): void {
    for (const lock of this.#locks) lock.release()
  }

  /** In place of `release`, when the work has failed: leaves no empty directories that were not there. */
  abandon(): void {
    this.release()
    removeEmpty(this.#made)
  }

  #take(directory: string): void {
    this.#made.push(...ensureDirectory(directory))
    this.#locks.push(new DirectoryLock(directory))
    this.paths.push(directory)
  }
}
