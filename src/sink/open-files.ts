import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Paths of all files whose names end in `ending` that some process, this one
 * included, has open: as far as /proc shows them to us, which is all of them to
 * root and our own to others. Empty where there is no /proc.
 */
export async function openFiles(ending: string): Promise<Set<string>> {
  const found = new Set<string>()
  for (const pid of await namesIn('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const directory = join('/proc', pid, 'fd')
    for (const fd of await namesIn(directory)) {
      // A process, or one descriptor of it, may be gone by now.
      const path = await readlink(join(directory, fd)).catch(() => '')
      if (path.endsWith(ending)) found.add(path)
    }
  }
  return found
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
