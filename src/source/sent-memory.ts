import { u32 } from '../wire/bytes.js'

/** Datagrams that one socket remembers; a sixteenth of what a target has to answer about in time. */
const REMEMBERED = 256

/** Bytes of a datagram by which it can be found. */
export const QUOTE_LEN = 136

/**
 * The datagrams that left by a socket last, so that what comes back can be told from the
 * start of its payload: ICMP quotes nothing else. Two that look alike are taken for one
 * another, which makes no difference to whoever counts them.
 */
export class SentMemory {
  readonly #prints = new Int32Array(REMEMBERED)
  readonly #tags = new Float64Array(REMEMBERED).fill(Number.NaN)
  #next = 0

  remember(print: number, tag: number): void {
    this.#prints[this.#next] = print
    this.#tags[this.#next] = tag
    this.#next = (this.#next + 1) % REMEMBERED
  }

  /** The tag of the oldest datagram that looks like this, and is then forgotten; undefined where there is none. */
  recall(print: number): number | undefined {
    for (let back = 0; back < REMEMBERED; back++) {
      const at = (this.#next + back) % REMEMBERED
      const tag = this.#tags[at]!
      if (this.#prints[at] !== print || Number.isNaN(tag)) continue
      this.#tags[at] = Number.NaN
      return tag
    }
    return undefined
  }
}

/**
 * What the datagram at `bytes[start, end)` looks like: VNI, lengths, identification, checksum,
 * ports and sequence number of the inner frame, IPv4 or IPv6, and the same where a gateway's
 * headers stand in front, in so far as they are there. Only the first QUOTE_LEN bytes count.
 */
export function printOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start < QUOTE_LEN ? end - start : QUOTE_LEN
  let print = length
  if (length < 48) {
    for (let at = 4; at + 4 <= length; at += 4) {
      print = Math.imul(print ^ u32(bytes, start + at), 0x9e37_79b1)
    }
  } else {
    print +=
      Math.imul(u32(bytes, start + 4), 0x9e37_79b1) +
      Math.imul(u32(bytes, start + 24), 0x85eb_ca6b) +
      Math.imul(u32(bytes, start + 32), 0xc2b2_ae35) +
      Math.imul(u32(bytes, start + 40), 0x27d4_eb2f) +
      Math.imul(u32(bytes, start + 44), 0x1656_67b1)
  }
  if (length >= 72) {
    print +=
      Math.imul(u32(bytes, start + 60), 0xd3a2_646d) +
      Math.imul(u32(bytes, start + 64), 0xfd70_46c5) +
      Math.imul(u32(bytes, start + 68), 0xb55a_4f09)
  }
  if (length >= 96) {
    print +=
      Math.imul(u32(bytes, start + 72), 0x9216_d5d9) +
      Math.imul(u32(bytes, start + 92), 0x8f0e_6a33)
  }
  if (length >= 112) {
    print +=
      Math.imul(u32(bytes, start + 100), 0xa24b_aed5) +
      Math.imul(u32(bytes, start + 108), 0x9fb2_1c65)
  }
  if (length === QUOTE_LEN) print += Math.imul(u32(bytes, start + 130), 0xe703_7ed1)
  return print | 0
}
