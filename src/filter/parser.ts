import type { Cast, Chain, Direction, Expression, Qualifiers, Value } from './expression.js'
import { ADDRESS_KINDS, type AddressKind, type ProtocolWord } from './keywords.js'
import { tokenize } from './lexer.js'
import { noContinuation, noIdentifier, noPrimitive } from './misplaced-token.js'
import type { Token } from './token.js'
import { refusal } from './token.js'
import { TokenReader } from './token-reader.js'
import { continuesValue, isProtocol, ValueParser } from './value-parser.js'

/** Far more than fits a command line. */
const TEXT_MAX = 256 * 1024

const ADDRESS_WORDS: ReadonlySet<string> = new Set(ADDRESS_KINDS)

/**
 * Reads a pcap-filter(7) expression; undefined is an empty one, which wants every
 * packet. Throws OperatorError (exit code 2) that names the column and the word.
 */
export function parseExpression(text: string): Expression | undefined {
  if (text.length > TEXT_MAX) {
    const written = `${text.slice(0, 20)}…`
    const token: Token = { kind: 'name', text: written, written, at: 0, value: 0 }
    throw refusal(token, `an expression has ${TEXT_MAX} characters at most`)
  }
  const reader = new TokenReader(tokenize(text))
  if (reader.peek().kind === 'end') return undefined
  const { expression } = new Parser(reader).chain(undefined)
  const rest = reader.peek()
  if (rest.kind !== 'end') throw noContinuation(rest)
  return expression
}

/** An expression with the qualifiers that an identifier after `and` or `or` takes over. */
interface Parsed {
  readonly expression: Expression
  readonly qualifiers: Qualifiers | undefined
}

/**
 * The grammar of libpcap by recursive descent. `not` binds tightest; `and` and
 * `or` bind equally, from the left; and an identifier alone after one of them
 * takes over the qualifiers before it: `tcp dst port 80 or 443`.
 */
class Parser {
  readonly #reader: TokenReader
  readonly #values: ValueParser

  constructor(reader: TokenReader) {
    this.#reader = reader
    this.#values = new ValueParser(reader)
  }

  chain(before: Qualifiers | undefined): Parsed {
    return this.#rest(this.#term(before))
  }

  /** Whatever follows `first` after `and` and `or`. */
  #rest(first: Parsed): Parsed {
    let { qualifiers } = first
    const rest: Chain['rest'][number][] = []
    for (let join = this.#join(); join !== undefined; join = this.#join()) {
      if (this.#seesIdentifier()) {
        rest.push({ join, operand: this.#identifier(qualifiers) })
      } else {
        const term = this.#term(qualifiers)
        qualifiers = term.qualifiers
        rest.push({ join, operand: term.expression })
      }
    }
    if (rest.length === 0) return first
    return { expression: { kind: 'chain', first: first.expression, rest }, qualifiers }
  }

  #join(): 'and' | 'or' | undefined {
    if (this.#reader.takes('and')) return 'and'
    return this.#reader.takes('or') ? 'or' : undefined
  }

  /** `before`: the qualifiers that hold after a parenthesis again. */
  #term(before: Qualifiers | undefined): Parsed {
    const reader = this.#reader
    if (reader.takes('not')) {
      const { expression, qualifiers } = reader.within(() => this.#term(before))
      return { expression: { kind: 'not', of: expression }, qualifiers }
    }
    if (reader.sees('(') || this.#values.begins()) {
      const found = this.#termOrValue(before)
      return 'expression' in found ? found : this.#comparison(found)
    }
    return this.#primitive()
  }

  /** What begins with a parenthesis or a value is known when it ends. */
  #termOrValue(before: Qualifiers | undefined): Parsed | Value {
    if (!this.#reader.takes('(')) return this.#values.value()
    const inside = this.#reader.within(() => this.#insideParenthesis(before))
    this.#reader.expect(')', 'a ")" is missing, or "and" or "or"')
    if (!('expression' in inside)) return this.#values.continue(inside)
    return { expression: inside.expression, qualifiers: before }
  }

  #insideParenthesis(before: Qualifiers | undefined): Parsed | Value {
    if (!this.#reader.sees('(') && !this.#values.begins()) return this.chain(before)
    const found = this.#termOrValue(before)
    if ('expression' in found) return this.#rest(found)
    // Inside a parenthesis a value may end; the comparison then follows it.
    return this.#reader.sees(')') ? found : this.#rest(this.#comparison(found))
  }

  #comparison(left: Value): Parsed {
    return { expression: this.#values.comparison(left), qualifiers: undefined }
  }

  /** Whether what comes is an identifier by itself, after any negations and parentheses. */
  #seesIdentifier(): boolean {
    const reader = this.#reader
    let ahead = 0
    let open = 0
    for (; reader.sees('not', ahead) || reader.sees('(', ahead); ahead++) {
      if (reader.sees('(', ahead)) open++
    }
    const { kind } = reader.peek(ahead)
    if (kind !== 'number') return kind !== 'keyword' && kind !== 'symbol' && kind !== 'end'
    ahead++
    for (; open > 0 && reader.sees(')', ahead); open--) ahead++
    return !continuesValue(reader.peek(ahead))
  }

