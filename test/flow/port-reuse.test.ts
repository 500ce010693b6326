import { describe, expect, test } from 'vitest'
import type { FlowTrackerOptions } from '../../src/flow/flow-lives.js'
import { rowsOf } from '../../src/flow/flow-row.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { type FlowName, frameOf, reversed } from './flow-frames.js'

const NAMES: Record<string, FlowName> = {
  IPv4: {
    session: 0,
    version: 4,
    protocol: 6,
    source: [0xc000_0201, 0, 0, 0],
    destination: [0xc633_6402, 0, 0, 0],
    sourcePort: 40_000,
    destinationPort: 443,
  },
  IPv6: {
    session: 0,
    version: 6,
    protocol: 6,
    source: [0x2001_0db8, 0, 0, 1],
    destination: [0x2001_0db8, 0, 0, 2],
    sourcePort: 40_000,
    destinationPort: 443,
  },
}

const FLAGS: Record<string, number> = { F: 0x01, S: 0x02, R: 0x04, P: 0x08, A: 0x10 }

/** Segments by name: `>` from the caller, flags, sequence number, acknowledgment, and bytes of data behind a plus. */
const SEGMENTS: Record<string, string> = {
  // A connection that sends 100 bytes and gets 50.
  syn: '>S 1000',
  synack: '<SA 5000 1001',
  ack: '>A 1001 5001',
  ask: '>PA 1001 5001 +100',
  answer: '<PA 5001 1101 +50',
  fin: '>FA 1101 5051',
  finback: '<FA 5051 1102',
  last: '>A 1102 5052',
  rst: '>R 1101',
  rstback: '<RA 5051 1101',
  refusal: '<RA 0 1001',
  // The next with the same ports, far from it …
  syn2: '>S 900000',
  synack2: '<SA 700000 900001',
  ack2: '>A 900001 700001',
  ask2: '>PA 900001 700001 +100',
  answer2: '<PA 700001 900101 +50',
  refusal2: '<RA 0 900001',
  fin2: '>FA 900101 700051',
  finback2: '<FA 700051 900102',
  // … near it, as its numbers go on, and before it.
  near: '>S 1103',
  nearack: '<SA 5053 1104',
  nearask: '>PA 1104 5054 +100',
  same: '>S 1001',
  before: '>S 999',
  below: '>S 4294000000',
  belowack: '<SA 4293000000 4294000001',
}

interface Told {
  /** Of each connection in the order in which it began: packets of the caller, of the other side, and how it ended. */
  connections: string[]
}

function run(order: string, name: FlowName, shift: number, options: Partial<FlowTrackerOptions>) {
  const connections: { text: string; first: number }[] = []
  const tracker: FlowTracker = new FlowTracker({
    capacity: 100,
    sessions: 1,
    lifetime: LIFETIMES.nfw,
    onEnd: (flow, reason) => {
      const rows = rowsOf(tracker, flow)
      const of = (port: number) => rows.find(({ sourcePort }) => sourcePort === port)?.packets ?? 0
      const first = Math.min(...rows.map((row) => row.firstSeconds * 1e9 + row.firstNanoseconds))
      const text = `${of(name.sourcePort)}+${of(name.destinationPort)} ${reason}`
      connections.push({ text, first })
    },
    ...options,
  })
  let milliseconds = 0
  for (const word of order.split(' ')) {
    if (/^\d+$/.test(word)) {
      milliseconds += Number(word)
      continue
    }
    const [, side, letters, sequence, acknowledgment, data] =
      /^([<>])(\w+) (\d+)(?: (\d+))?(?: \+(\d+))?$/.exec(SEGMENTS[word]!)!
    const flags = [...letters!].reduce((all, letter) => all | FLAGS[letter]!, 0)
    const numbers = {
      sequence: sequence === '0' ? 0 : (Number(sequence) + shift) >>> 0,
      acknowledgment: (Number(acknowledgment ?? 0) + shift) >>> 0,
    }
    const frame = frameOf(
      side === '>' ? name : reversed(name),
      flags,
      40 + Number(data ?? 0),
      undefined,
      numbers,
    )
    milliseconds += 8
    tracker.track(frame, 0, 1000 + Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1e6)
    tracker.work(1000)
  }
  tracker.advance(2000)
  while (tracker.work(1000));
  tracker.shutdown()
  connections.sort((left, right) => left.first - right.first)
  return { connections: connections.map(({ text }) => text) } satisfies Told
}

const CONNECTION = 'syn synack ack ask answer fin finback last'

