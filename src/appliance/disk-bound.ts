import { rm, stat, statfs, unlink } from 'node:fs/promises'
import { relative } from 'node:path'
import { isFlowLogFile } from '../flowlog/layout.js'
import { INDEX_SUFFIX } from '../pcap/capture-name.js'
import type { RemovedFiles } from '../session/ledger.js'
import { Disk } from '../sink/disk.js'
import { errnoOf } from '../sink/write-error.js'
import { findKeptFiles, type KeptFile, type KeptFiles } from './kept-files.js'

export interface DiskBoundOptions {
  /** The directories of captures, flow logs and files that wait for delivery. */
  readonly directories: readonly string[]
  /** The most bytes of all files together. */
  readonly keepTotal: number | undefined
  /** Bytes to keep free on each file system. */
  readonly keepFree: number | undefined
  /** Paths of files that have not been delivered yet; undefined if none are delivered. */
  readonly undelivered: () => Promise<ReadonlySet<string> | undefined>
  /** Called for files that were removed before they were delivered. */
  readonly onUndelivered: (removed: readonly KeptFile[]) => void
  readonly say: (line: string) => void
  /** For tests: milliseconds between two checks of the disk, and of all files. */
  readonly lookEveryMs?: number
  readonly scanEveryMs?: number
}

const LOOK_EVERY_MS = 1000
/** All files are counted this often, even if the disk fills slowly: other programs may use it. */
const SCAN_EVERY_MS = 600_000
const SAY_EVERY_MS = 60_000
const HELPLESS_MS = 10_000
/** The default bound, as a share of the free space and of the files at the start. */
const DEFAULT_SHARE = 0.9
/** Removed in addition, so that not every new file makes a search through all others necessary. */
const SLACK_SHARE = 0.01
const SLACK_MAX = 1024 ** 3

/** The directories on one file system. */
interface Volume {
  readonly directories: string[]
  /** The default bound. */
  limit: number
  available: number
  kept: readonly KeptFiles[]
  /** Bytes of the files, and what was available when they were counted. */
  bytes: number
  availableThen: number
}

/**
 * Limits everything that the appliance keeps. Above the limit, the oldest finished files are removed,
 * first those that need not be delivered any more. `keep-files` and `keep-bytes` limit each session;
 * this limits the whole.
 */
export class DiskBound {
  #options: DiskBoundOptions
  readonly #volumes: Volume[] = []
  readonly #disk = new Disk()
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #scannedAt = 0
  #removed = { files: 0, bytes: 0, undeliveredFiles: 0 }
  #unsaid = { files: 0, bytes: 0, undeliveredFiles: 0 }
  #saidAt = Number.NEGATIVE_INFINITY
  #helplessAt = Number.NEGATIVE_INFINITY
  /** If nothing is left to remove, this is not checked again every second. */
  #notBefore = 0
  #failure: string | undefined

  private constructor(options: DiskBoundOptions) {
    this.#options = options
  }

