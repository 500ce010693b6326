import type { Token } from './token.js'
import { refusal } from './token.js'

/** Parentheses, brackets and negations inside each other; far more than anybody writes. */
const DEPTH_MAX = 200

/** The tokens of an expression, one after the other, with a look at those ahead. */
export class TokenReader {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  /** The last of `tokens` is `end`. */
  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  /** The token that comes next, or the one this many tokens later. */
  peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!
  }

  next(): Token {
    const token = this.peek()
    this.#at++
    return token
  }

  /** Whether a keyword or symbol comes next. */
  sees(text: string, ahead = 0): boolean {
    const { kind, text: found } = this.peek(ahead)
    return found === text && (kind === 'keyword' || kind === 'symbol')
  }

  /** Takes it if it comes next. */
  takes(text: string): boolean {
    const found = this.sees(text)
    if (found) this.#at++
    return found
  }

  expect(text: string, why: string): void {
    if (!this.takes(text)) throw refusal(this.peek(), why)
  }

  /** Goes one level down for `parse`. Throws OperatorError where it is too deep. */
  within<T>(parse: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw refusal(this.peek(), 'this is nested too deeply')
    const result = parse()
    this.#depth--
    return result
  }
}