describe('of two connections with the same ports, each packet is counted with its own', () => {
  const cases: readonly [order: string, ...connections: string[]][] = [
    [CONNECTION, '5+3 closed'],
    // One connection, in another order.
    ['synack ack ask answer fin finback last syn', '5+3 closed'],
    ['syn ack ask answer fin finback last synack', '5+3 closed'],
    ['ack ask answer fin finback last syn synack', '5+3 closed'],
    ['ack ask answer fin finback last synack syn', '5+3 closed'],
    ['ask ack answer fin finback synack syn last', '5+3 closed'],
    ['answer fin finback synack syn last ask ack', '5+3 closed'],
    ['synack ask answer finback fin syn last ack', '5+3 closed'],
    [`${CONNECTION} 5000 syn`, '6+3 closed'],
    ['refusal syn', '1+1 reset'],
    ['syn refusal 500 syn refusal 500 syn refusal', '3+3 reset'],
    ['syn synack ack rst ask', '4+1 reset'],
    ['synack ack rst syn', '3+1 reset'],
    ['synack rstback syn', '1+2 reset'],
    ['ask answer syn', '2+1 idle'],
    // Ports used again.
    [`${CONNECTION} syn2 synack2 ack2`, '5+3 closed', '2+1 idle'],
    [`${CONNECTION} near nearack nearask`, '5+3 closed', '2+1 idle'],
    [`${CONNECTION} same`, '5+3 closed', '1+0 idle'],
    [`${CONNECTION} before`, '5+3 closed', '1+0 idle'],
    ['syn refusal syn2 refusal2', '1+1 reset', '1+1 reset'],
    ['syn2 refusal2 syn refusal syn2', '2+1 reset', '1+1 reset'],
    [`${CONNECTION} syn2 finback2 fin2 syn finback`, '6+4 closed', '2+1 closed'],
    [`${CONNECTION} syn2 finback2 fin2 near`, '5+3 closed', '2+1 closed', '1+0 idle'],
    // The end of the first behind the beginning of the next.
    ['syn synack ask answer fin syn2 finback last synack2 ask2', '4+3 closed', '2+1 idle'],
    ['syn synack ask answer fin near finback last nearack nearask', '4+3 closed', '2+1 idle'],
    ['syn synack ask answer syn2 rst synack2 ask2', '3+2 reset', '2+1 idle'],
    ['syn synack ask answer syn2 rstback synack2 ask2', '2+3 reset', '2+1 idle'],
    ['syn synack ask answer syn2 fin finback synack2 ask2', '3+3 closed', '2+1 idle'],
    ['syn synack ask fin finback syn2 answer ack last', '5+3 closed', '1+0 idle'],
    ['syn ask fin finback syn2 synack synack2 answer answer2', '3+3 closed', '1+2 idle'],
    ['syn ask fin finback syn2 synack2 ask2 fin2 finback2 synack last', '4+2 closed', '3+2 closed'],
    ['ack ask fin finback syn2 syn synack', '4+2 closed', '1+0 idle'],
    ['syn synack ask fin finback below answer last belowack', '4+3 closed', '1+1 idle'],
    ['syn synack ask fin finback near nearack answer ack nearask', '4+3 closed', '2+1 idle'],
    // What comes after the time in which anything is late.
    [`${CONNECTION} syn2 synack2 ask2 15000 answer`, '5+3 closed', '2+2 idle'],
    [`${CONNECTION} 15000 syn`, '5+3 closed', '1+0 idle'],
  ]

  test.each(
    cases.flatMap(([order, ...connections]) =>
      Object.keys(NAMES).map((version) => ({ order, connections, version })),
    ),
  )('$order, $version', ({ order, connections, version }) => {
    const name = NAMES[version]!
    const turned = { ...reversed(name), sourcePort: 40_000, destinationPort: 443 }
    for (const caller of [name, turned]) {
      // The numbers begin again behind 2^32, in the middle of the connection and of the sign.
      for (const shift of [0, -1001, -1050, -5020, 0x8000_0000 - 1050]) {
        expect(run(order, caller, shift, {}).connections, `shift ${shift}`).toEqual(connections)
      }
    }
  })

  test('in a full table the first makes room for the next, and nothing is evicted', () => {
    const { connections } = run(`${CONNECTION} syn2 synack2`, NAMES['IPv4']!, 0, { capacity: 1 })
    expect(connections).toEqual(['5+3 closed', '1+1 idle'])
    const quota = run(`${CONNECTION} syn2 synack2`, NAMES['IPv4']!, 0, { sessionQuota: 1 })
    expect(quota.connections).toEqual(['5+3 closed', '1+1 idle'])
  })

  test('however often the ports are used again, two connections are kept at most', () => {
    const tracker = new FlowTracker({ capacity: 100, sessions: 1, lifetime: LIFETIMES.nfw })
    const frame = (sequence: number, flags: number) =>
      frameOf(NAMES['IPv4']!, flags, 40, undefined, { sequence, acknowledgment: 0 })
    for (let again = 0; again < 50; again++) {
      tracker.track(frame(again * 70_000, 0x02), 0, 1000, 0)
      tracker.track(frame(again * 70_000 + 1, 0x04), 0, 1000, 0)
      expect(tracker.table.count).toBeLessThanOrEqual(2)
    }
    expect(tracker.ended.reset).toBe(48)
    tracker.shutdown()
  })

  test('flows that never time out span all that used their ports', () => {
    const spanning = { lifetime: undefined } as unknown as Partial<FlowTrackerOptions>
    const order = `${CONNECTION} syn2 synack2`
    expect(run(order, NAMES['IPv4']!, 0, spanning).connections).toEqual(['6+4 shutdown'])
  })
})

test('of frames cut before the flags nothing is told: they stay with the connection', () => {
  const tracker = new FlowTracker({ capacity: 100, sessions: 1, lifetime: LIFETIMES.nfw })
  const name = NAMES['IPv4']!
  const close = { sequence: 1, acknowledgment: 1 }
  tracker.track(frameOf(name, 0x11, 40, undefined, close), 0, 1000, 0)
  tracker.track(frameOf(reversed(name), 0x11, 40, undefined, close), 0, 1000, 0)
  const cut = frameOf(name, 0)
  cut.end = cut.transportAt + 8
  tracker.track(cut, 0, 1000, 0)
  expect(tracker.table.count).toBe(1)
  tracker.track(frameOf(name, 0x02, 40, undefined, { sequence: 99, acknowledgment: 0 }), 0, 1000, 0)
  tracker.track(cut, 0, 1000, 0)
  expect(tracker.table.count).toBe(2)
  tracker.shutdown()
})
