import { describe, expect, test } from 'vitest'
import type { TcpCountName } from '../../src/analyze/tcp-counts.js'
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN } from '../../src/wire/tcp.js'
import { ethernet, tcp4 } from '../support/frames.js'
import type { Shot } from '../support/pcap-file.js'
import { analyzed } from './analyzed.js'

const CLIENT = { src: '10.0.0.1', dst: '10.0.0.2', sport: 40_000, dport: 443 }
const SERVER = { src: '10.0.0.2', dst: '10.0.0.1', sport: 443, dport: 40_000 }
/** First sequence numbers; the client's data passes 2^32. */
const C = 0xffff_fff0
const S = 5000

interface Step {
  /** Milliseconds from the start. */
  at: number
  flags?: number
  seq: number
  ack?: number
  length?: number
  window?: number
}

/** A segment of the client, its numbers counted from its SYN and the server's. */
function client(step: Step): Shot {
  return shot(CLIENT, C, S, step)
}

function server(step: Step): Shot {
  return shot(SERVER, S, C, step)
}

function shot(ends: typeof CLIENT, mine: number, theirs: number, step: Step): Shot {
  const frame = ethernet(
    tcp4({
      ...ends,
      flags: step.flags ?? TCP_ACK,
      seq: (mine + step.seq) >>> 0,
      ack: (theirs + (step.ack ?? 1)) >>> 0,
      window: step.window ?? 1000,
      payload: Buffer.alloc(step.length ?? 0, 0x61),
    }),
  )
  return { frame, seconds: 1_600_000_000, nanoseconds: step.at * 1e6 }
}

const SYN = client({ at: 0, flags: TCP_SYN, seq: 0 })
const SYN_ACK = server({ at: 10, flags: TCP_SYN | TCP_ACK, seq: 0 })
const ACK = client({ at: 11, seq: 1 })
const HANDSHAKE = [SYN, SYN_ACK, ACK]
const data = (at: number, seq: number, length = 100): Shot => client({ at, seq, length })
const acknowledges = (at: number, ack: number): Shot => server({ at, seq: 1, ack })

/** Another connection of the same ports, its first numbers given. */
const next = (at: number, seq = 1_000_000, theirs = 2_000_000): Shot[] => [
  client({ at, flags: TCP_SYN, seq }),
  server({ at: at + 10, flags: TCP_SYN | TCP_ACK, seq: theirs, ack: seq + 1 }),
  client({ at: at + 11, seq: seq + 1, ack: theirs + 1, length: 100 }),
]

const NOTHING_WRONG: Partial<Record<TcpCountName, number>> = {
  refused: 0,
  unanswered: 0,
  resets: 0,
  retransmissions: 0,
  outOfOrder: 0,
  keepAlives: 0,
  gaps: 0,
  gapsUnfilled: 0,
  jumps: 0,
}

