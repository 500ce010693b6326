import { LRUCache } from 'lru-cache'
import { describe, expect, test } from 'vitest'
import { HOT_WORDS, LAST_SECONDS_0 } from '../../src/flow/flow-entry.js'
import { FlowHash } from '../../src/flow/flow-hash.js'
import { FlowTable, NO_FLOW } from '../../src/flow/flow-table.js'
import { Random } from '../support/random.js'
import {
  connectionText,
  directionOf,
  type FlowName,
  flowText,
  frameOf,
  randomFlowName,
  reversed,
  type Words,
} from './flow-frames.js'
import { findFrame, touchFrame } from './frames-in-table.js'

const OCTETS = 39
const TABLE = 256

/** A hash whose tables hold what `word` says. */
function hashOf(word: () => number): FlowHash {
  return new FlowHash(Uint32Array.from({ length: OCTETS * TABLE }, word))
}

/** The ways keys can fall, from scattered to all upon each other. */
const HASHES: Record<string, (random: Random) => FlowHash> = {
  'a random hash': (random) => hashOf(() => random.next()),
  'four hashes for all keys': (random) => hashOf(() => random.below(4)),
  'one hash for all keys': () => hashOf(() => 0),
  'one hash, at the end of the slots, for all keys': () => hashOf(() => 0xffff_ffff),
  'hashes around the end of the slots': (random) => hashOf(() => -2 + random.below(4)),
}

const CASES = Object.keys(HASHES).flatMap((hash) =>
  [1, 2, 7, 16, 33].map((capacity) => ({ hash, capacity, seed: 20 + capacity })),
)

