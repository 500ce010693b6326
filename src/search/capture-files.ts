import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CaptureInput } from '../pcap/capture-input.js'
import { parseCaptureName } from '../pcap/capture-name.js'
import { PART } from '../sink/part-file.js'

/** Names of capture files, ours and those that tcpdump numbers; `.part` is still being written. */
const CAPTURE_NAME = /\.(?:pcap|pcapng|cap)\d*(?:\.gz|\.zst)?(?:\.part)?$/

export interface CaptureFile {
  readonly path: string
  /**
   * The session whose mirrored frames the file holds, without what wrapped them: a file that
   * `listen` wrote. Undefined for captures of others.
   */
  readonly session: string | undefined
}

/**
 * The capture files in and below a directory, in the order of their paths. Those that `listen` wrote
 * are told by their place and name: `<directory>/<session>/<UTC start>.pcap`.
 */
export async function capturesIn(directory: string): Promise<CaptureFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files: CaptureFile[] = []
  for (const entry of entries) {
    if (!entry.isFile() || !CAPTURE_NAME.test(entry.name)) continue
    const parent = entry.parentPath
    const isOurs =
      join(directory, basename(parent)) === parent &&
      parseCaptureName(withoutPart(entry.name)) !== undefined
    files.push({
      path: join(parent, entry.name),
      session: isOurs ? basename(parent) : undefined,
    })
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Whether a file is still being written, so that its last packet may not be whole. */
export function isPart(path: string): boolean {
  return path.endsWith(PART)
}

/** Opens a file; one that was still being written may have got its name since. */
export async function openCaptureFile(path: string): Promise<CaptureInput> {
  try {
    return await CaptureInput.open(path)
  } catch (error) {
    if (!isPart(path) || existsSync(path)) throw error
    return CaptureInput.open(withoutPart(path))
  }
}

function withoutPart(name: string): string {
  return isPart(name) ? name.slice(0, -PART.length) : name
}