  #primitive(): Parsed {
    const reader = this.#reader
    const first = reader.peek()
    const protocol = isProtocol(first) ? (reader.next().text as ProtocolWord) : undefined
    const direction = this.#direction()
    const address = this.#addressKind(direction !== undefined)
    if (direction !== undefined || address !== undefined) {
      const qualifiers: Qualifiers = {
        protocol,
        direction: direction ?? 'either',
        isDirected: direction !== undefined,
        address: address ?? 'host',
        token: first,
      }
      return { expression: this.#identifier(qualifiers), qualifiers }
    }
    const cast = this.#cast(protocol)
    if (cast !== undefined) return { expression: cast, qualifiers: undefined }
    const expression: Expression =
      protocol === undefined
        ? this.#statement()
        : { kind: 'protocol', word: protocol, token: first }
    return { expression, qualifiers: undefined }
  }

  /** `src`, `dst`, `src or dst`, `src and dst`. */
  #direction(): Direction | undefined {
    const reader = this.#reader
    const word = ['src', 'dst'].find((name) => reader.takes(name)) as 'src' | 'dst' | undefined
    if (word === undefined) return undefined
    const join = this.#join()
    if (join === undefined) return word
    const other = word === 'src' ? 'dst' : 'src'
    reader.expect(other, `"${other}" is missing after "${word} ${join}"`)
    return join === 'or' ? 'either' : 'both'
  }

  #addressKind(isDirected: boolean): AddressKind | undefined {
    const token = this.#reader.peek()
    if (token.kind !== 'keyword' || !ADDRESS_WORDS.has(token.text)) return undefined
    const undirected = ['proto', 'vni', 'session']
    if (isDirected && undirected.includes(token.text)) {
      throw refusal(token, 'this has neither source nor destination')
    }
    return this.#reader.next().text as AddressKind
  }

  #cast(protocol: ProtocolWord | undefined): Cast | undefined {
    const token = this.#reader.peek()
    const kind = this.#reader.sees('broadcast')
      ? 'broadcast'
      : this.#reader.sees('multicast')
        ? 'multicast'
        : undefined
    if (kind === undefined) return undefined
    this.#reader.next()
    return { kind, protocol, token }
  }

  /** What begins with a word that is neither protocol nor qualifier. */
  #statement(): Expression {
    const token = this.#reader.next()
    if (token.kind === 'keyword') {
      switch (token.text) {
        case 'less':
        case 'greater': {
          const octets = this.#reader.next()
          if (octets.kind !== 'number') throw refusal(octets, 'a number of bytes must stand here')
          return { kind: 'length', relation: token.text, octets: octets.value }
        }
        case 'vlan':
        case 'mpls':
        case 'pppoes':
          return { kind: token.text, number: this.#optionalNumber(), token }
        case 'pppoed':
          return { kind: token.text, number: undefined, token }
      }
    }
    throw noPrimitive(token)
  }

  /** A number, perhaps in parentheses. */
  #optionalNumber(): Token | undefined {
    const reader = this.#reader
    if (reader.takes('(')) {
      const inside = reader.within(() => this.#optionalNumber())
      if (inside === undefined) throw refusal(reader.peek(), 'a number must stand here')
      reader.expect(')', 'a ")" is missing')
      return inside
    }
    return reader.peek().kind === 'number' ? reader.next() : undefined
  }

  /** An address, port, protocol or name, or several of them in parentheses. */
  #identifier(qualifiers: Qualifiers | undefined): Expression {
    const reader = this.#reader
    if (reader.takes('not')) {
      return { kind: 'not', of: reader.within(() => this.#identifier(qualifiers)) }
    }
    if (reader.takes('(')) {
      const inside = reader.within(() => this.#identifiers(qualifiers))
      reader.expect(')', 'a ")" is missing, or "and" or "or"')
      return inside
    }
    const token = reader.next()
    if (qualifiers === undefined) throw noPrimitive(token)
    if (token.kind === 'keyword' || token.kind === 'symbol' || token.kind === 'end') {
      throw noIdentifier(token, qualifiers)
    }
    return { kind: 'identifier', qualifiers, token, mask: this.#mask(token) }
  }

  #identifiers(qualifiers: Qualifiers | undefined): Expression {
    const first = this.#identifier(qualifiers)
    const rest: Chain['rest'][number][] = []
    for (let join = this.#join(); join !== undefined; join = this.#join()) {
      rest.push({ join, operand: this.#identifier(qualifiers) })
    }
    return rest.length === 0 ? first : { kind: 'chain', first, rest }
  }

  #mask(address: Token): Token | undefined {
    const reader = this.#reader
    if (address.kind !== 'ipv4' && address.kind !== 'ipv6') return undefined
    if (reader.takes('/')) {
      const length = reader.next()
      if (length.kind !== 'number') throw refusal(length, 'the length of a prefix must stand here')
      return length
    }
    if (address.kind !== 'ipv4' || !reader.takes('mask')) return undefined
    const mask = reader.next()
    if (mask.kind !== 'ipv4') throw refusal(mask, 'a mask such as 255.255.255.0 must stand here')
    return mask
  }
}
