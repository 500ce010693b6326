import { LRUCache } from 'lru-cache'
import { describe, expect, test } from 'vitest'
import { Admission, BUSY_SECONDS } from '../../src/session/admission.js'
import type { Session } from '../../src/session/session.js'
import { SessionDirectory, type SessionKey } from '../../src/session/session-directory.js'
import { Random } from '../support/random.js'
import { datagramOf } from './datagrams.js'

const NOTHING = Buffer.alloc(0)

/** Sources that differ in one word each, with IPv4 among them. */
const SOURCES = [
  '10.0.0.1',
  '10.0.0.2',
  '::10.0.0.1',
  '2001:db8::1',
  '2001:db8:0:1::1',
  '2001:db8::1:0:1',
  '2001:db9::1',
  '::',
]

/** A directory that writes down what it says. */
class Watched {
  readonly directory: SessionDirectory
  readonly open = new Map<number, Session>()
  readonly closed: { name: string; why: string }[] = []
  /** Indices that were given to a session while another had them. */
  readonly taken: number[] = []

  constructor(max: number, key: SessionKey = 'source+vni', admission?: Admission) {
    this.directory = new SessionDirectory({
      max,
      key,
      ...(admission && { admission }),
      onOpen: (session) => {
        if (this.open.has(session.index)) this.taken.push(session.index)
        this.open.set(session.index, session)
      },
      onClose: (session, why) => {
        expect(this.open.get(session.index)).toBe(session)
        this.open.delete(session.index)
        this.closed.push({ name: session.name!, why })
      },
    })
  }

  /** The session of a packet, opened if need be, as a demultiplexer does it. */
  packet(source: string, vni: number, seconds = 0): Session {
    return this.offer(source, vni, seconds)!
  }

  /** The same where there may be no room for it. */
  offer(source: string, vni: number, seconds = 0): Session | undefined {
    const datagram = datagramOf(NOTHING, { source, seconds })
    return this.directory.find(datagram, vni) ?? this.directory.open(datagram, vni)
  }

  find(source: string, vni: number, seconds = 0): Session | undefined {
    return this.directory.find(datagramOf(NOTHING, { source, seconds }), vni)
  }
}

describe('SessionDirectory', () => {
  test.each(
    [1, 2, 3, 5, 16, 40].flatMap((max) => [1, 2].map((seed) => ({ max, seed: 10 * max + seed }))),
  )('keeps the sessions lru-cache keeps: at most $max, seed $seed', ({ max, seed }) => {
    const random = new Random(seed)
    const watched = new Watched(max)
    const gone: string[] = []
    const model = new LRUCache<string, { session: Session; usedAt: number }>({
      max,
      dispose: ({ session }) => gone.push(session.name!),
    })
    let seconds = 1000
    for (let step = 0; step < 1000; step++) {
      seconds += random.pick([0, 0, 0, 1, 5, -2])
      const source = random.pick(SOURCES)
      const vni = random.pick([0, 1, 2, 3, 0xff_ffff, 0x1_0001])
      const key = `${source} ${vni}`

      const session = watched.packet(source, vni, seconds)
      const known = model.peek(key)
      if (known === undefined) {
        expect([session.vni, session.openedAt]).toEqual([vni, seconds])
        if (model.size === max) model.pop()
        model.set(key, { session, usedAt: seconds })
      } else {
        if (session !== known.session) expect(session).toBe(known.session)
        // Recency is noted once a second.
        if (known.usedAt !== seconds) model.get(key)
        known.usedAt = seconds
      }
      if (step % 20 === 0) {
        const { directory } = watched
        expect(directory.size).toBe(model.size)
        expect([...directory.values()]).toEqual([...model.values()].map((of) => of.session))
      }
    }
    expect(watched.closed).toEqual(gone.map((name) => ({ name, why: 'evicted' })))
    expect(watched.taken).toEqual([])
    expect(Math.max(...watched.open.keys())).toBeLessThanOrEqual(max)
    // A last look at every key there is.
    const found = SOURCES.flatMap((source) =>
      [0, 1, 2, 3, 0xff_ffff, 0x1_0001].filter(
        (vni) => watched.find(source, vni) !== model.peek(`${source} ${vni}`)?.session,
      ),
    )
    expect(found).toEqual([])
  })

  test('lets the one go that was not used for longest', () => {
    const watched = new Watched(3)
    watched.packet('10.0.0.1', 1, 10)
    watched.packet('10.0.0.1', 2, 11)
    watched.packet('10.0.0.1', 3, 12)
    watched.packet('10.0.0.1', 1, 13)
    watched.packet('10.0.0.1', 4, 14)
    expect(watched.closed).toEqual([{ name: 'vni-2_10.0.0.1', why: 'evicted' }])
    expect(watched.find('10.0.0.1', 2)).toBeUndefined()
    watched.packet('10.0.0.1', 5, 15)
    expect(watched.closed.map(({ name }) => name)).toEqual(['vni-2_10.0.0.1', 'vni-3_10.0.0.1'])
  })

  test('forgets the session found last when it is let go', () => {
    const watched = new Watched(1)
    const first = watched.packet('10.0.0.1', 1)
    const second = watched.packet('10.0.0.2', 1)
    expect(second).not.toBe(first)
    expect(watched.find('10.0.0.1', 1)).toBeUndefined()
    watched.directory.clear()
    expect(watched.find('10.0.0.2', 1)).toBeUndefined()
  })

  test('uses an index again once its session has been closed, and none beyond the most it holds', () => {
    const watched = new Watched(2)
    const indices = [1, 2, 3, 4, 5].map((vni) => watched.packet('10.0.0.1', vni).index)
    expect(indices).toEqual([1, 2, 1, 2, 1])
    expect(watched.taken).toEqual([])
  })

  test('never gives out index 0: it is that of packets that were not mirrored', () => {
    const watched = new Watched(5)
    for (let vni = 0; vni < 50; vni++) expect(watched.packet('10.0.0.1', vni).index).not.toBe(0)
  })

  test('closes all as deleted', () => {
    const watched = new Watched(5)
    for (const vni of [1, 2, 3]) watched.packet('10.0.0.1', vni)
    watched.directory.clear()
    expect(watched.closed.map(({ why }) => why)).toEqual(['deleted', 'deleted', 'deleted'])
    expect([watched.directory.size, watched.open.size]).toEqual([0, 0])
    // And can go on.
    watched.packet('10.0.0.1', 1)
    expect(watched.directory.size).toBe(1)
    expect(watched.taken).toEqual([])
  })

  test('by VNI, whatever the source', () => {
    const watched = new Watched(5, 'vni')
    const session = watched.packet('10.0.0.1', 7)
    for (const source of SOURCES) expect(watched.packet(source, 7)).toBe(session)
    expect(watched.packet('10.0.0.1', 8)).not.toBe(session)
    expect(watched.find('10.0.0.9', 7)).toBe(session)
    expect(session.report()).toMatchObject({ session: 'vni-7_any', vni: 7, source: null })
  })

  test('by source and VNI: the same VNI from two sources is two sessions', () => {
    const watched = new Watched(5)
    const session = watched.packet('10.0.0.1', 7)
    expect(watched.packet('2001:db8::1', 7)).not.toBe(session)
    expect(session.report()).toMatchObject({
      session: 'vni-7_10.0.0.1',
      vni: 7,
      source: '10.0.0.1',
    })
  })
})

