import { describe, expect, test } from 'vitest'
import {
  HOT_WORDS,
  LAST_NANOSECONDS_0,
  LAST_NANOSECONDS_1,
  LAST_SECONDS_0,
  LAST_SECONDS_1,
  PACKETS_0,
  PACKETS_1,
} from '../../src/flow/flow-entry.js'
import { FlowTable } from '../../src/flow/flow-table.js'
import {
  isWorthLess,
  lastNanoseconds,
  lastSeconds,
  leastValuable,
  SAMPLE,
} from '../../src/flow/pressure.js'
import { SessionFlows } from '../../src/flow/session-flows.js'
import { type FlowName, frameOf } from './flow-frames.js'
import { touchFrame } from './frames-in-table.js'

/** Packets and the time of the latest, of each direction. */
interface Half {
  packets: number
  seconds?: number
  nanoseconds?: number
}

class Filled {
  readonly table: FlowTable
  readonly sessions: SessionFlows
  #host = 0

  constructor(capacity: number) {
    this.table = new FlowTable(capacity)
    this.sessions = new SessionFlows(this.table, 4)
  }

  add(there: Half, back: Half = { packets: 0 }, session = 0): number {
    const name: FlowName = {
      session,
      version: 4,
      protocol: 17,
      source: [1, 0, 0, 0],
      destination: [++this.#host + 1, 0, 0, 0],
      sourcePort: 0,
      destinationPort: 0,
    }
    const flow = touchFrame(this.table, frameOf(name), session)
    this.sessions.add(flow, session)
    const { words, counts } = this.table
    const at = flow * HOT_WORDS
    // What a direction without packets holds is of the flow before.
    words.fill(0xffff_fff0, at + LAST_SECONDS_0, at + LAST_SECONDS_0 + 4)
    counts[at / 2 + PACKETS_0] = there.packets
    counts[at / 2 + PACKETS_1] = back.packets
    if (there.packets > 0) {
      words[at + LAST_SECONDS_0] = there.seconds ?? 0
      words[at + LAST_NANOSECONDS_0] = there.nanoseconds ?? 0
    }
    if (back.packets > 0) {
      words[at + LAST_SECONDS_1] = back.seconds ?? 0
      words[at + LAST_NANOSECONDS_1] = back.nanoseconds ?? 0
    }
    return flow
  }
}

describe('isWorthLess', () => {
  test.each<{ what: string; less: [Half, Half?]; more: [Half, Half?] }>([
    {
      what: 'a single packet, however new',
      less: [{ packets: 1, seconds: 99 }],
      more: [{ packets: 2, seconds: 1 }],
    },
    {
      what: 'a single packet of the other direction',
      less: [{ packets: 0 }, { packets: 1, seconds: 99 }],
      more: [
        { packets: 1, seconds: 1 },
        { packets: 1, seconds: 1 },
      ],
    },
    {
      what: 'the longer idle of two single packets',
      less: [{ packets: 1, seconds: 1 }],
      more: [{ packets: 1, seconds: 2 }],
    },
    {
      what: 'the longer idle by either direction',
      less: [
        { packets: 5, seconds: 8 },
        { packets: 5, seconds: 1 },
      ],
      more: [
        { packets: 5, seconds: 1 },
        { packets: 5, seconds: 9 },
      ],
    },
    {
      what: 'the longer idle by nanoseconds',
      less: [{ packets: 5, seconds: 8, nanoseconds: 5 }],
      more: [{ packets: 5, seconds: 8, nanoseconds: 6 }],
    },
    {
      what: 'nanoseconds of the latest second only',
      less: [
        { packets: 5, seconds: 8, nanoseconds: 5 },
        { packets: 1, seconds: 7, nanoseconds: 900 },
      ],
      more: [{ packets: 5, seconds: 8, nanoseconds: 6 }],
    },
    {
      what: 'nanoseconds of both directions in one second',
      less: [
        { packets: 5, seconds: 8, nanoseconds: 5 },
        { packets: 1, seconds: 8, nanoseconds: 6 },
      ],
      more: [
        { packets: 5, seconds: 8, nanoseconds: 7 },
        { packets: 1, seconds: 8, nanoseconds: 1 },
      ],
    },
  ])('$what', ({ less, more }) => {
    const filled = new Filled(2)
    const left = filled.add(...less)
    const right = filled.add(...more)
    expect(isWorthLess(filled.table, left, right)).toBe(true)
    expect(isWorthLess(filled.table, right, left)).toBe(false)
  })

  test('finds neither of two equal flows worth less', () => {
    const filled = new Filled(2)
    const [left, right] = [
      filled.add({ packets: 3, seconds: 3 }),
      filled.add({ packets: 9, seconds: 3 }),
    ]
    expect(isWorthLess(filled.table, left!, right!)).toBe(false)
    expect(isWorthLess(filled.table, right!, left!)).toBe(false)
  })
})

describe('lastSeconds and lastNanoseconds', () => {
  test.each<{ halves: [Half, Half]; expected: [number, number] }>([
    { halves: [{ packets: 1, seconds: 5, nanoseconds: 6 }, { packets: 0 }], expected: [5, 6] },
    { halves: [{ packets: 0 }, { packets: 1, seconds: 5, nanoseconds: 6 }], expected: [5, 6] },
    {
      halves: [
        { packets: 1, seconds: 5, nanoseconds: 6 },
        { packets: 1, seconds: 4, nanoseconds: 9 },
      ],
      expected: [5, 6],
    },
    {
      halves: [
        { packets: 1, seconds: 5, nanoseconds: 6 },
        { packets: 1, seconds: 5, nanoseconds: 9 },
      ],
      expected: [5, 9],
    },
    { halves: [{ packets: 0 }, { packets: 0 }], expected: [0, 0] },
  ])('of $halves are $expected', ({ halves, expected }) => {
    const filled = new Filled(1)
    const flow = filled.add(...halves)
    const seconds = lastSeconds(filled.table, flow)
    expect([seconds, lastNanoseconds(filled.table, flow, seconds)]).toEqual(expected)
  })
})

describe('leastValuable', () => {
  const old = { packets: 9, seconds: 1 }
  const young = { packets: 9, seconds: 2 }

  test('is the least of a small table, wherever the hand stands', () => {
    for (let hand = 0; hand < 12; hand++) {
      const filled = new Filled(8)
      for (let flow = 0; flow < 8; flow++) filled.add(flow === 5 ? old : young)
      expect(leastValuable(filled.table, filled.sessions, hand)).toBe(5)
    }
  })

  test('looks at a sample from the hand on, round the end of the table', () => {
    const filled = new Filled(100)
    for (let flow = 0; flow < 100; flow++) filled.add(flow % 50 === 3 ? old : young)
    // 90 to 99, then 0 to 21.
    expect(leastValuable(filled.table, filled.sessions, 90)).toBe(3)
    expect(leastValuable(filled.table, filled.sessions, 53 - SAMPLE + 1)).toBe(53)
    expect(leastValuable(filled.table, filled.sessions, 53 - SAMPLE)).not.toBe(53)
  })

  test('passes over free entries, however many', () => {
    const filled = new Filled(200)
    for (let flow = 0; flow < 200; flow++) filled.add(young)
    for (let flow = 0; flow < 199; flow++) {
      filled.sessions.remove(flow, 0)
      filled.table.remove(flow)
    }
    expect(leastValuable(filled.table, filled.sessions, 0)).toBe(199)
  })

  test('takes from a session that holds more than its share, before all else', () => {
    const filled = new Filled(10)
    for (let flow = 0; flow < 3; flow++) filled.add({ packets: 1, seconds: 0 }, undefined, 1)
    for (let flow = 0; flow < 7; flow++) filled.add(flow === 4 ? old : young, undefined, 2)
    expect(leastValuable(filled.table, filled.sessions, 0)).toBe(7)
    expect(leastValuable(filled.table, filled.sessions, 5)).toBe(7)
  })
})
