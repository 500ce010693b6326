import { vi } from 'vitest'
import { main } from '../../src/cli/main.js'

export interface Outcome {
  code: number
  /** What went through process.stdout; capture files and records go to the descriptor itself. */
  out: string
  err: string
}

/** Runs a command line in this process. */
export async function runMain(...args: string[]): Promise<Outcome> {
  const outcome = { code: -1, out: '', err: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      outcome[name === 'stdout' ? 'out' : 'err'] += text
      return true
    }),
  )
  try {
    outcome.code = await main(args)
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return outcome
}
