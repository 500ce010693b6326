/** The longest wait a timer of Node knows; a longer one would end at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Resolves after this many milliseconds, however many, or as soon as the signal is aborted. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  for (let left = ms; left > 0 && !signal.aborted; left -= TIMER_MS_MAX) {
    await timer(Math.min(left, TIMER_MS_MAX), signal)
  }
}

function timer(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timeout)
      signal.removeEventListener('abort', over)
      resolve()
    }
    const timeout = setTimeout(over, ms)
    signal.addEventListener('abort', over)
  })
}
