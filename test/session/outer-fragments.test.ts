import { describe, expect, test, vi } from 'vitest'
import { formatAddress } from '../../src/wire/address.js'
import {
  ethernet,
  fragments4,
  fragments6,
  geneve,
  gwlbGeneve,
  udp4,
  udp6,
  vxlan,
} from '../support/frames.js'
import { Random } from '../support/random.js'
import { datagramOf, packetOf } from './datagrams.js'
import { DemuxRun } from './demux-run.js'

const T = 1_700_000_000
const [SOURCE, TARGET] = ['10.0.0.1', '10.0.0.99']

/** A frame to be mirrored, unlike any other. */
function frameOf(mark: number, length = 1400): Buffer {
  const payload = Buffer.alloc(length, mark)
  payload.writeUInt32BE(mark)
  return ethernet(udp4({ src: '10.9.0.1', dst: '10.9.0.2', sport: 1, dport: 2, payload }))
}

/** What a datagram from source to target becomes on a path of that MTU: Ethernet frames. */
function sent(payload: Buffer, id: number, mtu = 800, dport = 4789, sport = 50_000): Buffer[] {
  const packet = udp4({ src: SOURCE, dst: TARGET, sport, dport, payload })
  packet.writeUInt16BE(id, 4)
  return fragments4(packet, mtu).map((fragment) => ethernet(fragment))
}

function sent6(payload: Buffer, id: number, mtu = 800): Buffer[] {
  const packet = udp6({ src: '2001:db8::a', dst: '2001:db8::b', sport: 1, dport: 4789, payload })
  return fragments6(packet, mtu, id).map((fragment) => ethernet(fragment))
}

interface Shot {
  frame: Buffer
  at?: number
  lost?: number
}

function runOf(shots: readonly (Shot | Buffer)[], options = {}): DemuxRun {
  const run = new DemuxRun(options)
  for (const shot of shots) {
    const { frame, at = 0, lost = 0 } = Buffer.isBuffer(shot) ? { frame: shot } : shot
    run.demux.acceptPacket(Object.assign(packetOf(frame, 1, lost), { seconds: T + at }))
  }
  run.demux.end()
  expect(run.wrongSums()).toEqual([])
  return run
}

const seen = (run: DemuxRun) => run.delivered.map(({ session, frame }) => [session, frame])

function permutations<T>(of: readonly T[]): T[][] {
  if (of.length < 2) return [[...of]]
  return of.flatMap((first, index) =>
    permutations(of.filter((_, other) => other !== index)).map((rest) => [first, ...rest]),
  )
}

const FRAME = frameOf(1)
const MIRROR = 'vni-7_10.0.0.1'