describe('FlowTable', () => {
  test.each(CASES)(
    'does what a Map does: $hash, capacity $capacity, seed $seed',
    ({ hash, capacity, seed }) => {
      const random = new Random(seed)
      const keyed = HASHES[hash]!(random)
      const table = new FlowTable(capacity)
      const names = Array.from({ length: 3 * capacity + 4 }, () => randomFlowName(random))
      const model = new Map<string, number>()
      const tags = new Map<number, number>()

      for (let step = 0; step < 1000; step++) {
        const at = random.pick(names)
        const name = random.below(2) === 0 ? at : reversed(at)
        const key = connectionText(name)
        const known = model.get(key)

        // Full phases and empty ones take turns.
        if (random.below(10) < (step % 300 < 200 ? 7 : 3)) {
          const flow = touchFrame(table, frameOf(name), name.session, keyed)
          const isNew = known === undefined
          const isFree = flow >= 0 && flow < capacity && !tags.has(flow)
          const expected = known ?? (model.size < capacity && isFree ? flow : NO_FLOW)
          const { direction, created } = table
          expect({ name, flow, direction, created }).toEqual({
            name,
            flow: expected,
            direction: directionOf(name),
            created: isNew,
          })
          if (isNew && flow !== NO_FLOW) {
            model.set(key, flow)
            tags.set(flow, step)
            table.words[flow * HOT_WORDS + LAST_SECONDS_0] = step
          }
        } else if (model.size > 0) {
          const [goes, flow] = random.pick([...model])
          table.remove(flow)
          model.delete(goes)
          tags.delete(flow)
        }

        if (step % 10 === 0) expectSame(table, keyed, names, model, tags)
      }
      expectSame(table, keyed, names, model, tags)
    },
  )

  test.each(CASES)(
    'gives an evicted entry to the next, as lru-cache does: $hash, capacity $capacity, seed $seed',
    ({ hash, capacity, seed }) => {
      const random = new Random(seed)
      const keyed = HASHES[hash]!(random)
      const table = new FlowTable(capacity)
      const model = new LRUCache<string, number>({
        max: capacity,
        dispose: (flow) => table.remove(flow),
      })
      for (let step = 0; step < 1500; step++) {
        const name = randomFlowName(random)
        const key = connectionText(name)
        const frame = frameOf(name)
        const known = model.get(key)
        const found = findFrame(table, frame, name.session, keyed)
        if (found !== (known ?? NO_FLOW)) expect(found, flowText(name)).toBe(known ?? NO_FLOW)
        if (known !== undefined) continue
        if (model.size === capacity) model.pop()
        model.set(key, touchFrame(table, frame, name.session, keyed))
      }
      expect(table.count).toBe(model.size)
      expect([...model.values()].every((flow) => table.isLive(flow))).toBe(true)
    },
  )

  const BASE: FlowName = {
    session: 1,
    version: 6,
    protocol: 6,
    source: [1, 2, 3, 4],
    destination: [5, 6, 7, 8],
    sourcePort: 1000,
    destinationPort: 2000,
  }
  const V4: FlowName = {
    ...BASE,
    version: 4,
    source: [1, 0, 0, 0],
    destination: [5, 0, 0, 0],
  }
  const words = (from: Words, at: number): Words => {
    const changed = [...from]
    changed[at] = 9
    return changed as unknown as Words
  }

  test.each([
    { what: 'session', left: BASE, right: { ...BASE, session: 2 } },
    { what: 'session beyond 16 bits', left: BASE, right: { ...BASE, session: 0x1_0001 } },
    { what: 'protocol', left: BASE, right: { ...BASE, protocol: 17 } },
    { what: 'source port', left: BASE, right: { ...BASE, sourcePort: 1001 } },
    { what: 'destination port', left: BASE, right: { ...BASE, destinationPort: 2001 } },
    {
      what: 'ports exchanged',
      left: BASE,
      right: { ...BASE, sourcePort: 2000, destinationPort: 1000 },
    },
    ...[0, 1, 2, 3].flatMap((at) => [
      { what: `word ${at} of A`, left: BASE, right: { ...BASE, source: words(BASE.source, at) } },
      {
        what: `word ${at} of B`,
        left: BASE,
        right: { ...BASE, destination: words(BASE.destination, at) },
      },
    ]),
    { what: 'IPv4 source', left: V4, right: { ...V4, source: [2, 0, 0, 0] as Words } },
    { what: 'IPv4 destination', left: V4, right: { ...V4, destination: [6, 0, 0, 0] as Words } },
    { what: 'IP version, all words the same', left: V4, right: { ...V4, version: 6 as const } },
  ])('tells apart flows whose hashes collide and that differ in: $what', ({ left, right }) => {
    const table = new FlowTable(4)
    const one = hashOf(() => 0)
    const first = touchFrame(table, frameOf(left), left.session, one)
    expect(findFrame(table, frameOf(right), right.session, one)).toBe(NO_FLOW)
    const second = touchFrame(table, frameOf(right), right.session, one)
    expect(second).not.toBe(first)
    expect(findFrame(table, frameOf(left), left.session, one)).toBe(first)
    expect(findFrame(table, frameOf(reversed(right)), right.session, one)).toBe(second)
  })

  test('leaves no words of an IPv6 address in an entry that IPv4 takes over', () => {
    const table = new FlowTable(1)
    table.remove(touchFrame(table, frameOf(BASE), 1))
    const flow = touchFrame(table, frameOf(V4), 1)
    const entry = table.words.subarray(flow * HOT_WORDS, (flow + 1) * HOT_WORDS)
    expect([...entry.subarray(4, 12)]).toEqual([1, 5, 0, 0, 0, 0, 0, 0])
  })

  test('finds all of 100,000 flows while its slots become more, and what is left of them', () => {
    const random = new Random(30)
    const hash = hashOf(() => random.next())
    const table = new FlowTable(100_000)
    const nameOf = (host: number): FlowName => ({ ...V4, source: [host, 0, 0, 0] })
    const isHeldAt = (host: number): boolean =>
      findFrame(table, frameOf(nameOf(host)), 1, hash) === host
    const isGone = (host: number): boolean =>
      findFrame(table, frameOf(nameOf(host)), 1, hash) === NO_FLOW
    const hosts = Array.from({ length: 100_000 }, (_, host) => host)
    for (const host of hosts) touchFrame(table, frameOf(nameOf(host)), 1, hash)
    expect(hosts.filter((host) => !isHeldAt(host))).toEqual([])
    for (const host of hosts) if (host % 3 > 0) table.remove(host)
    expect(hosts.filter((host) => !(host % 3 > 0 ? isGone(host) : isHeldAt(host)))).toEqual([])
  })

  test('finds nothing and takes nothing with a capacity of 0', () => {
    const table = new FlowTable(0)
    expect(findFrame(table, frameOf(V4), 0)).toBe(NO_FLOW)
    expect(touchFrame(table, frameOf(V4), 0)).toBe(NO_FLOW)
    expect(table.count).toBe(0)
  })
})

/** Every name is found where the model has it, or not at all; live entries and the tags in them agree. */
function expectSame(
  table: FlowTable,
  hash: FlowHash,
  names: readonly FlowName[],
  model: ReadonlyMap<string, number>,
  tags: ReadonlyMap<number, number>,
): void {
  const wrong: string[] = []
  for (const name of names) {
    const expected = model.get(connectionText(name)) ?? NO_FLOW
    for (const side of [name, reversed(name)]) {
      const found = findFrame(table, frameOf(side), side.session, hash)
      if (found !== expected) wrong.push(`${flowText(side)}: ${found} for ${expected}`)
    }
  }
  for (let flow = 0; flow < table.used; flow++) {
    const tag = table.isLive(flow) ? table.words[flow * HOT_WORDS + LAST_SECONDS_0] : undefined
    if (tag !== tags.get(flow)) wrong.push(`entry ${flow}: ${tag} for ${tags.get(flow)}`)
  }
  if (table.count !== model.size) wrong.push(`${table.count} entries for ${model.size}`)
  expect(wrong).toEqual([])
}
