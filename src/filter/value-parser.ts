import type { Arithmetic, Comparison, Operator, Relation, Value } from './expression.js'
import { PROTOCOLS, type ProtocolWord } from './keywords.js'
import type { Token } from './token.js'
import { refusal } from './token.js'
import type { TokenReader } from './token-reader.js'

/** How tightly an operator binds. */
const PRECEDENCE: Readonly<Record<string, number>> = {
  '|': 1,
  '&': 2,
  '<<': 3,
  '>>': 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
}
const NEGATION = 6
/**
 * The grammar of libpcap gives `%` and `^` no precedence, so that they take whatever
 * follows for their right operand: `len % 5 + 1` is `len % (5 + 1)`.
 */
const GREEDY: ReadonlySet<string> = new Set(['%', '^'])
const RELATIONS: ReadonlySet<string> = new Set(['=', '!=', '>', '>=', '<', '<='])
/** Values inside values; libpcap has registers for sixteen. */
const DEPTH_MAX = 200

const PROTOCOL_WORDS: ReadonlySet<string> = new Set(PROTOCOLS)

export function isProtocol(token: Token): boolean {
  return token.kind === 'keyword' && PROTOCOL_WORDS.has(token.text)
}

/** Whether a token can only continue a value: an operator or a comparison. */
export function continuesValue({ kind, text }: Token): boolean {
  return kind === 'symbol' && (text in PRECEDENCE || GREEDY.has(text) || RELATIONS.has(text))
}

/** Arithmetic: `tcp[13] & 7`, `len - 14`, `(ip[0] & 0xf) << 2`. */
export class ValueParser {
  readonly #reader: TokenReader

  constructor(reader: TokenReader) {
    this.#reader = reader
  }

  /** Whether a value begins here; a parenthesis tells only when what is in it is known. */
  begins(): boolean {
    const reader = this.#reader
    const token = reader.peek()
    if (token.kind === 'number') return true
    return reader.sees('len') || reader.sees('-') || (isProtocol(token) && reader.sees('[', 1))
  }

  value(): Value {
    return this.#climb(this.#primary(), 0)
  }

  /** `left` is what a parenthesis held: whatever operators follow it take it. */
  continue(left: Value): Value {
    return this.#climb(left, 0)
  }

  /** The rest of a comparison whose left side has been read. */
  comparison(left: Value): Comparison {
    const token = this.#reader.peek()
    if (token.kind !== 'symbol' || !RELATIONS.has(token.text)) {
      throw refusal(token, 'a value must be compared: =, !=, <, <=, > or >= is missing')
    }
    this.#reader.next()
    return { kind: 'comparison', relation: token.text as Relation, left, right: this.value() }
  }

  /** Operators that bind at least as tightly as `least`, from the left. */
  #climb(left: Value, least: number): Value {
    for (;;) {
      const token = this.#reader.peek()
      if (token.kind !== 'symbol') return left
      const isGreedy = GREEDY.has(token.text)
      const precedence = PRECEDENCE[token.text]
      if (!isGreedy && (precedence === undefined || precedence < least)) return left
      this.#reader.next()
      const right = this.#reader.within(() =>
        this.#climb(this.#primary(), isGreedy ? 0 : precedence! + 1),
      )
      left = arithmetic(token, left, right)
    }
  }

  #primary(): Value {
    const reader = this.#reader
    const token = reader.next()
    if (token.kind === 'number') return { kind: 'number', value: token.value, depth: 0 }
    if (token.kind === 'keyword' && token.text === 'len') return { kind: 'length', depth: 0 }
    if (token.kind === 'symbol' && token.text === '-') {
      const of = reader.within(() => this.#climb(this.#primary(), NEGATION))
      return { kind: 'negative', of, depth: of.depth + 1 }
    }
    if (token.kind === 'symbol' && token.text === '(') {
      const inside = reader.within(() => this.value())
      reader.expect(')', 'the parenthesis around this value does not end here')
      return inside
    }
    if (isProtocol(token) && reader.takes('[')) return this.#load(token)
    throw refusal(token, 'a number, "len" or something like "ip[0]" must stand here')
  }

  #load(token: Token): Value {
    const reader = this.#reader
    const index = reader.within(() => this.value())
    let size = 1
    if (reader.takes(':')) {
      const sizeToken = reader.next()
      if (sizeToken.kind !== 'number' || ![1, 2, 4].includes(sizeToken.value)) {
        throw refusal(sizeToken, 'only 1, 2 or 4 bytes can be read')
      }
      size = sizeToken.value
    }
    reader.expect(']', 'a "]" is missing')
    return {
      kind: 'load',
      protocol: token.text as ProtocolWord,
      index,
      size: size as 1 | 2 | 4,
      token,
      depth: index.depth + 1,
    }
  }
}

function arithmetic(token: Token, left: Value, right: Value): Arithmetic {
  const depth = Math.max(left.depth, right.depth) + 1
  if (depth > DEPTH_MAX) throw refusal(token, 'this calculation is too long')
  return { kind: 'arithmetic', operator: token.text as Operator, left, right, token, depth }
}
