import type { AddressKind, ProtocolWord } from './keywords.js'
import type { Token } from './token.js'

/**
 * What an expression says, before it is known on which link layer. The tokens
 * in it are for messages, and for what can only be understood later.
 */
export type Expression =
  | Chain
  | { readonly kind: 'not'; readonly of: Expression }
  | Identifier
  | { readonly kind: 'protocol'; readonly word: ProtocolWord; readonly token: Token }
  | Cast
  | { readonly kind: 'length'; readonly relation: 'less' | 'greater'; readonly octets: number }
  | Encapsulation
  | Comparison

/** `and` and `or` bind equally and from the left. A list, so that a thousand hosts are no depth. */
export interface Chain {
  readonly kind: 'chain'
  readonly first: Expression
  readonly rest: readonly { readonly join: 'and' | 'or'; readonly operand: Expression }[]
}

export type Direction = 'src' | 'dst' | 'either' | 'both'

/** What stands before an identifier, or was taken over from the one before. */
export interface Qualifiers {
  readonly protocol: ProtocolWord | undefined
  readonly direction: Direction
  /** Whether the direction was written, which some kinds do not allow. */
  readonly isDirected: boolean
  readonly address: AddressKind
  /** The first of the words, for messages. */
  readonly token: Token
}

export interface Identifier {
  readonly kind: 'identifier'
  readonly qualifiers: Qualifiers
  readonly token: Token
  /** `ADDRESS/LENGTH` or `ADDRESS mask ADDRESS`. */
  readonly mask: Token | undefined
}

export interface Cast {
  readonly kind: 'broadcast' | 'multicast'
  readonly protocol: ProtocolWord | undefined
  readonly token: Token
}

interface Encapsulation {
  readonly kind: 'vlan' | 'mpls' | 'pppoes' | 'pppoed'
  /** VLAN, label or session; undefined is any. */
  readonly number: Token | undefined
  readonly token: Token
}

export type Relation = '=' | '!=' | '>' | '>=' | '<' | '<='

export interface Comparison {
  readonly kind: 'comparison'
  readonly relation: Relation
  readonly left: Value
  readonly right: Value
}

export type Operator = '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>'

/** 32 bits, unsigned. `depth` keeps what goes through it by recursion within bounds. */
export type Value =
  | { readonly kind: 'number'; readonly value: number; readonly depth: number }
  | { readonly kind: 'length'; readonly depth: number }
  | Load
  | { readonly kind: 'negative'; readonly of: Value; readonly depth: number }
  | Arithmetic

export interface Load {
  readonly kind: 'load'
  readonly protocol: ProtocolWord
  readonly index: Value
  readonly size: 1 | 2 | 4
  readonly token: Token
  readonly depth: number
}

export interface Arithmetic {
  readonly kind: 'arithmetic'
  readonly operator: Operator
  readonly left: Value
  readonly right: Value
  readonly token: Token
  readonly depth: number
}
