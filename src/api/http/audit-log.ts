import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ensureDirectory } from '../../sink/directory.js'
import { Disk } from '../../sink/disk.js'
import { within } from '../../sink/within.js'
import { WriteError } from '../../sink/write-error.js'
import { visible } from '../../visible.js'
import { lostLinesEvent } from './audit-event.js'

/** It names people and addresses. */
const FILE_MODE = 0o640

const LINE_FEED = 0x0a

/** How long whoever has something to tell waits for a disk that does not answer. */
const PATIENCE_MS = 3000
/** What may wait for such a disk. */
const LINES_MAX = 1000
const BYTES_MAX = 4 * 1024 * 1024

interface AuditLogLimits {
  readonly patienceMs: number
  readonly linesMax: number
  readonly bytesMax: number
}

/**
 * JSON lines at the end of a file.
 *
 * The file is opened for each turn of writing, so it may be renamed away at any time (logrotate
 * without copytruncate or signals) and the next line begins a new one. A disk that fails costs lines;
 * one that hangs has some wait, and costs the others. They are counted, and it is reported once. `ready`
 * tells beforehand whether a line would get there.
 */
export class AuditLog {
  readonly path: string
  readonly disk = new Disk()
  /** Lines that could not be written. */
  lost = 0
  readonly #onProblem: (line: string) => void
  readonly #limits: AuditLogLimits
  #waiting: string[] = []
  /** Those being written included. */
  #lines = 0
  #bytes = 0
  #turn: Promise<void> = Promise.resolve()
  #probing: Promise<boolean> | undefined
  #isFailing = false
  #isLate = false
  /** Lost lines that no line in the file tells of. */
  #untold = 0

  private constructor(path: string, onProblem: (line: string) => void, limits: AuditLogLimits) {
    this.path = path
    this.#onProblem = onProblem
    this.#limits = limits
  }

  /** Makes the directory and proves that the file can be written. Throws OperatorError. */
  static async open(
    path: string,
    onProblem: (line: string) => void,
    limits: Partial<AuditLogLimits> = {},
  ): Promise<AuditLog> {
    ensureDirectory(dirname(path))
    try {
      await (await open(path, 'a+', FILE_MODE)).close()
    } catch (error) {
      throw new WriteError(path, error)
    }
    const all = { patienceMs: PATIENCE_MS, linesMax: LINES_MAX, bytesMax: BYTES_MAX, ...limits }
    return new AuditLog(path, onProblem, all)
  }

  /**
   * Whether the log takes lines. After a failure it is tried, with a line that says how many are
   * lost. Resolves in bounded time, and never rejects.
   */
  async ready(): Promise<boolean> {
    const isBusy = this.disk.waitingSince !== undefined
    if (!isBusy && !this.#isFailing && this.#untold === 0) return true
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined
    })
    const isReady = await within(this.#probing, this.#limits.patienceMs)
    if (isReady === undefined) this.#sayLate()
    return isReady?.value ?? false
  }

  /** Resolves when the line is with the operating system, or counted as lost, or waits for a disk that hangs. Never rejects. */
  async append(event: object): Promise<void> {
    const line = lineOf(event)
    if (this.#lines >= this.#limits.linesMax || this.#bytes + line.length > this.#limits.bytesMax) {
      this.#lose(1)
      return
    }
    this.#waiting.push(line)
    this.#lines++
    this.#bytes += line.length
    // Those that come while others are being written share the next turn.
    this.#turn = this.#turn.then(() => this.#write())
    if ((await within(this.#turn, this.#limits.patienceMs)) === undefined) this.#sayLate()
  }

  async #probe(): Promise<boolean> {
    await this.#turn
    const untold = this.#untold
    if (untold > 0) {
      this.#turn = this.#turn.then(() => this.#put([lineOf(lostLinesEvent(untold, new Date()))]))
      await this.#turn
      if (!this.#isFailing) this.#untold -= untold
    }
    return !this.#isFailing
  }

  async #write(): Promise<void> {
    const lines = this.#waiting
    if (lines.length === 0) return
    this.#waiting = []
    await this.#put(lines)
    if (this.#isFailing) this.#lose(lines.length)
    this.#lines -= lines.length
    for (const { length } of lines) this.#bytes -= length
  }

  async #put(lines: readonly string[]): Promise<void> {
    try {
      await this.disk.run(() => appendLines(this.path, lines.join('')))
      if (this.#isFailing || this.#isLate) {
        const lost = this.#untold === 0 ? '' : `${this.#untold} lines were lost; `
        this.#onProblem(`audit log: ${lost}${this.path} is written again`)
      }
      this.#isFailing = false
      this.#isLate = false
    } catch (error) {
      if (!this.#isFailing)
        this.#onProblem(
          `audit log: ${new WriteError(this.path, error).message}; changes are refused`,
        )
      this.#isFailing = true
    }
  }

  #lose(lines: number): void {
    this.lost += lines
    this.#untold += lines
  }

  #sayLate(): void {
    if (this.#isLate) return
    this.#isLate = true
    const seconds = this.#limits.patienceMs / 1000
    this.#onProblem(
      `audit log: ${this.path} has taken nothing for ${seconds} s; changes are refused until it does`,
    )
  }
}

function lineOf(event: object): string {
  return `${visible(JSON.stringify(event))}\n`
}

async function appendLines(path: string, text: string): Promise<void> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'a+', FILE_MODE)
    await file.appendFile((await endsInLine(file)) ? text : `\n${text}`)
  } finally {
    await file?.close().catch(() => undefined)
  }
}

/** False when the last line was cut, by a full disk or a sudden end. */
async function endsInLine(file: FileHandle): Promise<boolean> {
  const stats = await file.stat()
  // A FIFO or a device has no end to look at.
  if (!stats.isFile() || stats.size === 0) return true
  const { bytesRead, buffer } = await file.read(Buffer.alloc(1), 0, 1, stats.size - 1)
  return bytesRead === 0 || buffer[0] === LINE_FEED
}
