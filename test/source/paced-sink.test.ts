import { describe, expect, test } from 'vitest'
import { type Clock, Pace, type Speed } from '../../src/source/pace.js'
import { PacedSink } from '../../src/source/paced-sink.js'
import type { PacketSink } from '../../src/source/packet-source.js'
import { EGRESS } from '../../src/wire/frame.js'
import { Packet } from '../../src/wire/packet.js'
import { Random } from '../support/random.js'

interface Step {
  at: number
  what: string
}

/** A clock that is where it sleeps to, and what happened when. */
function rigOf(speed: Speed = { kind: 'original', factor: 1 }, goesOn = true) {
  const stop = new AbortController()
  const steps: Step[] = []
  let now = 0
  const clock: Clock = {
    now: () => now,
    sleep: async (ms) => {
      await undefined
      now += ms
    },
    turn: async () => undefined,
    stopped: () => stop.signal.aborted,
  }
  const log = (what: string): void => void steps.push({ at: now, what })
  const next: PacketSink = {
    take({ bytes, start, end, seconds, originalLength, linkType }, direction) {
      const octets = Buffer.from(bytes.subarray(start, end)).toString('hex')
      log([octets, seconds, originalLength, linkType, direction].join(' '))
    },
    drain: async () => {
      log('drain')
      return goesOn
    },
    restart: () => log('restart'),
  }
  return { sink: new PacedSink(next, new Pace(speed, clock), stop.signal), steps, stop }
}

function packetOf(octets: Buffer, of: Partial<Packet> = {}): Packet {
  const bytes = Buffer.concat([Buffer.of(0xee), octets, Buffer.of(0xee)])
  const length = { start: 1, end: 1 + octets.length, originalLength: octets.length }
  return Object.assign(new Packet(), { bytes, ...length, ...of })
}

describe('PacedSink', () => {
  test('hands each packet on when it is due, and has those before leave first', async () => {
    const { sink, steps } = rigOf()
    const packets: [Packet, typeof EGRESS | undefined][] = [
      [packetOf(Buffer.of(1), { seconds: 10 }), undefined],
      [packetOf(Buffer.of(2), { seconds: 10, linkType: 101, originalLength: 99 }), EGRESS],
      [packetOf(Buffer.of(3, 4), { seconds: 12 }), undefined],
    ]
    for (const [packet, direction] of packets) {
      sink.take(packet, direction)
      // The reader overwrites its memory.
      packet.bytes.fill(0xdd)
    }
    expect(steps).toEqual([])
    expect(await sink.drain()).toBe(true)
    expect(steps).toEqual([
      { at: 0, what: '01 10 1 1 ' },
      { at: 0, what: `02 10 99 101 ${EGRESS}` },
      { at: 0, what: 'drain' },
      { at: 2000, what: '0304 12 2 1 ' },
      { at: 2000, what: 'drain' },
    ])
    sink.restart()
    expect(steps.at(-1)).toEqual({ at: 2000, what: 'restart' })
  })

  test('hands on every packet once, whatever their number and length (seed 1)', async () => {
    const random = new Random(1)
    const { sink, steps } = rigOf({ kind: 'rate', packetsPerSecond: 1000 })
    const expected: string[] = []
    for (let block = 0; block < 5; block++) {
      for (let count = random.below(400); count > 0; count--) {
        const octets = Buffer.from(random.bytes(random.below(9000)))
        sink.take(packetOf(octets))
        expected.push(octets.toString('hex'))
      }
      expect(await sink.drain()).toBe(true)
    }
    const taken = steps.filter(({ what }) => what !== 'drain')
    expect(taken.map(({ what }) => what.split(' ')[0])).toEqual(expected)
  })

  test('hands on nothing more when all is to stop', async () => {
    const { sink, steps, stop } = rigOf()
    for (const seconds of [0, 0, 5]) sink.take(packetOf(Buffer.of(1), { seconds }))
    const draining = sink.drain()
    stop.abort()
    expect(await draining).toBe(false)
    expect(await sink.drain()).toBe(false)
    expect(steps.filter(({ what }) => what.startsWith('01')).length).toBeLessThan(3)
  })

  test('says so when those behind it are to stop', async () => {
    expect(await rigOf(undefined, false).sink.drain()).toBe(false)
  })
})
