import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { errnoOf } from '../../sink/write-error.js'

const STDERR = 2
/** Bytes that may wait for a reader that does not read; lines beyond are lost and counted. */
const WAITING_MAX = 64 * 1024
/** Between two tries to write to a full pipe. */
const RETRY_MS = 50

/** What waits to be written. */
interface Waiting {
  bytes: Buffer
  /** Of lost lines, how many it speaks of; 0 for a line of its own. */
  readonly tellsOf: number
}

/**
 * Standard error that never ends the process and never makes it wait.
 *
 * Node's own throws when the disk is full or the reader has gone, stops the thread before a
 * terminal that is held (Ctrl-S), and keeps all that a pipe does not take. Here a line that cannot
 * be written is lost, and how many were is said after the next one that can.
 */
class StandardError {
  readonly #fd = openWithoutWaiting()
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #lost = 0
  #retry: NodeJS.Timeout | undefined

  write(text: string | Uint8Array): void {
    const bytes = Buffer.from(text as string)
    if (this.#waitingBytes + bytes.length > WAITING_MAX) {
      this.#lost++
      return
    }
    this.#put({ bytes, tellsOf: 0 })
    if (this.#retry === undefined) this.#send()
  }

  /** Resolves when nothing waits any more, or after so long. */
  async settled(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs
    while (this.#waiting.length > 0 && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  #put(line: Waiting): void {
    this.#waiting.push(line)
    this.#waitingBytes += line.bytes.length
  }

  #send(): void {
    this.#retry = undefined
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!
      try {
        const written = writeSync(this.#fd, first.bytes)
        this.#waitingBytes -= written
        first.bytes = first.bytes.subarray(written)
      } catch (error) {
        if (errnoOf(error) !== 'EAGAIN') this.#giveUp()
        else this.#retry = setTimeout(() => this.#send(), RETRY_MS).unref()
        return
      }
      if (first.bytes.length > 0) continue
      this.#waiting.shift()
      this.#lost -= first.tellsOf
      if (this.#waiting.length === 0 && this.#lost > 0) this.#tellLost()
    }
  }

  #tellLost(): void {
    const text = `${this.#lost} lines could not be written to standard error\n`
    this.#put({ bytes: Buffer.from(text), tellsOf: this.#lost })
  }

  #giveUp(): void {
    this.#lost += this.#waiting.filter(({ tellsOf }) => tellsOf === 0).length
    this.#waiting = []
    this.#waitingBytes = 0
  }
}

/**
 * A descriptor of our own for what may keep a writer waiting: the setting not to wait belongs to
 * whoever opened it, and others write there too. A socket cannot be opened again; Node has set it.
 */
function openWithoutWaiting(): number {
  const mayWait = isatty(STDERR) || fstatSync(STDERR).isFIFO()
  if (!mayWait || process.platform !== 'linux') return STDERR
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    return openSync(`/proc/self/fd/${STDERR}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    // No reader any more, or the terminal of another user.
    return STDERR
  }
}

/** Puts it in the place of Node's own; answers with what waits until all is written. To be called before anything else. */
export function guardStandardError(): (withinMs: number) => Promise<void> {
  const guarded = new StandardError()
  const { stderr } = process
  stderr.on('error', () => undefined)
  stderr.write = (text: string | Uint8Array, ...rest: unknown[]): boolean => {
    guarded.write(text)
    const done = rest.at(-1)
    if (typeof done === 'function') process.nextTick(done as () => void)
    return true
  }
  return (withinMs) => guarded.settled(withinMs)
}
