import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { LedgerReport } from '../../src/session/ledger.js'

/** The built program; scripts/test builds it before the tests. */
export const BIN = join(import.meta.dirname, '../../dist/cli/bin.js')
export const IS_BUILT = existsSync(BIN)
export const NEEDS_BUILD = IS_BUILT ? '' : ' (needs the built program: npm run build)'

/** For tests that start many programs; test/vitest.config.js has the limit of all others. */
export const UNHURRIED = { timeout: 240_000 }

const LOOK_AFTER_MS = 10
/** Looking costs the processor that the program looked at is waiting for. */
const LOOK_AT_LEAST_EVERY_MS = 150

/** Resolves with the first answer that is not undefined or false. The test's own time-out is the limit. */
export async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (let pause = LOOK_AFTER_MS; ; pause = Math.min(2 * pause, LOOK_AT_LEAST_EVERY_MS)) {
    const found = look()
    if (found !== undefined && found !== false) return found
    await delay(pause)
  }
}

/** A child process of the running test, killed when that ends. */
export class Program {
  readonly #child: ChildProcess
  readonly #stdout: Buffer[] = []
  readonly #ended: Promise<number | NodeJS.Signals>
  #stderr = ''
  #isOver = false

  /** `input` is what its standard input gives. */
  constructor(command: readonly [string, ...string[]], input: Buffer | string = '') {
    const [file, ...args] = command
    this.#child = spawn(file, args, { stdio: 'pipe' })
    this.#child.stdout!.on('data', (bytes: Buffer) => this.#stdout.push(bytes))
    this.#child.stderr!.on('data', (bytes: Buffer) => {
      this.#stderr += bytes.toString()
    })
    // A program that needs no more of it closes the pipe.
    this.#child.stdin!.on('error', () => undefined)
    this.#child.stdin!.end(input)
    this.#ended = once(this.#child, 'close').then(([code, signal]) => {
      this.#isOver = true
      return (code ?? signal) as number | NodeJS.Signals
    })
    onTestFinished(async () => {
      this.#child.kill('SIGKILL')
      await this.#ended.catch(() => undefined)
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#stdout)
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Resolves with the match when stderr holds it; rejects when the program ends without it. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    return until(() => {
      const match = pattern.exec(this.#stderr)
      if (match === null && this.#isOver) {
        throw new Error(`ended without saying ${pattern}: ${this.#stderr}`)
      }
      return match ?? undefined
    })
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Exit code, or the signal that ended it, when its output has been read. */
  ended(): Promise<number | NodeJS.Signals> {
    return this.#ended
  }

  /** Stops it where it stands; resolves when every thread of it does. */
  async freeze(): Promise<void> {
    this.signal('SIGSTOP')
    const tasks = `/proc/${this.pid}/task`
    await until(() =>
      readdirSync(tasks).every((task) =>
        readFileSync(join(tasks, task, 'stat'), 'utf8')
          .replace(/^.*\)/s, '')
          .startsWith(' T'),
      ),
    )
  }
}

/** The built program with these arguments. */
export function mirrortap(args: readonly string[], input?: Buffer | string): Program {
  return new Program([process.execPath, BIN, ...args], input)
}

/** `mirrortap listen`, or another command that receives, on a free port of loopback. */
export class Appliance extends Program {
  /** `within`: a command to run it with, such as `ip netns exec …`. */
  constructor(
    args: readonly string[],
    within: readonly string[] = [],
    command: 'listen' | 'capture' = 'listen',
  ) {
    // Many run at the same time; those that are about the API say where it is.
    const isQuiet = command === 'listen' && !args.includes('--api')
    const listening = ['--bind', '127.0.0.1', '--port', '0', ...(isQuiet ? ['--no-api'] : [])]
    const receive = [process.execPath, BIN, command, ...listening, ...args]
    super([...within, ...receive] as [string, ...string[]])
  }

  /** Resolves with the port when it listens. */
  async port(): Promise<number> {
    const match = await this.says(/^listening on \S+ port (\d+) \(VXLAN\)/m)
    return Number(match[1])
  }

  /** Asks it to stop and finish everything. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.signal('SIGINT')
    return this.ended()
  }
}

/** What `--stats` wrote. */
export function readStats(path: string): LedgerReport {
  return JSON.parse(readFileSync(path, 'utf8')) as LedgerReport
}

/** received, as the sum of where everything went. */
export function sumOf(report: LedgerReport): number {
  const malformed = Object.values(report.malformed).reduce((sum, count) => sum + count, 0)
  const { accepted, filtered, unknownSession, duplicate } = report
  return accepted + filtered + unknownSession + duplicate + malformed
}

/** Every file below a directory, by its path from there, sorted. */
export function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort()
}
