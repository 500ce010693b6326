import { ReadStream } from 'node:tty'
import { signInToken } from '../../api/http/visitors.js'
import { OperatorError } from '../../errors.js'
import { sleep } from '../../sleep.js'
import { terminalWidth } from '../../terminal/terminal-width.js'
import { draw, print, sayProblem } from '../process/console.js'
import { stoppable } from '../process/stop.js'
import { FeedRefused, keyOf, statesOf } from './feed.js'
import { LiveView } from './live-view.js'
import type { TopOptions } from './options.js'
import { plainLine, SORTS, screenLines } from './screen.js'

const RETRY_MS = 2000

/** Shows the appliance until q, a signal or `--updates`. Throws OperatorError. */
export async function top(options: TopOptions): Promise<void> {
  const key = keyOf(options)
  if (options.link === true) {
    if (key === undefined)
      throw new OperatorError('there is no access key to sign in with: give --credentials FILE')
    print(`${new URL('/', options.api)}#${signInToken(key)}\n`)
    return
  }
  await stoppable(async (stop) => {
    const view = new LiveView()
    const shown = process.stdout.isTTY
      ? new Screen(view, options.api, () => stop.stop())
      : new Lines(view)
    try {
      let updates = 0
      let hasAnswered = false
      while (!stop.isReached) {
        try {
          for await (const state of statesOf(options, key, stop.abortSignal)) {
            hasAnswered = true
            view.take(state)
            shown.update(undefined)
            if (++updates === options.updates) return
          }
          throw new Error('the appliance has ended the connection')
        } catch (error) {
          if (stop.isReached) return
          if (error instanceof FeedRefused) throw error
          const why = reasonOf(error as Error)
          if (!hasAnswered)
            throw new OperatorError(`no answer from ${options.api}: ${why}`, { cause: error })
          shown.update(`no answer from ${options.api}, trying again: ${why}`)
        }
        await sleep(RETRY_MS, stop.abortSignal)
      }
    } finally {
      shown.close()
    }
  })
}

/** `fetch` says only that it failed, and why in its cause. */
function reasonOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message
}

interface Shown {
  /** `problem`: why there is nothing new. */
  update(problem: string | undefined): void
  close(): void
}

/** A line for each state. */
class Lines implements Shown {
  readonly #view: LiveView
  #said: string | undefined

  constructor(view: LiveView) {
    this.#view = view
  }

  update(problem: string | undefined): void {
    if (problem === undefined) {
      const line = plainLine(this.#view)
      if (line !== undefined) print(`${line}\n`)
    } else if (problem !== this.#said) sayProblem(problem)
    this.#said = problem
  }

  close(): void {
    this.#said = undefined
  }
}

/** Alternate screen and hidden cursor, and back (xterm control sequences, DEC private modes 1049 and 25). */
const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const REST_OF_LINE = '\x1b[K'
const REST_OF_SCREEN = '\x1b[J'

const PAGE = 20
const MOVES: Readonly<Record<string, number>> = {
  '\x1b[A': -1,
  '\x1b[B': 1,
  k: -1,
  j: 1,
  '\x1b[5~': -PAGE,
  '\x1b[6~': PAGE,
}

/** The whole terminal, drawn anew with each state, key and change of size. */
class Screen implements Shown {
  readonly #view: LiveView
  readonly #api: string
  readonly #leave: () => void
  #sort = 1
  #from = 0
  #problem: string | undefined
  readonly #draw = (): void => this.#show()
  readonly #onKey = (keys: Buffer): void => this.#press(keys.toString())

  constructor(view: LiveView, api: string, leave: () => void) {
    this.#view = view
    this.#api = api
    this.#leave = leave
    draw(ENTER)
    process.stdout.on('resize', this.#draw)
    if (process.stdin instanceof ReadStream) {
      process.stdin.setRawMode(true)
      process.stdin.on('data', this.#onKey)
    }
    this.#show()
  }

  update(problem: string | undefined): void {
    this.#problem = problem
    this.#show()
  }

  close(): void {
    process.stdout.off('resize', this.#draw)
    if (process.stdin instanceof ReadStream) {
      process.stdin.off('data', this.#onKey)
      process.stdin.setRawMode(false)
      process.stdin.pause()
    }
    draw(LEAVE)
  }

  #press(keys: string): void {
    // Ctrl-C is a key like any other in raw mode.
    if (keys === 'q' || keys === '\x03') this.#leave()
    else if (keys === 's') this.#sort = (this.#sort + 1) % SORTS.length
    else {
      const last = Math.max(0, this.#view.sessions.size - 1)
      this.#from = Math.min(last, Math.max(0, this.#from + (MOVES[keys] ?? 0)))
    }
    this.#show()
  }

  #show(): void {
    const size = { columns: terminalWidth(process.stdout), rows: process.stdout.rows || 24 }
    const look = { sort: this.#sort, from: this.#from, problem: this.#problem, api: this.#api }
    const lines = screenLines(this.#view, look, size)
    draw(`${HOME}${lines.map((line) => line + REST_OF_LINE).join('\r\n')}${REST_OF_SCREEN}`)
  }
}
