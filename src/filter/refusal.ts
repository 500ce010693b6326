import { OperatorError } from '../errors.js'
import type { Token } from './lexer.js'

/** An error of exit code 2 that names the column, counted from 1, and the word. */
export function refusal(token: Token, why: string): OperatorError {
  const place =
    token.kind === 'end' ? 'at its end' : `at column ${token.at + 1}, "${token.written}"`
  return new OperatorError(`the filter is wrong ${place}: ${why}`, { exitCode: 2 })
}
