import { u8, u16, u32 } from '../wire/bytes.js'
import type { Field, Operand } from './condition.js'
import { lengthOf, NOT_THERE, type Present, type Reader } from './decision.js'
import type { Operator } from './expression.js'
import { calculate } from './operands.js'

/** Bytes of the IPv4 header that begins at `at`. */
export function ipv4HeaderLength(bytes: Uint8Array, at: number): number {
  return 4 * (u8(bytes, at) & 0x0f)
}

/** A family of a BSD loopback header is small: its other byte order has three zeros in the rear. */
function familyOf(word: number): number {
  return (word & 0xff_ffff) === 0 ? word >>> 24 : word
}

function read(bytes: Uint8Array, at: number, end: number, size: number): number {
  if (at + size > end) return NOT_THERE
  return size === 1 ? u8(bytes, at) : size === 2 ? u16(bytes, at) : u32(bytes, at)
}

export function fieldReader({ base, at: offset, ipv4At, size }: Field): Reader {
  switch (base) {
    case 'frame':
      return (bytes, start, end) => read(bytes, start + offset, end, size)
    case 'family':
      return (bytes, start, end) => {
        const word = read(bytes, start + offset, end, size)
        return word === NOT_THERE ? NOT_THERE : familyOf(word)
      }
    case 'behind-ipv4':
      return (bytes, start, end) => {
        const header = start + ipv4At
        if (header >= end) return NOT_THERE
        return read(bytes, start + offset + ipv4HeaderLength(bytes, header), end, size)
      }
  }
}

/** A calculation; -1 also where it divides by zero. */
export function operandReader(operand: Operand, present: Present): Reader {
  switch (operand.kind) {
    case 'number': {
      const { value } = operand
      return () => value
    }
    case 'length':
      return () => lengthOf(present)
    case 'negative': {
      const of = operandReader(operand.of, present)
      return (bytes, start, end) => {
        const value = of(bytes, start, end)
        return value === NOT_THERE ? NOT_THERE : -value >>> 0
      }
    }
    case 'load':
      if (operand.index === undefined) return fieldReader(operand.field)
      return indexedReader(operand.field, operandReader(operand.index, present))
    case 'arithmetic':
      return calculation(
        operand.operator,
        operandReader(operand.left, present),
        operandReader(operand.right, present),
      )
  }
}

function calculation(operator: Operator, left: Reader, right: Reader): Reader {
  const isDivision = operator === '/' || operator === '%'
  return (bytes, start, end) => {
    const first = left(bytes, start, end)
    if (first === NOT_THERE) return NOT_THERE
    const second = right(bytes, start, end)
    if (second === NOT_THERE || (isDivision && second === 0)) return NOT_THERE
    return calculate(operator, first, second)
  }
}

/** `index` bytes after the place of `field`. */
function indexedReader({ base, at: offset, ipv4At, size }: Field, index: Reader): Reader {
  if (base !== 'behind-ipv4') {
    return (bytes, start, end) => {
      const distance = index(bytes, start, end)
      return distance === NOT_THERE ? NOT_THERE : read(bytes, start + offset + distance, end, size)
    }
  }
  return (bytes, start, end) => {
    const distance = index(bytes, start, end)
    const header = start + ipv4At
    if (distance === NOT_THERE || header >= end) return NOT_THERE
    // Modulo 2^32, so that a negative index counts back into the header.
    const behind = (distance + ipv4HeaderLength(bytes, header)) >>> 0
    return read(bytes, start + offset + behind, end, size)
  }
}
