import type { Operator } from './expression.js'

/** A big-endian number in a frame. */
export interface Field {
  /**
   * Where `at` counts from: the start of the frame, or the end of the IPv4 header at
   * `ipv4At`. A `family` is in the frame, small, and in either byte order.
   */
  readonly base: 'frame' | 'behind-ipv4' | 'family'
  /** Offset in the frame of the IPv4 header that `behind-ipv4` is about; else 0. */
  readonly ipv4At: number
  readonly at: number
  readonly size: 1 | 2 | 4
}

/** What a field is compared with. `any`: one of these bits is set. */
export type Test = '=' | '>' | '>=' | 'any'

/**
 * An expression as tests on the bytes of a frame of one link type.
 *
 * Evaluated from the left, `or` and `and` as far as needed. A test on bytes that
 * a frame does not have refuses the whole frame, whatever stands around it: so
 * BPF does, and a filter inside `not` must not accept what it could not look at.
 */
export type Condition =
  | { readonly kind: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'constant'; readonly value: boolean }
  | {
      readonly kind: 'field'
      readonly field: Field
      readonly mask: number
      readonly test: Test
      readonly value: number
      /** An equality in arithmetic, as which tcpdump's optimizer takes it for no other. */
      readonly isWritten?: boolean
    }
  | { readonly kind: 'length'; readonly test: Test; readonly value: number }
  | { readonly kind: 'vni'; readonly vni: number }
  | { readonly kind: 'session'; readonly name: string }
  | {
      readonly kind: 'values'
      readonly test: Test
      readonly left: Operand
      readonly right: Operand
    }

/** A calculation, unsigned and modulo 2^32. */
export type Operand =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'length' }
  /** `index` bytes after the field's place. */
  | { readonly kind: 'load'; readonly field: Field; readonly index: Operand | undefined }
  | { readonly kind: 'negative'; readonly of: Operand }
  | {
      readonly kind: 'arithmetic'
      readonly operator: Operator
      readonly left: Operand
      readonly right: Operand
    }

const ALL_BITS = 0xffff_ffff

export const ALWAYS: Condition = { kind: 'constant', value: true }
export const NEVER: Condition = { kind: 'constant', value: false }

/** All of them, tested in this order. */
export function all(...conditions: Condition[]): Condition {
  return conditions.reduce((left, right) => ({ kind: 'and', left, right }))
}

/** One of them, tested in this order. */
export function any(...conditions: Condition[]): Condition {
  return conditions.reduce((left, right) => ({ kind: 'or', left, right }))
}

export function not(of: Condition): Condition {
  return of.kind === 'not' ? of.of : { kind: 'not', of }
}

export function equals(field: Field, value: number, mask = ALL_BITS): Condition {
  return { kind: 'field', field, mask, test: '=', value }
}

export function isAtLeast(field: Field, value: number): Condition {
  return { kind: 'field', field, mask: ALL_BITS, test: '>=', value }
}

export function isAbove(field: Field, value: number): Condition {
  return { kind: 'field', field, mask: ALL_BITS, test: '>', value }
}

export function hasAny(field: Field, bits: number): Condition {
  return { kind: 'field', field, mask: ALL_BITS, test: 'any', value: bits }
}
