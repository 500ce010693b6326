import { randomFillSync } from 'node:crypto'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  HASH,
  KIND,
  KIND_IPV6,
  PORTS,
  SESSION,
} from './flow-entry.js'

/**
 * Keyed hash of a flow key by simple tabulation: every byte of the key picks a
 * random word from a table of its own, and the words are XORed.
 *
 * The tables are random for each process, so a sender who chooses the keys
 * cannot choose where they fall: any two keys collide with probability 2^-32
 * over the choice of tables. (Multiplicative mixing with a seed does not have
 * that: pairs exist that collide under every seed.) Linear probing with simple
 * tabulation takes a constant number of probes in expectation (Pătraşcu and
 * Thorup, "The Power of Simple Tabulation Hashing", 2012).
 *
 * IPv4 keys touch 15 KiB of tables, which stay in the first-level cache.
 * Hashes differ from process to process: never store or compare them outside.
 */
const OCTETS_V4 = 15
const OCTETS_V6 = 39
const TABLE = 256

export class FlowHash {
  readonly #tables: Uint32Array

  /** `tables` is for tests; by default random. */
  constructor(tables: Uint32Array = randomFillSync(new Uint32Array(OCTETS_V6 * TABLE))) {
    this.#tables = tables
  }

  /**
   * Of the key laid out at `keys[at]` as in a flow entry, put there as HASH.
   *
   * In and out through the array: a 32-bit number that crosses a call V8 does not
   * inline is boxed, which costs more than the hash.
   */
  hash(keys: Uint32Array, at: number): void {
    const t = this.#tables
    const a = keys[at + ADDRESS_A]!
    const b = keys[at + ADDRESS_B]!
    const ports = keys[at + PORTS]!
    const kind = keys[at + KIND]!
    const session = keys[at + SESSION]!
    let hash =
      t[a & 0xff]! ^
      t[256 + ((a >>> 8) & 0xff)]! ^
      t[512 + ((a >>> 16) & 0xff)]! ^
      t[768 + (a >>> 24)]! ^
      t[1024 + (b & 0xff)]! ^
      t[1280 + ((b >>> 8) & 0xff)]! ^
      t[1536 + ((b >>> 16) & 0xff)]! ^
      t[1792 + (b >>> 24)]! ^
      t[2048 + (ports & 0xff)]! ^
      t[2304 + ((ports >>> 8) & 0xff)]! ^
      t[2560 + ((ports >>> 16) & 0xff)]! ^
      t[2816 + (ports >>> 24)]! ^
      t[3072 + (kind & 0xff)]! ^
      t[3328 + (session & 0xff)]! ^
      t[3584 + ((session >>> 8) & 0xff)]!
    if (kind >= KIND_IPV6) {
      for (let index = 0, base = OCTETS_V4 * TABLE; index < 6; index++, base += 4 * TABLE) {
        const word = keys[at + ADDRESS_A_REST + index]!
        hash ^=
          t[base + (word & 0xff)]! ^
          t[base + 256 + ((word >>> 8) & 0xff)]! ^
          t[base + 512 + ((word >>> 16) & 0xff)]! ^
          t[base + 768 + (word >>> 24)]!
      }
    }
    keys[at + HASH] = hash
  }
}
