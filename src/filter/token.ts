import { OperatorError } from '../errors.js'

/**
 * What an expression is made of, as the scanner of pcap-filter(7) sees it:
 *
 * - `keyword`: a word of the language, under its main spelling (`length` is `len`, `&&` is `and`)
 * - `name`: any other word, `80-90` and `len-2` included, and what a backslash takes out of the language
 * - `number`: decimal, 0x…, 0… for octal, or a named constant such as `tcp-syn`; 32 bits
 * - `ipv4`: two to four decimal bytes; `ipv6`, `mac`
 * - `symbol`: brackets, arithmetic and comparison
 */
export interface Token {
  readonly kind: 'keyword' | 'name' | 'number' | 'ipv4' | 'ipv6' | 'mac' | 'symbol' | 'end'
  /** As it is to be understood; for a name without its backslash. */
  readonly text: string
  /** As it was typed. */
  readonly written: string
  /** Offset of its first character. */
  readonly at: number
  /** Of a number. */
  readonly value: number
}

/** An error of exit code 2 that names the column, counted from 1, and the word. */
export function refusal(token: Token, why: string): OperatorError {
  const place =
    token.kind === 'end' ? 'at its end' : `at column ${token.at + 1}, "${token.written}"`
  return new OperatorError(`the filter is wrong ${place}: ${why}`, {
    exitCode: 2,
    code: 'ERR_FILTER',
  })
}
