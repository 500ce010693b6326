import { statSync } from 'node:fs'

const REDRAW_MS = 200
const BAR_LEN = 30
/** Work shorter than this shows nothing. */
const QUIET_MS = 500

/** A bar with rate and time left on a terminal; nothing on a pipe. */
export class Progress {
  readonly #total: number
  readonly #sizes: number[]
  readonly #began = performance.now()
  #before = 0
  #index = 0
  #drawnAt = 0
  readonly #visible = process.stderr.isTTY === true

  constructor(files: readonly string[]) {
    this.#sizes = this.#visible ? files.map(sizeOf) : []
    this.#total = this.#sizes.reduce((sum, size) => sum + size, 0)
  }

  /** `octets` of the file at hand have been read. */
  show(octets: number): void {
    if (!this.#visible || this.#total === 0) return
    const now = performance.now()
    if (now - this.#began < QUIET_MS || now - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = now
    const done = this.#before + octets
    const share = Math.min(done / this.#total, 1)
    const rate = done / ((now - this.#began) / 1000)
    const filled = Math.round(share * BAR_LEN)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_LEN - filled)
    const left = Math.ceil((this.#total - done) / rate)
    process.stderr.write(
      `\r${bar} ${Math.floor(share * 100)} %  ${(rate / 1e6).toFixed(0)} MB/s  ${left} s left \x1b[K`,
    )
  }

  fileDone(): void {
    this.#before += this.#sizes[this.#index++] ?? 0
  }

  done(): void {
    if (this.#drawnAt > 0) process.stderr.write('\r\x1b[K')
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch {
    // Whoever opens it will say what is wrong; `-` has no size.
    return 0
  }
}
