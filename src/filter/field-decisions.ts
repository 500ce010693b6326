import { u8, u16, u32 } from '../wire/bytes.js'
import type { Field } from './condition.js'
import type { Decision } from './decision.js'
import { ipv4HeaderLength } from './field-readers.js'

/**
 * The tests that nearly every expression is made of, each in a form of its own: to
 * read, mask and compare in one function halves what a test costs.
 */

/** Whether the masked field has a value; undefined for a field that is none of the usual. */
export function equalityDecision(
  { base, at: offset, ipv4At, size }: Field,
  mask: number,
  value: number,
  yes: Decision,
  no: Decision,
): Decision | undefined {
  const bits = mask | 0
  const wanted = value | 0
  if (base === 'frame' && size === 1) {
    return (bytes, start, end) => {
      const at = start + offset
      if (at >= end) return false
      return (u8(bytes, at) & bits) === wanted ? yes(bytes, start, end) : no(bytes, start, end)
    }
  }
  if (base === 'frame' && size === 2) {
    return (bytes, start, end) => {
      const at = start + offset
      if (at + 2 > end) return false
      return (u16(bytes, at) & bits) === wanted ? yes(bytes, start, end) : no(bytes, start, end)
    }
  }
  if (base === 'frame' && size === 4) {
    return (bytes, start, end) => {
      const at = start + offset
      if (at + 4 > end) return false
      return (u32(bytes, at) & bits) === wanted ? yes(bytes, start, end) : no(bytes, start, end)
    }
  }
  if (base === 'behind-ipv4' && size === 1) {
    return (bytes, start, end) => {
      const header = start + ipv4At
      if (header >= end) return false
      const at = start + offset + ipv4HeaderLength(bytes, header)
      if (at >= end) return false
      return (u8(bytes, at) & bits) === wanted ? yes(bytes, start, end) : no(bytes, start, end)
    }
  }
  if (base === 'behind-ipv4' && size === 2) {
    return (bytes, start, end) => {
      const header = start + ipv4At
      if (header >= end) return false
      const at = start + offset + ipv4HeaderLength(bytes, header)
      if (at + 2 > end) return false
      return (u16(bytes, at) & bits) === wanted ? yes(bytes, start, end) : no(bytes, start, end)
    }
  }
  return undefined
}

/** Whether any of some bits of two bytes is set, as in the fragment offset. */
export function anyBitDecision(
  offset: number,
  bits: number,
  yes: Decision,
  no: Decision,
): Decision {
  return (bytes, start, end) => {
    const at = start + offset
    if (at + 2 > end) return false
    return (u16(bytes, at) & bits) !== 0 ? yes(bytes, start, end) : no(bytes, start, end)
  }
}
