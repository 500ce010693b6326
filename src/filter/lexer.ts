import { parseIpv6 } from '../wire/address.js'
import { CONSTANTS, KEYWORDS } from './keywords.js'
import { refusal, type Token } from './token.js'

const SPACE = /[ \r\n\t]+/y
const SYMBOL = /&&|\|\||>=|<=|!=|==|<<|>>|[+\-*/%:[\]!<>()&|^=]/y
const ESCAPED = /\\[^ !()\n\t]+/y
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y
const NUMBER = /0[xX][0-9A-Fa-f]+|[0-9]+/y
const IPV4 = /[0-9]+(?:\.[0-9]+){1,3}/y
const MAC =
  /[0-9A-Fa-f]{1,2}(?:(?::[0-9A-Fa-f]{1,2}){5}|(?:-[0-9A-Fa-f]{1,2}){5}|(?:\.[0-9A-Fa-f]{1,2}){5})|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12}/y
/** No IPv6 address is longer than six groups and a dotted one. */
const IPV6_RUN = /[0-9A-Fa-f:.]{2,45}/y
/** Names of sessions hold colons where the source is an IPv6 address. */
const SESSION_NAME = /[^\s()!]+/y
const WHOLE_WORD = /[^\s()]+/y

const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['&&', 'and'],
  ['||', 'or'],
  ['!', 'not'],
  ['==', '='],
  ['length', 'len'],
  ['link', 'ether'],
  ['fddi', 'ether'],
  ['tr', 'ether'],
  ['wlan', 'ether'],
  ['ppp', 'ether'],
  ['slip', 'ether'],
  ['es-is', 'esis'],
  ['is-is', 'isis'],
])
const WORD_OPERATORS: ReadonlySet<string> = new Set(['and', 'or', 'not'])

/** Cuts an expression into tokens, the last of which is `end`. Throws OperatorError. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = match(SPACE, text, 0)
  while (at < text.length) {
    const previous = tokens.at(-1)
    const isSession = previous?.kind === 'keyword' && previous.text === 'session'
    const token = (isSession ? sessionNameAt(text, at) : undefined) ?? tokenAt(text, at)
    tokens.push(token.token)
    at = match(SPACE, text, token.end)
  }
  tokens.push({ kind: 'end', text: '', written: '', at: text.length, value: 0 })
  return tokens
}

/** Where a match that begins at `at` ends; `at` itself when there is none. */
function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function sessionNameAt(text: string, at: number): { token: Token; end: number } | undefined {
  const end = match(SESSION_NAME, text, at)
  if (end === at) return undefined
  return { token: nameToken(text.slice(at, end), at), end }
}

/** The longest token that begins at `at`; of two as long the more special one, as flex chooses. */
function tokenAt(text: string, at: number): { token: Token; end: number } {
  let end = match(MAC, text, at)
  let kind: Token['kind'] = 'mac'
  const candidates = [
    ['number', match(NUMBER, text, at)],
    ['ipv4', match(IPV4, text, at)],
    ['ipv6', endOfIpv6(text, at)],
    ['name', match(WORD, text, at)],
    ['symbol', match(SYMBOL, text, at)],
    ['name', match(ESCAPED, text, at)],
  ] as const
  for (const [candidate, candidateEnd] of candidates) {
    if (candidateEnd > end) {
      kind = candidate
      end = candidateEnd
    }
  }
  if (end === at) {
    const word = text.slice(at, Math.max(at + 1, match(WHOLE_WORD, text, at)))
    throw refusal(nameToken(word, at), 'this cannot be part of a pcap-filter(7) expression')
  }
  const written = text.slice(at, end)
  if (kind === 'number') return { token: numberToken(written, at), end }
  if (written[0] === '\\') {
    return { token: { kind, text: written.slice(1), written, at, value: 0 }, end }
  }
  return { token: wordToken(kind, written, at), end }
}

function nameToken(text: string, at: number): Token {
  return { kind: 'name', text, written: text, at, value: 0 }
}

function wordToken(kind: Token['kind'], written: string, at: number): Token {
  const text = SYNONYMS.get(written) ?? written
  const constant = CONSTANTS.get(text)
  if (constant !== undefined) return { kind: 'number', text, written, at, value: constant }
  const isKeyword = WORD_OPERATORS.has(text) || KEYWORDS.has(text)
  return { kind: isKeyword ? 'keyword' : kind, text, written, at, value: 0 }
}

function numberToken(text: string, at: number): Token {
  const isOctal = /^0\d/.test(text)
  if (isOctal && /[89]/.test(text)) {
    throw refusal(nameToken(text, at), 'a number that begins with 0 is octal')
  }
  const value = isOctal ? Number.parseInt(text, 8) : Number(text)
  const token: Token = { kind: 'number', text, written: text, at, value }
  if (value > 0xffff_ffff) throw refusal(token, 'numbers have 32 bits at most')
  return token
}

function endOfIpv6(text: string, at: number): number {
  for (let end = match(IPV6_RUN, text, at); end > at + 1; end--) {
    if (parseIpv6(text.slice(at, end)) !== undefined) return end
  }
  return at
}
