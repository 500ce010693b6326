import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ensureDirectory } from '../../sink/directory.js'
import { WriteError } from '../../sink/write-error.js'
import { visible } from '../../visible.js'

/** It names people and addresses. */
const FILE_MODE = 0o640

const LINE_FEED = 0x0a

/**
 * JSON lines at the end of a file.
 *
 * The file is opened for each turn of writing, so it may be renamed away at any time (logrotate
 * without copytruncate or signals) and the next line begins a new one. A disk that fails costs lines,
 * which are counted and said once, and never the call.
 */
export class AuditLog {
  readonly path: string
  /** Lines that could not be written. */
  lost = 0
  readonly #onProblem: (line: string) => void
  #waiting: string[] = []
  #turn: Promise<void> = Promise.resolve()
  #isFailing = false

  private constructor(path: string, onProblem: (line: string) => void) {
    this.path = path
    this.#onProblem = onProblem
  }

  /** Makes the directory and proves that the file can be written. Throws OperatorError. */
  static async open(path: string, onProblem: (line: string) => void): Promise<AuditLog> {
    ensureDirectory(dirname(path))
    try {
      await (await open(path, 'a+', FILE_MODE)).close()
    } catch (error) {
      throw new WriteError(path, error)
    }
    return new AuditLog(path, onProblem)
  }

  /** Resolves when the line is with the operating system, or counted as lost. Never rejects. */
  append(event: object): Promise<void> {
    this.#waiting.push(`${visible(JSON.stringify(event))}\n`)
    // Those that come while others are being written share the next turn.
    this.#turn = this.#turn.then(() => this.#write())
    return this.#turn
  }

  async #write(): Promise<void> {
    const lines = this.#waiting
    if (lines.length === 0) return
    this.#waiting = []
    let file: FileHandle | undefined
    try {
      file = await open(this.path, 'a+', FILE_MODE)
      const start = (await endsInLine(file)) ? '' : '\n'
      await file.appendFile(start + lines.join(''))
      if (this.#isFailing) this.#onProblem(`audit log: ${this.path} is written again`)
      this.#isFailing = false
    } catch (error) {
      this.lost += lines.length
      if (!this.#isFailing)
        this.#onProblem(`audit log: ${new WriteError(this.path, error).message}`)
      this.#isFailing = true
    } finally {
      await file?.close().catch(() => undefined)
    }
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
