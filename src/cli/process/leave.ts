import { sleep } from '../../sleep.js'
import { sayProblem } from './console.js'

/** How long a part of a command may take to end. */
const ENDING_MS = 30_000

let isHung = false

/** A thread hangs, or what it waits for does: the process would wait for it for ever. */
export function noteHung(): void {
  isHung = true
}

/** Waits for a part of a command to end; goes on without it, and says so, where it takes too long. */
export async function ended(
  what: string,
  work: Promise<unknown> | undefined,
  withinMs = ENDING_MS,
): Promise<void> {
  if (work === undefined) return
  const over = new AbortController()
  try {
    const isLate = await Promise.race([
      work.then(() => false),
      sleep(withinMs, over.signal).then(() => true),
    ])
    if (!isLate) return
    noteHung()
    sayProblem(`${what} did not end within ${withinMs / 1000} s: it is left as it is`)
  } finally {
    over.abort()
  }
}

/** What is done last: where something hangs, ends the process without waiting for its threads. */
export async function leaveWhereHung(): Promise<void> {
  if (!isHung) return
  try {
    const { loadLibc } = await import('../../sys/libc.js')
    loadLibc()._exit(Number(process.exitCode ?? 0))
  } catch {
    // Without koffi Node waits for its threads, unless it is killed.
    process.kill(process.pid, 'SIGKILL')
  }
}
