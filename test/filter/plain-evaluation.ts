import type { Condition, Field, Operand, Test } from '../../src/filter/condition.js'
import { calculate } from '../../src/filter/operands.js'

/** Asked for what the frame does not have. */
export class NotThere extends Error {}

/**
 * What a condition says of a frame, word for word and from the left to the right: the
 * slow model of programs. Throws NotThere.
 */
export function evaluate(condition: Condition, frame: Buffer, length: number): boolean {
  switch (condition.kind) {
    case 'and':
      return evaluate(condition.left, frame, length) && evaluate(condition.right, frame, length)
    case 'or':
      return evaluate(condition.left, frame, length) || evaluate(condition.right, frame, length)
    case 'not':
      return !evaluate(condition.of, frame, length)
    case 'constant':
      return condition.value
    case 'field': {
      const found = fieldOf(condition.field, 0, frame)
      return holds((found & condition.mask) >>> 0, condition.test, condition.value)
    }
    case 'length':
      return holds(length, condition.test, condition.value)
    case 'vni':
    case 'session':
      return false
    case 'values': {
      const left = operandOf(condition.left, frame, length)
      return holds(left, condition.test, operandOf(condition.right, frame, length))
    }
  }
}

function holds(left: number, test: Test, right: number): boolean {
  if (test === '=') return left === right
  if (test === 'any') return (left & right) !== 0
  return test === '>' ? left > right : left >= right
}

function operandOf(operand: Operand, frame: Buffer, length: number): number {
  switch (operand.kind) {
    case 'number':
      return operand.value
    case 'length':
      return length
    case 'negative':
      return -operandOf(operand.of, frame, length) >>> 0
    case 'load': {
      const { field, index } = operand
      return fieldOf(field, index === undefined ? 0 : operandOf(index, frame, length), frame)
    }
    case 'arithmetic': {
      const left = operandOf(operand.left, frame, length)
      const right = operandOf(operand.right, frame, length)
      if (right === 0 && '/%'.includes(operand.operator)) throw new NotThere()
      return calculate(operand.operator, left, right)
    }
  }
}

function fieldOf({ base, at, ipv4At, size }: Field, index: number, frame: Buffer): number {
  let behind = index
  if (base === 'behind-ipv4') {
    if (ipv4At >= frame.length) throw new NotThere()
    behind = (index + 4 * (frame[ipv4At]! & 15)) >>> 0
  }
  if (at + behind + size > frame.length) throw new NotThere()
  const word = frame.readUIntBE(at + behind, size)
  return base === 'family' && (word & 0xff_ffff) === 0 ? word / 0x100_0000 : word
}
