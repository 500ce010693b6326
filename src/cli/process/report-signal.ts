/**
 * SIGUSR1 and SIGUSR2 ask for a report. A command that has none to give ignores them: left to
 * Node, SIGUSR1 opens a debugger's port, through which whoever reaches it runs what they like.
 */
const SIGNALS = ['SIGUSR1', 'SIGUSR2'] as const

let report: () => void = () => undefined

/** To be called before anything else. */
export function takeReportSignals(): void {
  for (const signal of SIGNALS) process.on(signal, () => report())
}

/** What the signals do from now on. */
export function onReportSignal(tell: () => void): void {
  report = tell
}
