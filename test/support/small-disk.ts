import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A file system of the running test's own, of few bytes, that can be made read-only and taken away. */
export class SmallDisk {
  readonly directory: string

  /** Undefined where this host does not let us make one. */
  static make(bytes: number): SmallDisk | undefined {
    if (process.getuid?.() !== 0) return undefined
    const home = mkdtempSync(join(tmpdir(), 'mirrortap-small-'))
    const directory = join(home, 'disk')
    mkdirSync(directory)
    onTestFinished(() => {
      while (run('umount', '-l', directory));
      rmSync(home, { recursive: true, force: true })
    })
    const isMade = run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'none', directory)
    return isMade ? new SmallDisk(directory) : undefined
  }

  private constructor(directory: string) {
    this.directory = directory
  }

  /** Leaves no room for another byte. */
  fill(): void {
    const fd = openSync(this.#filler, 'w')
    const block = Buffer.alloc(1 << 16, 1)
    try {
      for (;;) writeSync(fd, block)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(fd)
    }
  }

  /** Takes back `fill`. */
  empty(): void {
    rmSync(this.#filler)
  }

  get #filler(): string {
    return join(this.directory, 'filler')
  }

  /** As the kernel does with a disk that reports errors; files that are open for writing do not stop it. */
  makeReadOnly(): void {
    const { directory } = this
    // A bind mount may become read-only while files below it are written.
    if (!run('mount', '--bind', directory, directory)) throw new Error('cannot be bound')
    if (!run('mount', '-o', 'remount,ro,bind', directory)) throw new Error('cannot be read-only')
  }

  /** As a volume that is detached: its path leads to the empty directory beneath. */
  takeAway(): void {
    if (!run('umount', '-l', this.directory)) throw new Error('cannot be taken away')
  }
}

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0
}
