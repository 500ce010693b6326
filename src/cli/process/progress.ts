import { statSync } from 'node:fs'
import { clearRedrawn, redraw } from './console.js'

const REDRAW_MS = 200
const BAR_LEN = 30
/** Work shorter than this shows nothing. */
const QUIET_MS = 500

/**
 * A bar with rate and time left on a terminal; nothing on a pipe. Of what comes
 * through a pipe nobody knows the end: that shows how far it is.
 */
export class Progress {
  readonly #total: number
  readonly #sizes: number[]
  readonly #began = performance.now()
  #before = 0
  #index = 0
  #drawnAt = 0
  readonly #visible: boolean

  /** `files`: their names, or how many bytes are to be read. `mayShow`: the terminal is not needed for something else. */
  constructor(files: readonly string[] | number, mayShow = true) {
    this.#visible = mayShow && process.stderr.isTTY === true
    this.#sizes = typeof files === 'number' ? [files] : this.#visible ? files.map(sizeOf) : []
    this.#total = this.#sizes.reduce((sum, size) => sum + size, 0)
  }

  /** `octets` of the file at hand have been read. */
  show(octets: number): void {
    if (!this.#visible) return
    const now = performance.now()
    if (now - this.#began < QUIET_MS || now - this.#drawnAt < REDRAW_MS) return
    this.#drawnAt = now
    const done = this.#before + octets
    const rate = done / ((now - this.#began) / 1000)
    const perSecond = `${(rate / 1e6).toFixed(0)} MB/s`
    if (done > this.#total) {
      redraw(`${(done / 1e6).toFixed(0)} MB  ${perSecond} `)
      return
    }
    const share = done / this.#total
    const filled = Math.round(share * BAR_LEN)
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_LEN - filled)
    const left = Math.ceil((this.#total - done) / rate)
    redraw(`${bar} ${Math.floor(share * 100)} %  ${perSecond}  ${left} s left `)
  }

  fileDone(): void {
    this.#before += this.#sizes[this.#index++] ?? 0
  }

  done(): void {
    clearRedrawn()
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
