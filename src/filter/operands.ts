import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.js'
import { IPV6_HEADER_LEN, IPV6_NEXT_HEADER } from '../wire/ipv6.js'
import { PROTOCOL_ICMPV6 } from '../wire/protocol.js'
import {
  all,
  type Condition,
  equals,
  type Field,
  not,
  type Operand,
  type Test,
} from './condition.js'
import type { Arithmetic, Comparison, Load, Operator, Value } from './expression.js'
import type { LinkLayer } from './link-layer.js'
import { isFirstOfIpv4, protocolCondition } from './protocol-conditions.js'
import { refusal } from './token.js'

const ALL_BITS = 0xffff_ffff

/** A value, and what must hold of a frame for it to have one. */
interface Guarded {
  readonly operand: Operand
  readonly guard: Condition | undefined
}

/** A comparison of two values, once the frame carries what they are read from. */
export function comparisonCondition(layer: LinkLayer, comparison: Comparison): Condition {
  const left = guarded(layer, comparison.left)
  const right = guarded(layer, comparison.right)
  const compared = compare(left.operand, comparison.relation, right.operand)
  return all(...[left.guard, right.guard, compared].filter((condition) => condition !== undefined))
}

function compare(left: Operand, relation: Comparison['relation'], right: Operand): Condition {
  switch (relation) {
    case '=':
    case '>':
    case '>=':
      return test(left, relation, right)
    case '!=':
      return not(test(left, '=', right))
    case '<':
      return not(test(left, '>=', right))
    case '<=':
      return not(test(left, '>', right))
  }
}

function test(left: Operand, relation: Exclude<Test, 'any'>, right: Operand): Condition {
  if (left.kind === 'number' && right.kind === 'number') {
    const { value } = right
    const holds =
      relation === '='
        ? left.value === value
        : relation === '>'
          ? left.value > value
          : left.value >= value
    return { kind: 'constant', value: holds }
  }
  if (left.kind === 'number') {
    // n > x is not x >= n.
    if (relation === '=') return test(right, '=', left)
    return not(test(right, relation === '>' ? '>=' : '>', left))
  }
  if (right.kind === 'number') {
    if (left.kind === 'length') return { kind: 'length', test: relation, value: right.value }
    const masked = maskedField(left)
    if (masked !== undefined) {
      const isWritten = relation === '='
      return { kind: 'field', ...masked, test: relation, value: right.value, isWritten }
    }
  }
  return { kind: 'values', test: relation, left, right }
}

/** Most comparisons are of one field, some with a mask: these are one test. */
function maskedField(operand: Operand): { field: Field; mask: number } | undefined {
  if (operand.kind === 'load' && operand.index === undefined) {
    return { field: operand.field, mask: ALL_BITS }
  }
  if (operand.kind !== 'arithmetic' || operand.operator !== '&') return undefined
  const { left, right } = operand
  if (left.kind !== 'load' || left.index !== undefined || right.kind !== 'number') return undefined
  return { field: left.field, mask: right.value }
}

function guarded(layer: LinkLayer, value: Value): Guarded {
  switch (value.kind) {
    case 'number':
      return { operand: { kind: 'number', value: value.value }, guard: undefined }
    case 'length':
      return { operand: { kind: 'length' }, guard: undefined }
    case 'negative': {
      const { operand, guard } = guarded(layer, value.of)
      if (operand.kind === 'number') return { operand: number(-operand.value), guard }
      return { operand: { kind: 'negative', of: operand }, guard }
    }
    case 'arithmetic': {
      // libpcap guards the left operand alone, and its answers are the ones people know.
      const { operand: left, guard } = guarded(layer, value.left)
      return { operand: arithmetic(value, left, guarded(layer, value.right).operand), guard }
    }
    case 'load':
      return load(layer, value)
  }
}

function number(value: number): Operand {
  return { kind: 'number', value: value >>> 0 }
}

function arithmetic(
  { operator, right: written, token }: Arithmetic,
  left: Operand,
  right: Operand,
): Operand {
  if (right.kind === 'number') {
    const isZero = right.value === 0
    if (isZero && operator === '/') throw refusal(token, 'this divides by zero')
    if (isZero && operator === '%')
      throw refusal(token, 'the remainder of a division by zero is undefined')
    if (isZero && (operator === '&' || operator === '*')) return right
    const isShift = operator === '<<' || operator === '>>'
    if (isShift && written.kind === 'number' && right.value > 31) {
      throw refusal(token, 'a value has 32 bits: shift it by 31 at most')
    }
    if (left.kind === 'number') return number(calculate(operator, left.value, right.value))
  }
  return { kind: 'arithmetic', operator, left, right }
}

/** On unsigned numbers of 32 bits, modulo 2^32; the divisor is not 0. */
export function calculate(operator: Operator, left: number, right: number): number {
  switch (operator) {
    case '+':
      return (left + right) >>> 0
    case '-':
      return (left - right) >>> 0
    case '*':
      return Math.imul(left, right) >>> 0
    case '/':
      return Math.floor(left / right)
    case '%':
      return left % right
    case '&':
      return (left & right) >>> 0
    case '|':
      return (left | right) >>> 0
    case '^':
      return (left ^ right) >>> 0
    case '<<':
      return right > 31 ? 0 : (left << right) >>> 0
    case '>>':
      return right > 31 ? 0 : left >>> right
  }
}

function load(layer: LinkLayer, value: Load): Guarded {
  const index = guarded(layer, value.index)
  const { field, guard } = place(layer, value, index.guard)
  if (index.operand.kind !== 'number') {
    return { operand: { kind: 'load', field, index: index.operand }, guard }
  }
  const at = (field.at + index.operand.value) >>> 0
  return { operand: { kind: 'load', field: { ...field, at }, index: undefined }, guard }
}

/** Where `proto[0]` is, and what must hold for it to be there. `before` is what must hold first. */
function place(
  layer: LinkLayer,
  { protocol, size, token }: Load,
  before: Condition | undefined,
): { field: Field; guard: Condition | undefined } {
  const given = before === undefined ? [] : [before]
  switch (protocol) {
    case 'ether':
      return { field: layer.link(0, size), guard: before }
    case 'ip':
    case 'ip6':
    case 'arp':
    case 'rarp':
    case 'atalk':
    case 'decnet':
    case 'lat':
    case 'sca':
    case 'moprc':
    case 'mopdl': {
      const guard = all(...given, protocolCondition(layer, protocol, token))
      return { field: layer.network(0, size), guard }
    }
    case 'tcp':
    case 'udp':
    case 'sctp':
    case 'icmp':
    case 'igmp':
    case 'igrp':
    case 'pim':
    case 'vrrp':
    case 'carp': {
      const isIpv4 = layer.carries(ETHERTYPE_IPV4, token)
      const isProtocol = protocolCondition(layer, protocol, token)
      const guard = all(isIpv4, ...given, isProtocol, isFirstOfIpv4(layer))
      return { field: layer.behindIpv4(0, size), guard }
    }
    case 'icmp6': {
      const isIcmp6 = equals(layer.network(IPV6_NEXT_HEADER, 1), PROTOCOL_ICMPV6)
      const guard = all(...given, layer.carries(ETHERTYPE_IPV6, token), isIcmp6)
      return { field: layer.network(IPV6_HEADER_LEN, size), guard }
    }
    default:
      throw refusal(token, 'its bytes cannot be read: write "ether[N]" or "ip[N]"')
  }
}