describe('TcpHealth', () => {
  const cases: { name: string; shots: Shot[]; counts: Partial<Record<TcpCountName, number>> }[] = [
    {
      name: 'data in order, over the end of the sequence space',
      shots: [...HANDSHAKE, data(20, 1), data(21, 101), data(22, 201), acknowledges(30, 301)],
      counts: { connections: 1, attempted: 1, completed: 1, segments: 7 },
    },
    {
      name: 'both sides finish, and one says so twice',
      shots: [
        ...HANDSHAKE,
        client({ at: 20, seq: 1, flags: TCP_FIN | TCP_ACK }),
        client({ at: 220, seq: 1, flags: TCP_FIN | TCP_ACK }),
        server({ at: 230, seq: 1, ack: 2, flags: TCP_FIN | TCP_ACK }),
        client({ at: 231, seq: 2, ack: 2 }),
      ],
      counts: { completed: 1, retransmissions: 1 },
    },
    {
      name: 'data that comes again',
      shots: [...HANDSHAKE, data(20, 1), data(300, 1), acknowledges(310, 101)],
      counts: { retransmissions: 1, retransmittedBytes: 100 },
    },
    {
      name: 'data that comes again with more behind it',
      shots: [...HANDSHAKE, data(20, 1), data(300, 1, 150), data(301, 151)],
      counts: { retransmissions: 1, retransmittedBytes: 100 },
    },
    {
      name: 'data that was overtaken by what follows it',
      shots: [...HANDSHAKE, data(20, 1), data(21, 201), data(22, 101), data(23, 301)],
      counts: { outOfOrder: 1, gaps: 1 },
    },
    {
      name: 'data that was lost on its way here and sent again',
      shots: [...HANDSHAKE, data(20, 1), data(21, 201), data(321, 101), data(322, 301)],
      counts: { retransmissions: 1, lateArrivals: 1, retransmittedBytes: 0, gaps: 1 },
    },
    {
      name: 'data that the receiver has and that never came here',
      shots: [...HANDSHAKE, data(20, 1), data(21, 201), acknowledges(30, 301)],
      counts: {
        gaps: 1,
        gapsUnfilled: 1,
        missingBytes: 100,
        gapsAcknowledged: 1,
        acknowledgedMissingBytes: 100,
      },
    },
    {
      name: 'data that never came, here or there',
      shots: [...HANDSHAKE, data(20, 1), data(21, 201), acknowledges(30, 101)],
      counts: { gaps: 1, gapsUnfilled: 1, missingBytes: 100, gapsAcknowledged: 0 },
    },
    {
      name: 'the end of the data missing, known only from its acknowledgment',
      shots: [...HANDSHAKE, data(20, 1), acknowledges(30, 401), data(40, 401)],
      counts: {
        gaps: 1,
        gapsUnfilled: 1,
        missingBytes: 300,
        gapsAcknowledged: 1,
        acknowledgedMissingBytes: 300,
      },
    },
    {
      name: 'a gap that an acknowledgment opens and data widens counts once',
      shots: [...HANDSHAKE, data(20, 1), acknowledges(30, 201), data(31, 301)],
      counts: {
        gaps: 1,
        gapsUnfilled: 1,
        missingBytes: 200,
        gapsAcknowledged: 1,
        acknowledgedMissingBytes: 100,
      },
    },
    {
      name: 'a gap filled from its middle outward',
      shots: [...HANDSHAKE, data(20, 301), data(21, 101), data(22, 1), data(23, 201)],
      counts: { gaps: 1, outOfOrder: 3 },
    },
    {
      name: 'a gap filled from its end',
      shots: [...HANDSHAKE, data(20, 301), data(21, 201), data(22, 101), data(23, 1)],
      counts: { gaps: 1, outOfOrder: 3 },
    },
    {
      name: 'one segment that fills two gaps',
      shots: [...HANDSHAKE, data(20, 1), data(20, 201), data(20, 401), data(21, 101, 300)],
      counts: { gaps: 2, outOfOrder: 1 },
    },
    {
      name: 'more gaps than are remembered',
      shots: [...HANDSHAKE, ...Array.from({ length: 10 }, (_, gap) => data(20, 101 + gap * 200))],
      counts: { gaps: 10, gapsUnfilled: 10, missingBytes: 1000, gapsAcknowledged: 0 },
    },
    {
      name: 'keep-alives with and without a byte',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        acknowledges(30, 101),
        client({ at: 500, seq: 100 }),
        client({ at: 900, seq: 100, length: 1 }),
      ],
      counts: { keepAlives: 2 },
    },
    {
      name: 'probes of a closed window, and what follows when it opens',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        server({ at: 30, seq: 1, ack: 101, window: 0 }),
        client({ at: 400, seq: 101, length: 1 }),
        server({ at: 410, seq: 1, ack: 101, window: 0 }),
        client({ at: 800, seq: 101, length: 1 }),
        server({ at: 810, seq: 1, ack: 102, window: 1000 }),
        client({ at: 820, seq: 102, length: 100 }),
      ],
      counts: { zeroWindows: 2 },
    },
    {
      name: 'a probe of a closed window whose acknowledgment was not seen',
      shots: [
        ...HANDSHAKE,
        server({ at: 30, seq: 1, window: 0 }),
        client({ at: 400, seq: 1, length: 1 }),
        client({ at: 820, seq: 2, length: 100 }),
      ],
      counts: { zeroWindows: 1 },
    },
    {
      name: 'a SYN that is refused',
      shots: [SYN, server({ at: 5, seq: 0, flags: TCP_RST | TCP_ACK })],
      counts: { attempted: 1, completed: 0, refused: 1, resets: 1, resetConnections: 1 },
    },
    {
      name: 'a SYN that nobody answers',
      shots: [SYN, client({ at: 999, flags: TCP_SYN, seq: 0 })],
      counts: {
        attempted: 1,
        completed: 0,
        unanswered: 1,
        retransmissions: 1,
        synRetransmissions: 1,
      },
    },
    {
      name: 'one direction alone: the answer was not seen, but given',
      shots: [SYN, ACK, data(20, 1)],
      counts: { attempted: 1, completed: 0, unanswered: 0 },
    },
    {
      name: 'the other direction alone',
      shots: [SYN_ACK, server({ at: 20, seq: 1, length: 100 })],
      counts: { attempted: 1, completed: 0, unanswered: 0 },
    },
    {
      name: 'a connection that was there before the capture',
      shots: [data(20, 1001), acknowledges(25, 1101), data(30, 1101)],
      counts: { connections: 1, attempted: 0, completed: 0 },
    },
    {
      name: 'a reset in mid-stream, whatever its numbers',
      shots: [...HANDSHAKE, data(20, 1), client({ at: 30, seq: 77_777, flags: TCP_RST })],
      counts: { completed: 1, resets: 1, resetConnections: 1 },
    },
    {
      name: 'ports used again by another connection',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        client({ at: 100, flags: TCP_SYN, seq: 1_000_000 }),
        server({ at: 110, flags: TCP_SYN | TCP_ACK, seq: 2_000_000, ack: 1_000_001 }),
        client({ at: 111, seq: 1_000_001, ack: 2_000_001, length: 100 }),
      ],
      counts: { connections: 2, attempted: 2, completed: 2 },
    },
    {
      name: 'a SYN that comes behind its own data',
      shots: [SYN_ACK, ACK, data(12, 1), { ...SYN, nanoseconds: 13_000_000 }],
      counts: { connections: 1, attempted: 1, outOfOrder: 1 },
    },
    {
      name: 'a SYN that comes behind its own data, which came in another order',
      shots: [data(12, 101), data(13, 1), { ...SYN, nanoseconds: 14_000_000 }],
      counts: { connections: 1, attempted: 1, retransmissions: 1, outOfOrder: 1 },
    },
    {
      name: 'a SYN a little below what was sent, of another connection',
      shots: [data(12, 60_001), data(13, 60_101), ...next(100, 20_000)],
      counts: { connections: 2, attempted: 1, completed: 1 },
    },
    {
      name: 'data, FIN and ACK that come behind the SYN of the next connection',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        client({ at: 100, flags: TCP_SYN, seq: 1_000_000 }),
        data(101, 101),
        client({ at: 102, seq: 201, flags: TCP_FIN | TCP_ACK }),
        acknowledges(103, 202),
        ...next(104).slice(1),
        server({ at: 120, seq: 1, ack: 202, flags: TCP_FIN | TCP_ACK }),
      ],
      counts: { connections: 2, attempted: 2, completed: 2, outOfOrder: 3 },
    },
    {
      name: 'RST of the connection before, twice',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        ...next(100),
        client({ at: 130, seq: 101, flags: TCP_RST }),
        client({ at: 131, seq: 101, flags: TCP_RST }),
        client({ at: 132, seq: 1_000_101, ack: 2_000_001, length: 100 }),
      ],
      counts: { connections: 2, completed: 2, resets: 2, resetConnections: 1 },
    },
    {
      name: 'RST that refuses the next connection, whose numbers go on behind the last',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        client({ at: 100, flags: TCP_SYN, seq: 2000 }),
        server({ at: 101, seq: -S, ack: 2001, flags: TCP_RST | TCP_ACK }),
      ],
      counts: { connections: 2, completed: 1, refused: 1, resets: 1, resetConnections: 1 },
    },
    {
      name: 'a next connection whose numbers begin just behind the last',
      shots: [
        ...HANDSHAKE,
        data(20, 1),
        ...next(100, 70_000, 71_000),
        client({ at: 120, seq: 70_101, ack: 71_001, length: 100 }),
        server({ at: 121, seq: 71_001, ack: 70_201, length: 50 }),
      ],
      counts: { connections: 2, attempted: 2, completed: 2 },
    },
    {
      name: 'a jump further than any window',
      shots: [...HANDSHAKE, data(20, 1), data(21, 0x6000_0000), data(22, 0x6000_0000 + 100)],
      counts: { jumps: 1 },
    },
  ]

  test.each(cases)('understands: $name', async ({ shots, counts }) => {
    const { tcp } = await analyzed(shots)
    expect(tcp).toMatchObject({ ...NOTHING_WRONG, ...counts })
  })

  test('times the halves of a handshake', async () => {
    const { handshake, synToSynAck, synAckToAck } = (await analyzed(HANDSHAKE)).distributions
    expect(synToSynAck).toMatchObject({ count: 1, max: 10_000_000 })
    expect(synAckToAck).toMatchObject({ count: 1, max: 1_000_000 })
    expect(handshake).toMatchObject({ count: 1, max: 11_000_000 })
  })

  test('takes no time from a SYN that was sent twice', async () => {
    const again = client({ at: 5, flags: TCP_SYN, seq: 0 })
    const { handshake, synToSynAck, synAckToAck } = (await analyzed([SYN, again, SYN_ACK, ACK]))
      .distributions
    expect(synToSynAck.count).toBe(0)
    expect(handshake.count).toBe(0)
    expect(synAckToAck.count).toBe(1)
  })

  test('names the flows with most trouble', async () => {
    const { tcp } = await analyzed([
      ...HANDSHAKE,
      data(20, 1),
      data(300, 1),
      data(301, 1101),
      server({ at: 310, seq: 1, ack: 1201, length: 50 }),
    ])
    expect(tcp.worst).toMatchObject([
      { srcAddr: '10.0.0.1', srcPort: 40_000, retransmissions: 1, missingBytes: 1000 },
    ])
  })

  test('sees no gap in frames that were cut', async () => {
    const shots = [...HANDSHAKE, data(20, 1), data(21, 101), acknowledges(30, 201)]
    const cut = shots.map((each) => ({
      ...each,
      originalLength: each.frame.length,
      frame: each.frame.subarray(0, 54),
    }))
    const { tcp, totals } = await analyzed(cut)
    expect(tcp).toMatchObject(NOTHING_WRONG)
    expect(totals.cut).toBe(2)
  })
})
