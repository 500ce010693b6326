import { describe, expect, test } from 'vitest'
import {
  ADDRESS_A,
  ADDRESS_A_REST,
  ADDRESS_B,
  HASH,
  HOT_WORDS,
  KIND,
  KIND_IPV6,
  PORTS,
  SESSION,
} from '../../src/flow/flow-entry.js'
import { FlowHash } from '../../src/flow/flow-hash.js'
import { Random } from '../support/random.js'

const KEYS = 8192
/** As the flow table has them for so many keys. */
const SLOTS = 2 * KEYS
const TABLES = 39 * 256

const TCP4 = 0x406
const TCP6 = KIND_IPV6 | 6

interface Key {
  kind?: number
  session?: number
  a: number
  b: number
  ports?: number
  rest?: readonly number[]
}

function layOut(of: Key): Uint32Array {
  const key = new Uint32Array(HOT_WORDS)
  key[SESSION] = of.session ?? 1
  key[KIND] = of.kind ?? TCP4
  key[PORTS] = of.ports ?? 0
  key[ADDRESS_A] = of.a
  key[ADDRESS_B] = of.b
  if (of.rest !== undefined) key.set(of.rest, ADDRESS_A_REST)
  return key
}

/** What an unseeded table might do: multiply and add, word by word. Good spread, and no secret. */
function multiplicative(key: Uint32Array): number {
  let hash = 0
  for (const word of [SESSION, KIND, PORTS, ADDRESS_A, ADDRESS_B]) {
    hash = Math.imul(hash ^ key[word]!, 0x9e37_79b1)
  }
  return hash >>> 0
}

/** Keys for which `multiplicative` is 0: its last step is undone by choosing the last word. */
function chosenKey(random: Random): Uint32Array {
  const key = layOut({ a: random.next(), b: 0, ports: random.next() })
  let hash = 0
  for (const word of [SESSION, KIND, PORTS, ADDRESS_A]) {
    hash = Math.imul(hash ^ key[word]!, 0x9e37_79b1)
  }
  key[ADDRESS_B] = hash
  return key
}

/** Slots looked at for each key, on average, when all keys have been put into a table at half load. */
function averageProbes(hashes: readonly number[]): number {
  const used = new Uint8Array(SLOTS)
  let probes = 0
  for (const hash of hashes) {
    let slot = hash & (SLOTS - 1)
    for (probes++; used[slot] === 1; probes++) slot = (slot + 1) & (SLOTS - 1)
    used[slot] = 1
  }
  return probes / hashes.length
}

function hashesOf(keys: readonly Uint32Array[], hash: FlowHash): number[] {
  return keys.map((key) => {
    hash.hash(key, 0)
    return key[HASH]!
  })
}

/** Sets of keys that a sender may choose, each with some pattern. */
const CHOSEN: Record<string, (random: Random, index: number) => Uint32Array> = {
  'keys that collide under an unseeded hash': (random) => chosenKey(random),
  'one host scanning ports': (_random, index) => layOut({ a: 1, b: 2, ports: index }),
  'ports in the upper half': (_random, index) => layOut({ a: 1, b: 2, ports: index * 0x1_0000 }),
  'a network scanned host by host': (_random, index) => layOut({ a: 1, b: index, ports: 80 }),
  'addresses that differ in the upper bytes': (_random, index) =>
    layOut({ a: index * 0x1_0000, b: 1 }),
  'sessions counted up': (_random, index) => layOut({ session: index, a: 1, b: 2 }),
  'both addresses counted up together': (_random, index) => layOut({ a: index, b: index }),
  'IPv6 hosts of one network': (_random, index) =>
    layOut({ kind: TCP6, a: 1, b: 2, rest: [0, 0, index] }),
  'IPv6 networks of one host number': (_random, index) =>
    layOut({ kind: TCP6, a: 1, b: 2, rest: [index * 0x1000, 0, 0, 0, 0, 1] }),
}

describe('FlowHash', () => {
  test('the chosen keys do collide under an unseeded hash', () => {
    const random = new Random(1)
    const hashes = Array.from({ length: 100 }, () => multiplicative(chosenKey(random)))
    expect(new Set(hashes)).toEqual(new Set([0]))
  })

  test.each(Object.keys(CHOSEN).flatMap((keys) => [1, 2, 3].map((seed) => ({ keys, seed }))))(
    'spreads $keys, seed $seed',
    ({ keys: kind, seed }) => {
      const random = new Random(seed)
      const keys = Array.from({ length: KEYS }, (_, index) => CHOSEN[kind]!(random, index))
      expect(new Set(keys.map((key) => key.join())).size).toBeGreaterThan(KEYS * 0.99)

      const hash = new FlowHash(Uint32Array.from({ length: TABLES }, () => random.next()))
      const hashes = hashesOf(keys, hash)
      // Linear probing at half load: 1.5 probes for a hit (Knuth, 6.4), whoever chose the keys.
      expect(averageProbes(hashes)).toBeLessThan(1.8)
      expect(keys.length - new Set(hashes).size).toBeLessThan(KEYS * 0.01)
    },
  )

  test.each([
    { what: 'the session', changed: { session: 2 } },
    { what: 'the upper byte of the session', changed: { session: 0x100 } },
    { what: 'the protocol', changed: { kind: 0x411 } },
    ...[0, 8, 16, 24].flatMap((shift) => [
      { what: `bit ${shift} of A`, changed: { a: (1 << shift) >>> 0 } },
      { what: `bit ${shift} of B`, changed: { b: (1 << shift) >>> 0 } },
      { what: `bit ${shift} of the ports`, changed: { ports: (1 << shift) >>> 0 } },
    ]),
  ])('depends on $what', ({ changed }) => {
    const random = new Random(7)
    const hash = new FlowHash(Uint32Array.from({ length: TABLES }, () => random.next()))
    const base = { a: 0, b: 0 }
    const [before, after] = hashesOf([layOut(base), layOut({ ...base, ...changed })], hash)
    expect(after).not.toBe(before)
  })

  test('depends on every byte of IPv6 addresses', () => {
    const random = new Random(8)
    const hash = new FlowHash(Uint32Array.from({ length: TABLES }, () => random.next()))
    const keys = [layOut({ kind: TCP6, a: 0, b: 0 })]
    for (let octet = 0; octet < 24; octet++) {
      const rest = [0, 0, 0, 0, 0, 0]
      rest[octet >>> 2] = (1 << (8 * (octet & 3))) >>> 0
      keys.push(layOut({ kind: TCP6, a: 0, b: 0, rest }))
    }
    expect(new Set(hashesOf(keys, hash)).size).toBe(25)
  })

  test('is keyed anew for each instance', () => {
    const key = layOut({ a: 1, b: 2 })
    const hashes = Array.from({ length: 8 }, () => hashesOf([key], new FlowHash())[0])
    expect(new Set(hashes).size).toBeGreaterThan(1)
  })
})
