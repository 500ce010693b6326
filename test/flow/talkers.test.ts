import { describe, expect, test } from 'vitest'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { Talkers } from '../../src/flow/talkers.js'
import { formatWords } from '../../src/wire/address.js'
import { Random } from '../support/random.js'
import { type FlowName, frameOf, randomFlowName } from './flow-frames.js'

const T = 1_700_000_000

function trackerOf(capacity: number): FlowTracker {
  return new FlowTracker({ capacity, sessions: 4, lifetime: LIFETIMES.nfw })
}

/** A whole look, a few connections at a time. */
function look(talkers: Talkers, count = 1000) {
  while (talkers.step(7));
  return talkers.top(count)
}

/** What packets say of each address of each session, one by one. */
class Expected {
  readonly #sums = new Map<string, { sentBytes: number; receivedBytes: number }>()

  add({ session, version, source, destination }: FlowName, bytes: number): void {
    this.#of(session, formatWords(version, source)).sentBytes += bytes
    this.#of(session, formatWords(version, destination)).receivedBytes += bytes
  }

  get rows(): unknown[] {
    return [...this.#sums].map(([name, sums]) => ({ name, ...sums })).sort(byName)
  }

  #of(session: number, address: string) {
    const name = `${session} ${address}`
    const sums = this.#sums.get(name) ?? { sentBytes: 0, receivedBytes: 0 }
    this.#sums.set(name, sums)
    return sums
  }
}

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)

describe('Talkers', () => {
  test.each([1, 2, 3])(
    'sums up what every address sent and received since the last look, seed %i',
    (seed) => {
      const random = new Random(seed)
      const tracker = trackerOf(4096)
      const talkers = new Talkers(tracker)
      for (let round = 0; round < 5; round++) {
        const expected = new Expected()
        for (let packet = 0; packet < 200; packet++) {
          const name = randomFlowName(random)
          const bytes = 20 + random.below(1400)
          tracker.track(frameOf(name, 0, bytes), name.session, T + round, packet)
          expected.add(name, bytes)
        }
        const { talkers: found, addresses } = look(talkers)
        // There is nothing to compare the first look with.
        if (round === 0) {
          expect(found).toEqual([])
          continue
        }
        const rows = found.map(({ session, address, sentBytes, receivedBytes }) => ({
          name: `${session} ${address}`,
          sentBytes,
          receivedBytes,
        }))
        expect(rows.sort(byName)).toEqual(expected.rows)
        expect(addresses).toBe(rows.length)
      }
      expect(look(talkers)).toEqual({ talkers: [], addresses: 0 })
    },
  )

  test('has the heaviest first, and counts a connection anew whose place another has taken', () => {
    const tracker = trackerOf(1)
    const talkers = new Talkers(tracker)
    const nameOf = (source: number): FlowName => ({
      session: 1,
      version: 4,
      protocol: 17,
      source: [source, 0, 0, 0],
      destination: [0x0a00_0002, 0, 0, 0],
      sourcePort: 1,
      destinationPort: 53,
    })
    tracker.track(frameOf(nameOf(0x0a00_0001), 0, 500), 1, T, 0)
    expect(look(talkers).talkers).toEqual([])
    // The table has room for one: the connection before is put out.
    tracker.track(frameOf(nameOf(0x0a00_0003), 0, 600), 1, T + 1, 0)
    tracker.track(frameOf(nameOf(0x0a00_0003), 0, 600), 1, T + 1, 1)
    expect(look(talkers, 1)).toEqual({
      talkers: [
        { session: 1, address: '10.0.0.2', sentBytes: 0, receivedBytes: 1200, connections: 1 },
      ],
      addresses: 2,
    })
  })
})