describe('SessionDirectory where anyone may send', () => {
  const watch = (max: number) => new Watched(max, 'source+vni', new Admission())

  test('sessions in use keep their places however many others come, and however often', () => {
    const watched = watch(16)
    const kept = [1, 2, 3, 4].map((vni) => watched.offer('10.0.0.1', vni, 99)!)
    let made = 100
    for (let seconds = 100; seconds < 130; seconds++) {
      for (let round = 0; round < 200; round++) {
        for (const session of kept) {
          expect(watched.offer('10.0.0.1', session.vni!, seconds)).toBe(session)
        }
        // A key that comes once, and one that comes twice.
        watched.offer('10.0.0.2', made++, seconds)
        watched.offer('10.0.0.2', made, seconds)
        watched.offer('10.0.0.2', made++, seconds)
      }
    }
    expect(watched.directory.size).toBe(16)
    // 16 at once and 4 a second at most, of 12,000.
    expect(watched.closed.length).toBeGreaterThan(0)
    expect(watched.closed.length).toBeLessThanOrEqual(16 + 30 * 4)
    expect(watched.taken).toEqual([])
  })

  test('while there is room too, sessions that come once open few at a time', () => {
    const watched = watch(10_000)
    for (let made = 0; made < 5000; made++) watched.offer('10.0.0.2', made, 100)
    expect(watched.directory.size).toBe(256)
    // Those that come again open, so many a second.
    for (let made = 5000; made < 5100; made++) {
      watched.offer('10.0.0.2', made, 101)
      watched.offer('10.0.0.2', made, 101)
    }
    expect(watched.directory.size).toBe(256 + 4 + 64)
    for (let second = 102; second < 120; second++) {
      for (let made = 5000; made < 5500; made++) watched.offer('10.0.0.2', made, second)
    }
    expect(watched.directory.size).toBe(256 + 500)
    expect(watched.closed).toEqual([])
  })

  test('a session that stays gets a place with its second packet, among many that come once', () => {
    const watched = watch(8)
    for (let made = 0; made < 5000; made++) watched.offer('10.0.0.2', made, 100)
    expect(watched.closed).toEqual([])
    expect(watched.offer('10.0.0.1', 7, 101)).toBeUndefined()
    for (let made = 5000; made < 5100; made++) watched.offer('10.0.0.2', made, 101)
    const session = watched.offer('10.0.0.1', 7, 101)
    expect(session).toBeDefined()
    expect(watched.closed).toHaveLength(1)
    expect(watched.offer('10.0.0.1', 7, 102)).toBe(session)
  })

  test('a session long silent goes for another, and a busy one does not', () => {
    const watched = watch(1)
    watched.offer('10.0.0.1', 1, 100)
    watched.offer('10.0.0.1', 1, 101)
    const last = 101 + BUSY_SECONDS
    for (const seconds of [102, 103, last - 1]) {
      expect(watched.offer('10.0.0.1', 2, seconds)).toBeUndefined()
    }
    expect(watched.offer('10.0.0.1', 2, last)).toBeDefined()
    expect(watched.closed).toEqual([{ name: 'vni-1_10.0.0.1', why: 'evicted' }])
  })

  test('a clock that is set back shuts nobody out', () => {
    const watched = watch(1)
    for (let vni = 1; vni <= 40; vni++) {
      watched.offer('10.0.0.1', vni, 10_000)
      watched.offer('10.0.0.1', vni, 10_001)
    }
    watched.offer('10.0.0.1', 50, 100)
    watched.offer('10.0.0.1', 50, 101)
    expect(watched.offer('10.0.0.1', 50, 102)).toBeDefined()
  })
})