  /** Resolves when all files have been counted, and the oldest removed if they were too many. */
  static async start(options: DiskBoundOptions): Promise<DiskBound> {
    const bound = new DiskBound(options)
    await bound.#open()
    const { lookEveryMs = LOOK_EVERY_MS } = options
    bound.#timer = setInterval(() => {
      bound.#looking ??= bound.#look().finally(() => {
        bound.#looking = undefined
      })
    }, lookEveryMs)
    bound.#timer.unref()
    return bound
  }

  /** Removed since the start. */
  get removed(): RemovedFiles {
    return { ...this.#removed }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    this.#sayRemoved()
  }

  async #open(): Promise<void> {
    const byDevice = new Map<number, Volume>()
    for (const directory of outermost(this.#options.directories)) {
      const { dev } = await stat(directory)
      let volume = byDevice.get(dev)
      if (volume === undefined) {
        const limit = Number.POSITIVE_INFINITY
        volume = { directories: [], limit, available: 0, kept: [], bytes: 0, availableThen: 0 }
        byDevice.set(dev, volume)
        this.#volumes.push(volume)
      }
      volume.directories.push(directory)
    }
    await this.#measure()
    await this.#scan(undefined)
    this.#setLimits()
    await this.#look()
  }

  /** Takes effect at the next check. */
  setBounds(bounds: Pick<DiskBoundOptions, 'keepTotal' | 'keepFree'>): void {
    this.#options = { ...this.#options, ...bounds }
    this.#setLimits()
    this.#notBefore = 0
  }

  #setLimits(): void {
    const { keepTotal, keepFree } = this.#options
    const isNamed = keepTotal !== undefined || keepFree !== undefined
    for (const volume of this.#volumes) {
      const { available, bytes } = volume
      volume.limit = isNamed ? Number.POSITIVE_INFINITY : DEFAULT_SHARE * (available + bytes)
    }
  }

  async #look(): Promise<void> {
    try {
      await this.#measure()
      if (performance.now() >= this.#notBefore && this.#mayBeOver()) await this.#enforce()
      this.#failure = undefined
    } catch (error) {
      const { message } = error as Error
      if (message !== this.#failure) {
        this.#options.say(`what is kept cannot be looked through: ${message}`)
      }
      this.#failure = message
    }
    if (performance.now() - this.#saidAt >= SAY_EVERY_MS) this.#sayRemoved()
  }

  async #measure(): Promise<void> {
    for (const volume of this.#volumes) {
      const { bavail, bsize } = await this.#disk.run(() => statfs(volume.directories[0]!))
      volume.available = bavail * bsize
    }
  }

  /** Whether a limit may be exceeded. What the disk has less since the last count may have been written here. */
  #mayBeOver(): boolean {
    const { scanEveryMs = SCAN_EVERY_MS } = this.#options
    if (performance.now() - this.#scannedAt >= scanEveryMs) return true
    const { keepTotal = Number.POSITIVE_INFINITY, keepFree = 0 } = this.#options
    let total = 0
    for (const { bytes, available, availableThen, limit } of this.#volumes) {
      const now = bytes + Math.max(0, availableThen - available)
      if (now > limit || available < keepFree) return true
      total += now
    }
    return total > keepTotal
  }

  async #scan(undelivered: ReadonlySet<string> | undefined): Promise<void> {
    // Records in a queue are removed after delivery.
    const isUndelivered = (path: string): boolean =>
      undelivered === undefined || undelivered.has(path) || path.endsWith('.queue.gz')
    for (const volume of this.#volumes) {
      volume.availableThen = volume.available
      volume.kept = await Promise.all(
        volume.directories.map((one) => findKeptFiles(one, isUndelivered, this.#disk)),
      )
      volume.bytes = volume.kept.reduce((sum, { bytes }) => sum + bytes, 0)
    }
    this.#scannedAt = performance.now()
  }

  /** Removes some files. The rest is left to the next check. */
  async #enforce(): Promise<void> {
    await this.#scan(await this.#options.undelivered())
    if (!this.#isOver()) return
    const excess = this.#excess()
    const undelivered: KeptFile[] = []
    let removed = 0
    for (const { volume, file, isDelivered } of this.#oldestFirst()) {
      if (excess.total <= 0 && excess.of(volume) <= 0) continue
      if (!(await this.#remove(file, isDelivered))) continue
      removed++
      volume.bytes -= file.bytes
      excess.take(volume, file.bytes)
      if (!isDelivered) undelivered.push(file)
    }
    if (undelivered.length > 0) this.#options.onUndelivered(undelivered)
    if (removed === 0) this.#sayHelpless()
    else this.#sayRemoved(SAY_EVERY_MS)
  }

  #isOver(): boolean {
    const { keepTotal = Number.POSITIVE_INFINITY, keepFree = 0 } = this.#options
    const total = this.#volumes.reduce((sum, { bytes }) => sum + bytes, 0)
    return (
      total > keepTotal ||
      this.#volumes.some(({ bytes, limit, available }) => bytes > limit || available < keepFree)
    )
  }

  /** Bytes to remove, with some slack if there are any. */
  #excess() {
    const { keepTotal = Number.POSITIVE_INFINITY, keepFree = 0 } = this.#options
    const sum = this.#volumes.reduce((all, { bytes }) => all + bytes, 0)
    const excess = {
      total: sum > keepTotal ? sum - keepTotal + slackOf(keepTotal) : 0,
      of: (volume: Volume): number => byVolume.get(volume)!,
      take: (volume: Volume, bytes: number): void => {
        excess.total -= bytes
        byVolume.set(volume, byVolume.get(volume)! - bytes)
      },
    }
    const byVolume = new Map(
      this.#volumes.map((volume) => {
        const { bytes, limit, available } = volume
        const beyond = bytes > limit ? bytes - limit + slackOf(limit) : 0
        const missing = available < keepFree ? keepFree - available + slackOf(keepFree) : 0
        return [volume, Math.max(beyond, missing)]
      }),
    )
    return excess
  }

  #oldestFirst(): { volume: Volume; file: KeptFile; isDelivered: boolean }[] {
    return ([true, false] as const).flatMap((isDelivered) =>
      this.#volumes
        .flatMap((volume) =>
          volume.kept
            .flatMap(({ delivered, undelivered }) => (isDelivered ? delivered : undelivered))
            .map((file) => ({ volume, file, isDelivered })),
        )
        .sort((a, b) => a.file.finishedAt - b.file.finishedAt),
    )
  }

  async #remove(file: KeptFile, isDelivered: boolean): Promise<boolean> {
    try {
      await this.#disk.run(() => unlink(file.path))
      await this.#disk.run(() => rm(file.path + INDEX_SUFFIX, { force: true }))
    } catch (error) {
      // Something else removed it, or it has been delivered.
      if (errnoOf(error) === 'ENOENT') return true
      this.#failure ??= (error as Error).message
      return false
    }
    for (const counts of [this.#removed, this.#unsaid]) {
      counts.files++
      counts.bytes += file.bytes
      if (!isDelivered) counts.undeliveredFiles++
    }
    return true
  }

  get #name(): string {
    const { keepTotal, keepFree } = this.#options
    const names = [
      ...(keepTotal === undefined ? [] : [`--keep-total (${keepTotal} bytes)`]),
      ...(keepFree === undefined ? [] : [`--keep-free (${keepFree} bytes)`]),
    ]
    return names.length === 0 ? '90 % of what the disk had for it' : names.join(' and ')
  }

  /** At most once in `everyMs`. */
  #sayRemoved(everyMs = 0): void {
    const { files, bytes, undeliveredFiles } = this.#unsaid
    const now = performance.now()
    if (files === 0 || now - this.#saidAt < everyMs) return
    this.#saidAt = now
    this.#unsaid = { files: 0, bytes: 0, undeliveredFiles: 0 }
    const left =
      undeliveredFiles === 0 ? '' : `; ${undeliveredFiles} of them were not delivered yet`
    this.#options.say(
      `removed the oldest files to keep within ${this.#name}: ${files} of ${bytes} bytes${left}`,
    )
  }

  #sayHelpless(): void {
    const now = performance.now()
    this.#notBefore = now + HELPLESS_MS
    if (now - this.#helplessAt < SAY_EVERY_MS) return
    this.#helplessAt = now
    this.#options.say(
      `the disk is beyond ${this.#name}, and nothing of the appliance is left to remove`,
    )
  }
}

/** Whether a removed file has records that a destination should have had. */
export function hasRecords({ path }: KeptFile): boolean {
  return isFlowLogFile(path)
}

function slackOf(bound: number): number {
  return Math.min(bound * SLACK_SHARE, SLACK_MAX)
}

/** The directories that are not below another one. */
function outermost(directories: readonly string[]): string[] {
  const isBelow = (inner: string, outer: string): boolean => {
    const path = relative(outer, inner)
    return path !== '' && !path.startsWith('..')
  }
  const all = [...new Set(directories)]
  return all.filter((one) => all.every((other) => !isBelow(one, other)))
}
