import { expect, test } from 'vitest'
import type { Connection } from '../../src/flow/connection.js'
import { ConnectionFacts } from '../../src/flow/connection-facts.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { Frame } from '../../src/wire/frame.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { ethernet, tcp4, udp4 } from '../support/frames.js'

const CLIENT = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 8000 }
const SERVER = { src: '192.0.2.1', dst: '10.0.0.1', sport: 8000, dport: 40_000 }

const FLAGS = { S: 0x02, H: 0x12, A: 0x10, D: 0x18, F: 0x11, R: 0x04, Q: 0x03, I: 0x05 } as const

/** A segment: `>` from the client or `<`, its flags as history has them, its number, that it confirms, its data. */
type Step = readonly [string, number, number?, number?, window?: number]

function connection(steps: readonly Step[], ports = { client: 40_000, server: 8000 }): Connection {
  const tracker: FlowTracker = new FlowTracker({
    capacity: 16,
    sessions: 1,
    onEnd: (flow) => {
      ended = facts.connectionOf(flow)
      facts.forget(flow)
    },
  })
  const facts = new ConnectionFacts(tracker, 16)
  let ended: Connection | undefined
  const frame = new Frame()
  for (const [at, [what, seq, ack = 0, length = 0, window = 1000]] of steps.entries()) {
    const isClient = what[0] === '>'
    const from = isClient
      ? { ...CLIENT, sport: ports.client, dport: ports.server }
      : { ...SERVER, sport: ports.server, dport: ports.client }
    const flags = FLAGS[what[1] as keyof typeof FLAGS]
    const payload = Buffer.alloc(length, 0x61)
    const bytes = ethernet(tcp4({ ...from, seq, ack, flags, payload }))
    bytes.writeUInt16BE(window, bytes.length - length - 6)
    expect(parseFrame(bytes, 0, bytes.length, 1, bytes.length, frame)).toBeUndefined()
    facts.enqueue(frame, 0, 1_700_000_000, at * 1_000_000, true)
  }
  tracker.shutdown()
  return ended!
}

/** SYN, its answer, and the acknowledgment of that. */
const OPEN: readonly Step[] = [
  ['>S', 100],
  ['<H', 500, 101],
  ['>A', 101, 501],
]

test.each<[string, string, string, readonly Step[]]>([
  ['an attempt', 'S0', 'S', [['>S', 100]]],
  [
    'a refused one',
    'REJ',
    'Sr',
    [
      ['>S', 100],
      ['<R', 0, 101],
    ],
  ],
  ['an open one', 'S1', 'ShA', OPEN],
  [
    'one that ended',
    'SF',
    'ShADadFf',
    [
      ...OPEN,
      ['>D', 101, 501, 10],
      ['<A', 501, 111],
      ['<D', 501, 111, 20],
      ['>F', 111, 521],
      ['<F', 521, 112],
    ],
  ],
  ['one that the client ended', 'S2', 'ShAF', [...OPEN, ['>F', 101, 501]]],
  ['one that the server ended', 'S3', 'ShAf', [...OPEN, ['<F', 501, 101]]],
  ['one that the client reset', 'RSTO', 'ShAR', [...OPEN, ['>R', 101, 501]]],
  ['one that the server reset', 'RSTR', 'ShAr', [...OPEN, ['<R', 501, 101]]],
  [
    'FIN after which RST is no reset',
    'SF',
    'ShAFfR',
    [...OPEN, ['>F', 101, 501], ['<F', 501, 102], ['>R', 102]],
  ],
  [
    'SYN and RST of a scan',
    'RSTOS0',
    'SR',
    [
      ['>S', 100],
      ['>R', 101],
    ],
  ],
  [
    'SYN and FIN of one side',
    'SH',
    'SF',
    [
      ['>S', 100],
      ['>F', 101, 501],
    ],
  ],
  [
    'an answer without its SYN',
    'OTH',
    '^hA',
    [
      ['<H', 500, 101],
      ['>A', 101, 501],
    ],
  ],
  [
    'data in mid-stream',
    'OTH',
    'Dd',
    [
      ['>D', 900, 700, 5],
      ['<D', 700, 905, 5],
    ],
  ],
  [
    'flags that do not go together',
    'RSTOS0',
    'IA',
    [
      ['>I', 100],
      ['>A', 101],
    ],
  ],
])('%s has Zeek’s state %s and history %s', (_what, state, history, steps) => {
  const found = connection(steps, { client: 40_000, server: 7777 })
  expect([found.connState, found.history]).toEqual([state, history])
})

