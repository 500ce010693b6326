import { addressText } from '../flow/address-keys.js'
import { HeavyKeys } from '../flow/heavy-keys.js'
import { MAPPED_WORD } from '../wire/address.js'
import { i32, u32 } from '../wire/bytes.js'
import type { Frame } from '../wire/frame.js'
import type { BeaconRow } from './behavior-report.js'

/** From, to and port; beyond, the least common are let go. */
const PAIRS_MAX = 16_384
const WORDS = 4

const LAST_AT = 0
const LAST_PORT = 1
const MEAN = 2
const SQUARES = 3

/** Connections that come again and again at the same interval, by their SYNs in the order of time. */
export class Beacons {
  readonly #keys = new HeavyKeys({ keyWords: 2 * WORDS + 1, sums: 4, capacity: PAIRS_MAX })

  /** Takes a bare SYN that has a time. */
  add(frame: Frame, seconds: number, nanoseconds: number): void {
    const keys = this.#keys
    readWords(frame, frame.srcAt, keys.key, 0)
    readWords(frame, frame.dstAt, keys.key, WORDS)
    keys.key[2 * WORDS] = frame.dstPort
    const row = keys.add(0)
    // Sent again, it is the same connection.
    if (keys.sumOf(row, LAST_PORT) === frame.srcPort) return
    keys.add(1)
    const at = seconds + nanoseconds / 1e9
    const interval = at - keys.sumOf(row, LAST_AT)
    keys.sum(row, LAST_AT, interval)
    keys.sum(row, LAST_PORT, frame.srcPort - keys.sumOf(row, LAST_PORT))
    const intervals = keys.weightOf(row) - 1
    if (intervals < 1) return
    // Welford's, which needs no second pass.
    const before = interval - keys.sumOf(row, MEAN)
    keys.sum(row, MEAN, before / intervals)
    keys.sum(row, SQUARES, before * (interval - keys.sumOf(row, MEAN)))
  }

  /** Of at least so many connections. */
  rows(connectionsMin: number): BeaconRow[] {
    const keys = this.#keys
    return keys
      .top(keys.count)
      .filter((row) => keys.weightOf(row) >= connectionsMin)
      .map((row) => ({
        source: addressText(keys, row, 0),
        destination: addressText(keys, row, WORDS),
        port: keys.keyWord(row, 2 * WORDS),
        connections: keys.weightOf(row),
        mean: keys.sumOf(row, MEAN),
        deviation: Math.sqrt(Math.max(keys.sumOf(row, SQUARES), 0) / (keys.weightOf(row) - 1)),
      }))
  }
}

/** Lays an address out in four words, IPv4 in IPv6 form. */
function readWords({ bytes, ipVersion }: Frame, from: number, key: Uint32Array, at: number): void {
  if (ipVersion === 6) {
    for (let word = 0; word < WORDS; word++) key[at + word] = u32(bytes, from + word * 4)
    return
  }
  key[at] = 0
  key[at + 1] = 0
  key[at + 2] = MAPPED_WORD
  key[at + 3] = i32(bytes, from)
}
