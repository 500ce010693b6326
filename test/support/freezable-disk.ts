import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

const IMAGE_BYTES = 256 << 20

/**
 * A file system of the running test's own, in a loop device, that hangs when told to: every
 * write, new file and new name waits until it is thawed.
 */
export class FreezableDisk {
  readonly directory: string

  /** Undefined where this host does not let us make one. */
  static make(): FreezableDisk | undefined {
    if (process.getuid?.() !== 0) return undefined
    const home = mkdtempSync(join(tmpdir(), 'mirrortap-disk-'))
    const image = join(home, 'image')
    const directory = join(home, 'disk')
    mkdirSync(directory)
    writeFileSync(image, '')
    truncateSync(image, IMAGE_BYTES)
    const isMade = run('mkfs.ext4', '-q', image) && run('mount', '-o', 'loop', image, directory)
    onTestFinished(() => {
      run('fsfreeze', '-u', directory)
      run('umount', '-l', directory)
      rmSync(home, { recursive: true, force: true })
    })
    if (!isMade || !run('fsfreeze', '-f', directory)) return undefined
    run('fsfreeze', '-u', directory)
    return new FreezableDisk(directory)
  }

  private constructor(directory: string) {
    this.directory = directory
  }

  freeze(): void {
    if (!run('fsfreeze', '-f', this.directory)) throw new Error('the disk does not freeze')
  }

  thaw(): void {
    if (!run('fsfreeze', '-u', this.directory)) throw new Error('the disk does not thaw')
  }
}

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0
}
