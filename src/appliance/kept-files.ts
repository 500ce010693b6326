import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isFlowLogFile } from '../flowlog/layout.js'
import { captureOfIndex, parseCaptureName } from '../pcap/capture-name.js'
import type { Disk } from '../sink/disk.js'
import { errnoOf } from '../sink/write-error.js'
import { isEventLogFile } from './event-log-layout.js'

/** A capture, a file of a flow log or event log, or records that wait for their delivery, under its final name. */
export interface KeptFile {
  readonly path: string
  readonly bytes: number
  /** Milliseconds since the epoch. */
  readonly finishedAt: number
}

/** What is below a directory. */
export interface KeptFiles {
  /** Of all files that the appliance has made, those included that are being written. */
  readonly bytes: number
  /** Oldest first, so many at most. */
  readonly delivered: readonly KeptFile[]
  /** Those that have yet to be delivered. */
  readonly undelivered: readonly KeptFile[]
}

/** Of files that are removed in one go: a million files need not be in memory. */
const OLDEST_MAX = 4096

const PART = '.part'
/** What deliveries keep: the only hidden directory that is looked into. */
const DELIVERIES = '.deliver'

/** Whether the appliance has made a file of this name, and nothing is written to it any more. */
function isFinished(name: string): boolean {
  return parseCaptureName(name) !== undefined || isFlowLogFile(name) || isEventLogFile(name)
}

/**
 * Looks through a directory. Files of other names are somebody else's, and are neither counted nor
 * listed. Rejects with the file system's error.
 */
export async function findKeptFiles(
  directory: string,
  isUndelivered: (path: string) => boolean,
  disk: Disk,
): Promise<KeptFiles> {
  const delivered = new Oldest()
  const undelivered = new Oldest()
  let bytes = 0
  await look(directory)
  return { bytes, delivered: delivered.files, undelivered: undelivered.files }

  async function look(within: string): Promise<void> {
    const entries = await disk.run(() => readdir(within, { withFileTypes: true })).catch(unlessGone)
    for (const entry of entries ?? []) {
      const { name } = entry
      const path = join(within, name)
      if (entry.isDirectory()) {
        if (!name.startsWith('.') || name === DELIVERIES) await look(path)
      } else if (entry.isFile() && (isFinished(basename(name, PART)) || captureOfIndex(name))) {
        const found = await disk.run(() => stat(path)).catch(unlessGone)
        if (found === undefined) continue
        bytes += found.size
        // An index goes with its capture.
        if (name.endsWith(PART) || captureOfIndex(name) !== undefined) continue
        const list = isUndelivered(path) ? undelivered : delivered
        list.add({ path, bytes: found.size, finishedAt: found.mtimeMs })
      }
    }
  }
}

/** A file that was there a moment ago may have been delivered, or removed by somebody else. */
function unlessGone(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}

class Oldest {
  #files: KeptFile[] = []

  add(file: KeptFile): void {
    this.#files.push(file)
    if (this.#files.length > 2 * OLDEST_MAX) this.#files = this.files
  }

  get files(): KeptFile[] {
    return this.#files
      .sort((a, b) => a.finishedAt - b.finishedAt || (a.path < b.path ? -1 : 1))
      .slice(0, OLDEST_MAX)
  }
}
