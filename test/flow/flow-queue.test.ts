import { describe, expect, test } from 'vitest'
import { FlowHash } from '../../src/flow/flow-hash.js'
import { rowsOf } from '../../src/flow/flow-row.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, type Frame } from '../../src/wire/frame.js'
import { Random } from '../support/random.js'
import { frameOf } from './flow-frames.js'
import { traffic } from './traffic.js'

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]

/** Everything that a tracker hands over, in order. */
function runOf(capacity: number, hash: FlowHash) {
  const told: string[] = []
  const tracker = new FlowTracker({
    capacity,
    sessions: 8,
    sessionQuota: Math.ceil(capacity * 0.8),
    windowSeconds: 60,
    lifetime: LIFETIMES.nfw,
    hash,
    onRecord: (record) => told.push(JSON.stringify(record)),
    onWindow: (start, end) => told.push(`window ${start} ${end}`),
    onEnd: (flow, reason) =>
      told.push(`${reason} ${JSON.stringify(rowsOf(tracker, flow))} ${tracker.now}`),
  })
  return { told, tracker }
}

describe('FlowQueue', () => {
  test.each(SEEDS.flatMap((seed) => [40, 4096].map((capacity) => [seed, capacity] as const)))(
    'counts what is queued as if it had not been (seed %i, room for %i)',
    (seed, capacity) => {
      const random = new Random(seed)
      // Which fragments must make room for others depends on it.
      const hash = new FlowHash()
      const atOnce = runOf(capacity, hash)
      const queued = runOf(capacity, hash)
      const packets = traffic(random, {
        packets: 3000,
        connections: 200,
        sessions: 8,
        disorderMs: 1500,
        silences: [1, 5, 61, 351],
      })
      for (const packet of packets) {
        const { name, seconds, nanoseconds, tcpFlags, ipLength } = packet
        const timed = random.below(20) !== 0
        const fragment = random.pick([FRAGMENT_NONE, FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER])
        const fragmentId = random.below(3)
        const frame = (): Frame =>
          Object.assign(frameOf(name, tcpFlags, ipLength, undefined, packet), {
            fragment,
            fragmentId,
            ...(fragment === FRAGMENT_LATER && { srcPort: 0, dstPort: 0 }),
          })
        atOnce.tracker.track(frame(), name.session, seconds, nanoseconds, timed)
        queued.tracker.enqueue(frame(), name.session, seconds, nanoseconds, timed)
        if (random.below(40) === 0) {
          const later = seconds - 1 + random.below(3)
          for (const { tracker } of [atOnce, queued]) {
            tracker.advance(later)
            tracker.work(500)
          }
        }
        if (random.below(500) === 0) {
          for (const { tracker } of [atOnce, queued]) tracker.endSession(1, 'session-deleted')
        }
      }
      for (const { tracker } of [atOnce, queued]) tracker.shutdown()
      expect(queued.told.length).toBeGreaterThan(1000)
      expect(queued.told).toEqual(atOnce.told)
      expect(queued.tracker.ended).toEqual(atOnce.tracker.ended)
      expect(queued.tracker.evictedAt).toBe(atOnce.tracker.evictedAt)
    },
  )

  test('keeps a packet until it is asked for, or until there are enough of them', () => {
    const { tracker } = runOf(100, new FlowHash())
    const [packet] = traffic(new Random(1), {
      packets: 1,
      connections: 1,
      sessions: 1,
      silences: [],
    })
    const frame = frameOf(packet!.name)
    tracker.enqueue(frame, 0, packet!.seconds, 0, true)
    expect(tracker.table.count).toBe(0)
    tracker.countQueued()
    expect(tracker.table.count).toBe(1)
    for (let port = 1; port <= 64; port++) {
      tracker.enqueue({ ...frame, srcPort: port } as Frame, 0, packet!.seconds, 0, true)
    }
    expect(tracker.table.count).toBeGreaterThan(32)
  })
})