test('who answers from the port of a server did not begin', () => {
  const found = connection(
    [
      ['<H', 500, 101],
      ['>A', 101, 501],
    ],
    { client: 40_000, server: 443 },
  )
  expect([found.connState, found.history, found.destinationPort]).toEqual(['S1', '^hA', 443])
  const seen = connection([['<D', 700, 905, 5]], { client: 40_000, server: 443 })
  expect([seen.history, seen.sourcePort, seen.responder.packets]).toEqual(['^d', 40_000, 1])
})

test('data sent again is counted, and its letter comes at the first, the tenth and the hundredth time', () => {
  const again = Array.from({ length: 12 }, (): Step => ['>D', 101, 501, 10])
  const found = connection([...OPEN, ['>D', 101, 501, 10], ...again])
  expect(found.history).toBe('ShADTT')
  expect(found.orig).toEqual({ payload: 10, retransmissions: 12, missed: 0 })
})

test('a window that closes has its letter', () => {
  const found = connection([...OPEN, ['<A', 501, 101, 0, 0]])
  expect(found.history).toBe('ShAaw')
})

test('bytes that the other side confirmed and nobody saw are missed, not those that came late', () => {
  const found = connection([
    ...OPEN,
    ['>D', 111, 501, 10],
    ['>D', 101, 501, 10],
    ['<A', 501, 121],
    ['>D', 141, 501, 10],
    ['<A', 501, 151],
    ['<D', 501, 151, 5],
    ['<D', 511, 151, 5],
    ['>A', 151, 516],
  ])
  expect(found.orig).toEqual({ payload: 50, retransmissions: 1, missed: 20 })
  expect(found.resp).toEqual({ payload: 15, retransmissions: 0, missed: 5 })
  expect(found.history).toBe('ShADTaGdg')
})

test('the handshake takes from the last SYN to the acknowledgment of its answer', () => {
  expect(connection([['>S', 100], ...OPEN]).handshakeNanoseconds).toBe(2_000_000)
  expect(connection([['>S', 100]]).handshakeNanoseconds).toBeUndefined()
  expect(connection(OPEN.slice(1)).handshakeNanoseconds).toBeUndefined()
})

test('numbers that begin anew at 2^32 are followed', () => {
  const found = connection([
    ['>S', 0xffff_fff0],
    ['<H', 500, 0xffff_fff1],
    ['>A', 0xffff_fff1, 501],
    ['>D', 0xffff_fff1, 501, 100],
    ['<A', 501, 0x55],
  ])
  expect(found.orig).toEqual({ payload: 100, retransmissions: 0, missed: 0 })
})

test('of UDP there are the directions alone', () => {
  const tracker: FlowTracker = new FlowTracker({
    capacity: 16,
    sessions: 1,
    onEnd: (flow) => ended.push(facts.connectionOf(flow)),
  })
  const ended: Connection[] = []
  const facts = new ConnectionFacts(tracker, 16)
  const frame = new Frame()
  for (const from of [CLIENT, SERVER]) {
    const bytes = ethernet(udp4({ ...from, payload: Buffer.alloc(30) }))
    parseFrame(bytes, 0, bytes.length, 1, bytes.length, frame)
    facts.enqueue(frame, 0, 1_700_000_000, 0, true)
  }
  tracker.shutdown()
  expect(ended).toMatchObject([
    { connState: 'SF', history: 'Dd', orig: { payload: 30 }, resp: { payload: 30 } },
  ])
})
