import { type Stats, statSync } from 'node:fs'
import { OperatorError } from '../errors.js'

/**
 * Refuses what a command line may name by mistake: standard input twice, and an
 * output that would take the place of an input. Throws OperatorError (exit code 2).
 */
export function checkNames(inputs: readonly string[], outputs: readonly string[]): void {
  if (inputs.indexOf('-') !== inputs.lastIndexOf('-')) {
    throw new OperatorError('standard input can be read only once: give - once', { exitCode: 2 })
  }
  for (const output of outputs) {
    const replaced = statOf(output)
    if (!replaced?.isFile()) continue
    for (const input of inputs) {
      const { dev, ino } = statOf(input) ?? {}
      if (dev !== replaced.dev || ino !== replaced.ino) continue
      const which = input === output ? output : `${output} is ${input}, which`
      throw new OperatorError(
        `${which} is an input and would be overwritten: name another file to write`,
        { exitCode: 2 },
      )
    }
  }
}

/** What there is of that name; undefined for standard input and for what cannot be found. */
export function statOf(name: string): Stats | undefined {
  try {
    return name === '-' ? undefined : statSync(name)
  } catch {
    // Whoever opens it says what is wrong with it.
    return undefined
  }
}