describe('a mirrored datagram in fragments, in a capture file', () => {
  test('is put together whatever order its parts come in, with the time of the last', () => {
    for (const [parts, session] of [
      [sent(vxlan(7, FRAME), 5, 500), MIRROR],
      [sent6(vxlan(7, FRAME), 5, 500), 'vni-7_2001:db8::a'],
      [sent(geneve(FRAME, { protocol: 0x6558, vni: 7 }), 5, 500, 6081), MIRROR],
    ] as const) {
      expect(parts.length).toBeGreaterThan(2)
      for (const order of permutations(parts)) {
        const run = runOf(order.map((frame, at) => ({ frame, at })))
        expect(run.delivered).toEqual([
          {
            session,
            frame: FRAME,
            originalLength: FRAME.length,
            linkType: 1,
            seconds: T + parts.length - 1,
            nanoseconds: 0,
          },
        ])
        expect(run.ledger).toMatchObject({ received: 1, accepted: 1 })
        expect(run.ledger.fragments).toMatchObject({ joined: 1, parts: parts.length, leftover: 0 })
      }
    }
  })

  test('is put together from the smallest parts there are, and through a Gateway Load Balancer', () => {
    expect(seen(runOf(sent(vxlan(7, FRAME), 5, 28)))).toEqual([[MIRROR, FRAME]])
    const gwlb = { source: SOURCE, target: TARGET, balancer: '10.0.1.1', appliance: '10.0.1.2' }
    const packet = gwlbGeneve({ ...gwlb, vni: 7, frame: FRAME }).subarray(14)
    const parts = fragments4(packet, 900).map((fragment) => ethernet(fragment))
    expect(seen(runOf(parts))).toEqual([[MIRROR, FRAME]])
  })

  test.each([1, 2, 3, 4, 5, 6])(
    'reads as a receiver has it, amid other packets, seed %i',
    (seed) => {
      const random = new Random(seed)
      const live = new DemuxRun()
      const unmirrored = new Set<Buffer>()
      const plain: Buffer[] = []
      const mirrored: Buffer[] = []
      const pending: Buffer[] = []
      for (let id = 0; id < 300; id++) {
        const frame = frameOf(id, 4 + random.below(3000))
        const kind = random.below(4)
        const mtu = random.pick([100, 576, 1500])
        const parts =
          kind === 0
            ? [ethernet(udp4({ src: SOURCE, dst: TARGET, sport: id, dport: 9 }))]
            : kind === 1
              ? sent(frame, id, mtu, 2049)
              : kind === 2
                ? sent(vxlan(7, frame), id, mtu)
                : sent6(vxlan(7, frame), id, mtu)
        pending.push(...parts)
        if (kind < 2) for (const part of parts) unmirrored.add(part)
        if (kind === 2) live.demux.acceptVxlan(datagramOf(vxlan(7, frame)))
        if (kind === 3)
          live.demux.acceptVxlan(datagramOf(vxlan(7, frame), { source: '2001:db8::a' }))
      }
      // Every part goes astray by up to so many places.
      const reach = random.pick([1, 20, 2000])
      const order = pending
        .map((frame, index) => ({ frame, key: index + random.below(reach) }))
        .sort((left, right) => left.key - right.key)
        .map(({ frame }) => frame)
      const run = runOf(order)
      for (const { session, frame } of run.delivered)
        (session === null ? plain : mirrored).push(frame)
      const byBytes = (left: Buffer, right: Buffer) => left.compare(right)
      expect(run.ledger.fragments).toMatchObject({ leftover: 0, unclaimed: 0, repeated: 0 })
      expect(mirrored.length).toBe(live.delivered.length)
      expect(mirrored.sort(byBytes)).toEqual(live.delivered.map(({ frame }) => frame).sort(byBytes))
      // What was not mirrored comes out as it lay in the file.
      expect(plain).toEqual(order.filter((frame) => unmirrored.has(frame)))
      expect(run.ledger.fragments).toMatchObject({ leftover: 0, unclaimed: 0, repeated: 0 })
      expect(run.ledger.received).toBe(run.delivered.length)
    },
  )

  test.each([0, 1, 2])('is left out and counted where part %i is missing', (missing) => {
    const parts = sent(vxlan(7, FRAME), 5, 500).slice(0, 3)
    const whole = sent(vxlan(7, frameOf(2)), 6, 500)
    const rest = parts.filter((_, index) => index !== missing)
    const run = runOf([...rest, ...whole])
    if (missing === 0) {
      // Nobody knows what these are.
      expect(seen(run)).toEqual([...rest.map((frame) => [null, frame]), [MIRROR, frameOf(2)]])
      expect(run.ledger.fragments).toMatchObject({ joined: 1, leftover: 0, unclaimed: 2 })
    } else {
      expect(seen(run)).toEqual([[MIRROR, frameOf(2)]])
      expect(run.ledger.fragments).toMatchObject({ joined: 1, leftover: 2, unclaimed: 0 })
      expect(run.ledger.received).toBe(1)
    }
  })

  test('waits 30 seconds for its parts, 60 with IPv6, as Linux does', () => {
    for (const [parts, limit] of [
      [sent(vxlan(7, FRAME), 5), 30],
      [sent6(vxlan(7, FRAME), 5), 60],
    ] as const) {
      for (const order of permutations(parts)) {
        const at = (later: number): Shot[] => [
          { frame: order[0]! },
          { frame: order[1]!, at: later },
        ]
        expect(runOf(at(limit)).ledger.fragments.joined).toBe(1)
        expect(runOf(at(limit + 1)).ledger.fragments).toMatchObject({ joined: 0 })
      }
    }
  })

  test('may have the identification of an earlier one', () => {
    const shots = Array.from({ length: 10 }, (_, index) =>
      sent(vxlan(7, frameOf(index)), 5).map((frame) => ({ frame, at: index * 20 })),
    )
    for (const order of [shots, shots.map((parts) => parts.toReversed())]) {
      expect(seen(runOf(order.flat()))).toEqual(shots.map((_, index) => [MIRROR, frameOf(index)]))
    }
  })

  test('ignores a part that comes again, and refuses the whole where parts overlap', () => {
    const [first, second, third, fourth] = sent(vxlan(7, FRAME), 5, 500) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ]
    const again = runOf([first, first, second, third, second, fourth])
    expect(seen(again)).toEqual([[MIRROR, FRAME]])
    expect(again.ledger.fragments).toMatchObject({ joined: 1, repeated: 2, parts: 4 })

    // The same bytes, from eight earlier on.
    const shifted = Buffer.from(second)
    shifted.writeUInt16BE(second.readUInt16BE(14 + 6) - 1, 14 + 6)
    for (const order of permutations([first, shifted, second])) {
      const run = runOf([...order, third, fourth])
      if (order[0] === first && order[1] === second) {
        // It lies within what is there.
        expect(run.ledger.fragments).toMatchObject({ joined: 1, repeated: 1 })
        continue
      }
      expect(run.delivered.filter(({ session }) => session !== null)).toEqual([])
      expect(run.ledger.fragments).toMatchObject({ joined: 0, overlapping: 1, leftover: 5 })
    }
  })

  test('is cut where the file has cut its parts, and no shorter on the wire', () => {
    const parts = sent(vxlan(7, FRAME), 5, 500)
    const run = runOf(parts.map((frame) => ({ frame, lost: Math.max(0, frame.length - 128) })))
    const captured = 128 - 14 - 20 - 8 - 8
    expect(run.delivered).toMatchObject([
      { session: MIRROR, frame: FRAME.subarray(0, captured), originalLength: FRAME.length },
    ])
    const [session] = run.sessions.values()
    expect(session!.counters.cut.report()).toMatchObject({ byCause: { snaplen: 1 } })
  })

  test('stays in its fragments where it is no tunnel, or where none is to be taken off', () => {
    const answer = Buffer.alloc(1400, 0x6d)
    answer.writeUInt32BE(0x0812_8180)
    const parts = sent(answer, 5, 576, 4789, 53)
    for (const order of permutations(parts)) {
      const run = runOf(order)
      expect(seen(run)).toEqual(order.map((frame) => [null, frame]))
      expect(run.ledger).toMatchObject({ inDoubt: 1, received: parts.length })
    }
    const mirror = sent(vxlan(7, FRAME), 5, 500)
    expect(seen(runOf(mirror, { decap: 'none' }))).toEqual(mirror.map((frame) => [null, frame]))
  })

  test('costs bounded memory and time, whatever comes', () => {
    const run = new DemuxRun()
    const accept = (frame: Buffer) => run.demux.acceptPacket(packetOf(frame))
    const parts = sent(vxlan(7, frameOf(0, 40_000)), 0, 1500)
    const count = 1000
    for (let id = 0; id < count; id++) {
      // All but the first, then all but the last.
      const chosen = id < count / 2 ? parts.slice(1) : parts.slice(0, -1)
      for (const frame of chosen) {
        frame.writeUInt16BE(id, 14 + 4)
        accept(frame)
      }
    }
    const { unclaimed, leftover } = run.ledger.fragments
    const held = (count / 2) * (parts.length - 1) - unclaimed
    expect(held * 1514).toBeLessThan(4.1 * 1024 * 1024)
    const kept = (count / 2) * (parts.length - 1) - leftover
    expect(kept * 1480).toBeLessThan(4.1 * 1024 * 1024)
    run.demux.end()
    expect(run.wrongSums()).toEqual([])
    expect(run.ledger.fragments).toMatchObject({
      joined: 0,
      unclaimed: (count / 2) * (parts.length - 1),
      leftover: (count / 2) * (parts.length - 1),
    })
  })
})

test('datagrams whose addresses collide in multiplication under every seed do not collide', () => {
  const set = vi.spyOn(Map.prototype, 'set')
  for (let number = 0; number < 128; number++) {
    const words = new Uint32Array(8).fill(0x2001_0db8)
    for (let bit = 0; bit < 7; bit++) {
      if (((number >>> bit) & 1) === 0) continue
      words[bit]! ^= 0x8000_0000
      words[bit + 1]! ^= bit % 2 === 0 ? 0x8004_0000 : 0x8001_0000
    }
    const of = (first: number) =>
      formatAddress(words[first]!, words[first + 2]!, words[first + 4]!, words[first + 6]!)
    const packet = udp6({
      src: of(0),
      dst: of(1),
      sport: 1,
      dport: 4789,
      payload: Buffer.alloc(1000),
    })
    const [fragment] = fragments6(packet, 800, 7)
    if (number === 0) set.mockClear()
    RUN.demux.acceptPacket(packetOf(ethernet(fragment!)))
  }
  const hashes = set.mock.calls.map(([key]) => key).filter((key) => typeof key === 'number')
  set.mockRestore()
  RUN.demux.end()
  expect(new Set(hashes).size).toBe(128)
})

const RUN = new DemuxRun()
