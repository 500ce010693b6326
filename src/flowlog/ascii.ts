import { MAPPED_WORD } from '../wire/address.js'
/**
 * Numbers, addresses and words as ASCII, written into a block in place.
 *
 * Each function writes at `at` and returns the offset just past what it wrote.
 * They write four bytes at a time, so up to PUT_SLACK bytes after that offset
 * are overwritten too: callers have proved that they are free and inside the
 * view. (Byte by byte, a default flow log record took 335 ns instead of 190.)
 */

export const PUT_SLACK = 3

/** Eight groups of four digits; an IPv4-mapped address is shorter, and so is any number. */
export const MAX_ADDRESS_LEN = 39

const COLON = 0x3a

/** Text that is written often: its bytes as little-endian words. */
export class Ascii {
  readonly length: number
  readonly words: Uint32Array

  /** `text` is ASCII. */
  constructor(text: string) {
    const octets = Buffer.alloc(Math.ceil(text.length / 4) * 4)
    this.length = octets.write(text, 'latin1')
    this.words = Uint32Array.from({ length: octets.length / 4 }, (_, word) =>
      octets.readUInt32LE(word * 4),
    )
  }
}

export function putAscii(view: DataView, at: number, text: Ascii): number {
  const { words } = text
  for (let index = 0; index < words.length; index++) {
    view.setUint32(at + index * 4, words[index]!, true)
  }
  return at + text.length
}

/** '0000' … '9999' as little-endian words. */
const FOUR_DIGITS = Uint32Array.from(
  { length: 10_000 },
  (_, value) =>
    0x3030_3030 +
    Math.floor(value / 1000) +
    ((Math.floor(value / 100) % 10) << 8) +
    ((Math.floor(value / 10) % 10) << 16) +
    ((value % 10) << 24),
)

const TEN_THOUSAND = 1e4
const HUNDRED_MILLION = 1e8

/** A whole number from 0 to 2^53 - 1. */
export function putDecimal(view: DataView, at: number, value: number): number {
  if (value < TEN_THOUSAND) return putShort(view, at, value | 0)
  if (value < HUNDRED_MILLION) return putMiddle(view, at, value | 0)
  const high = Math.floor(value / HUNDRED_MILLION)
  const low = (value - high * HUNDRED_MILLION) | 0
  const to = high < TEN_THOUSAND ? putShort(view, at, high | 0) : putMiddle(view, at, high | 0)
  const quotient = (low / TEN_THOUSAND) | 0
  view.setUint32(to, FOUR_DIGITS[quotient]!, true)
  view.setUint32(to + 4, FOUR_DIGITS[low - quotient * TEN_THOUSAND]!, true)
  return to + 8
}

/** One to four digits. */
function putShort(view: DataView, at: number, value: number): number {
  const length = value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4
  // The leading zeros are the low bytes: shifted out.
  view.setUint32(at, FOUR_DIGITS[value]! >>> (32 - 8 * length), true)
  return at + length
}

/** Five to eight digits. */
function putMiddle(view: DataView, at: number, value: number): number {
  const quotient = (value / TEN_THOUSAND) | 0
  const to = putShort(view, at, quotient)
  view.setUint32(to, FOUR_DIGITS[value - quotient * TEN_THOUSAND]!, true)
  return to + 4
}

/** '0.' … '255.' as little-endian words, and how long each is. */
const OCTETS = Array.from({ length: 256 }, (_, value) => new Ascii(`${value}.`))
const OCTET_WORD = Uint32Array.from(OCTETS, ({ words }) => words[0]!)
const OCTET_LEN = Uint8Array.from(OCTETS, ({ length }) => length)

/** Dotted decimal. */
export function putIpv4(view: DataView, at: number, address: number): number {
  const first = address >>> 24
  const second = (address >>> 16) & 0xff
  const third = (address >>> 8) & 0xff
  const fourth = address & 0xff
  let to = at
  view.setUint32(to, OCTET_WORD[first]!, true)
  to += OCTET_LEN[first]!
  view.setUint32(to, OCTET_WORD[second]!, true)
  to += OCTET_LEN[second]!
  view.setUint32(to, OCTET_WORD[third]!, true)
  to += OCTET_LEN[third]!
  view.setUint32(to, OCTET_WORD[fourth]!, true)
  return to + OCTET_LEN[fourth]! - 1
}

/** '00' … 'ff' as little-endian halves. */
const HEX_PAIR = Uint16Array.from({ length: 256 }, (_, value) =>
  Buffer.from(value.toString(16).padStart(2, '0'), 'latin1').readUInt16LE(0),
)

const MAPPED = new Ascii('::ffff:')

/**
 * RFC 5952: lower case, no leading zeros, the first of the longest runs of zero
 * groups as `::`, and mixed notation for ::ffff:0:0/96 (§5).
 */
export function putIpv6(view: DataView, at: number, address: Uint32Array): number {
  if (address[0] === 0 && address[1] === 0 && address[2] === MAPPED_WORD) {
    return putIpv4(view, putAscii(view, at, MAPPED), address[3]!)
  }

  let runAt = -1
  // §4.2.2: a single zero group stays a 0.
  let runLen = 1
  for (let group = 0; group < 8; group++) {
    const first = group
    while (group < 8 && groupOf(address, group) === 0) group++
    if (group - first > runLen) {
      runAt = first
      runLen = group - first
    }
  }

  let to = at
  for (let group = 0; group < 8; group++) {
    if (group === runAt) {
      view.setUint8(to, COLON)
      view.setUint8(to + 1, COLON)
      to += 2
      group += runLen - 1
      continue
    }
    if (group > 0 && group !== runAt + runLen) view.setUint8(to++, COLON)
    to = putHex(view, to, groupOf(address, group))
  }
  return to
}

function groupOf(address: Uint32Array, group: number): number {
  const word = address[group >> 1]!
  return (group & 1) === 0 ? word >>> 16 : word & 0xffff
}

function putHex(view: DataView, at: number, value: number): number {
  const digits = HEX_PAIR[value >>> 8]! | (HEX_PAIR[value & 0xff]! << 16)
  const length = value < 0x100 ? (value < 0x10 ? 1 : 2) : value < 0x1000 ? 3 : 4
  view.setUint32(at, digits >>> (32 - 8 * length), true)
  return at + length
}
