import { describe, expect, test } from 'vitest'
import { inOrder, rivalOf, SessionRegistry } from '../../src/appliance/session-registry.js'
import { EMPTY_STATE } from '../../src/control/state.js'
import type { MirrorSession, NetworkInterface } from '../../src/mirror/resources.js'
import type { Session } from '../../src/session/session.js'
import { SessionDirectory, type SessionKey } from '../../src/session/session-directory.js'
import { datagramOf } from '../session/datagrams.js'
import { Random } from '../support/random.js'
import { ALL, deleted, inventoryOf, made, sessionResource, TARGET } from './registered.js'

const NOTHING = Buffer.alloc(0)

/** Two interfaces with addresses of their own, and one of which nothing is known but its name. */
const INTERFACES = inventoryOf(
  { id: 'eni-a', addresses: ['10.0.0.1', '10.0.0.2', 'fd00::1'] },
  { id: 'eni-b', addresses: ['10.0.0.9'] },
  { id: 'eni-bare' },
)

/** A directory with a registry, and what happened to its sessions. */
class Registered {
  readonly closed: string[] = []
  readonly open = new Map<number, Session>()
  readonly directory: SessionDirectory
  readonly registry: SessionRegistry

  constructor(
    key: SessionKey = 'source+vni',
    max = 4,
    interfaces: ReadonlyMap<string, NetworkInterface> = INTERFACES,
  ) {
    this.directory = new SessionDirectory({
      max,
      key,
      onOpen: (session) => {
        expect(this.open.has(session.index), 'an index has one session').toBe(false)
        this.open.set(session.index, session)
      },
      onClose: (session, why) => {
        expect(this.open.get(session.index)).toBe(session)
        this.open.delete(session.index)
        this.closed.push(`${session.name} ${why}`)
      },
    })
    this.registry = new SessionRegistry({
      sessions: this.directory,
      key,
      interfaces,
      onChange: () => undefined,
    })
    this.registry.apply(made('targets', TARGET), 0)
    this.registry.apply(made('filters', ALL), 0)
  }

  put(...sessions: (Partial<MirrorSession> & Pick<MirrorSession, 'id'>)[]): void {
    for (const of of sessions) this.registry.apply(made('sessions', sessionResource(of)), 100)
  }

  remove(id: string): void {
    this.registry.apply(deleted('sessions', id), 100)
  }

  /** Names of the sessions that share a packet, in their order, as a demultiplexer finds them. */
  packet(source: string, vni: number): string {
    const datagram = datagramOf(NOTHING, { source })
    const first = this.directory.find(datagram, vni) ?? this.directory.open(datagram, vni)!
    return [first, ...this.directory.others].map(({ name }) => name).join(' ')
  }
}

describe('SessionRegistry', () => {
  test('gives a session of a known interface the packets from its addresses, and no others', () => {
    const run = new Registered()
    run.put({ id: 'tms-a', networkInterfaceId: 'eni-a' })
    const names = ['10.0.0.1', '10.0.0.2', 'fd00::1', '10.0.0.3'].map((ip) => run.packet(ip, 7))
    expect(names).toEqual(['tms-a', 'tms-a', 'tms-a', 'vni-7_10.0.0.3'])
    expect(run.packet('10.0.0.1', 8)).toBe('vni-8_10.0.0.1')
    const [session] = [...run.directory.values()]
    expect(session!.report()).toMatchObject({ session: 'tms-a', vni: 7, source: '10.0.0.1' })
  })

  test.each(['eni-elsewhere', 'eni-bare'])(
    'gives a session of %s, whose addresses nobody knows, all packets of its VNI',
    (networkInterfaceId) => {
      const run = new Registered()
      run.put({ id: 'tms-x', networkInterfaceId })
      const [session] = [...run.directory.values()]
      expect(session!.source).toBeNull()
      expect(run.packet('10.0.0.7', 7)).toBe('tms-x')
      expect(session!.report().source).toBe('10.0.0.7')
      expect(run.packet('10.0.0.8', 7)).toBe('tms-x')
      // The source that was learned stays.
      expect(session!.report().source).toBe('10.0.0.7')
      expect(run.packet('10.0.0.7', 8)).toBe('vni-8_10.0.0.7')
    },
  )

  test('prefers the session whose interface has the address to one of an unknown interface', () => {
    const run = new Registered()
    run.put({ id: 'tms-x' }, { id: 'tms-b', networkInterfaceId: 'eni-b', sessionNumber: 5 })
    expect([run.packet('10.0.0.9', 7), run.packet('10.0.0.8', 7)]).toEqual(['tms-b', 'tms-x'])
    run.remove('tms-b')
    expect(run.packet('10.0.0.9', 7)).toBe('tms-x')
  })

  test.each([
    { what: 'unknown interfaces', of: ['eni-x', 'eni-y'] },
    { what: 'one interface', of: ['eni-b', 'eni-b'] },
  ])(
    'lets two sessions of $what share what both want, the lower session number first',
    ({ of }) => {
      const run = new Registered()
      run.put(
        { id: 'tms-1', networkInterfaceId: of[0]!, sessionNumber: 20 },
        { id: 'tms-2', networkInterfaceId: of[1]!, sessionNumber: 10 },
      )
      expect(run.packet('10.0.0.9', 7)).toBe('tms-2 tms-1')
      run.put({ id: 'tms-2', networkInterfaceId: of[1]!, sessionNumber: 30 })
      expect(run.packet('10.0.0.9', 7)).toBe('tms-1 tms-2')
      run.remove('tms-1')
      expect(run.packet('10.0.0.9', 7)).toBe('tms-2')
      run.remove('tms-2')
      expect(run.packet('10.0.0.9', 7)).toBe('vni-7_10.0.0.9')
    },
  )

  test('closes the sessions that packets had opened before theirs was registered', () => {
    const run = new Registered()
    for (const source of ['10.0.0.9', '10.0.0.8']) run.packet(source, 7)
    run.packet('10.0.0.9', 8)
    run.put({ id: 'tms-b', networkInterfaceId: 'eni-b' })
    expect(run.closed).toEqual(['vni-7_10.0.0.9 deleted'])
    expect([run.packet('10.0.0.9', 7), run.packet('10.0.0.8', 7)]).toEqual([
      'tms-b',
      'vni-7_10.0.0.8',
    ])
    run.put({ id: 'tms-x' })
    expect(run.closed.slice(1)).toEqual(['vni-7_10.0.0.8 deleted'])
    expect(run.packet('10.0.0.9', 8)).toBe('vni-8_10.0.0.9')
  })

  test('keeps the session when its VNI changes', () => {
    const run = new Registered()
    run.put({ id: 'tms-b', networkInterfaceId: 'eni-b' })
    run.packet('10.0.0.9', 7)
    const before = [...run.directory.values()]
    run.packet('10.0.0.9', 9)
    run.put({ id: 'tms-b', networkInterfaceId: 'eni-b', virtualNetworkId: 9 })
    expect(run.closed).toEqual(['vni-9_10.0.0.9 deleted'])
    expect([...run.directory.values()]).toEqual(before)
    expect([run.packet('10.0.0.9', 7), run.packet('10.0.0.9', 9)]).toEqual([
      'vni-7_10.0.0.9',
      'tms-b',
    ])
    expect(before[0]!.report().vni).toBe(9)
  })

  test('lets no session that packets open take the place of a registered one', () => {
    const run = new Registered('source+vni', 2)
    run.put({ id: 'tms-b', networkInterfaceId: 'eni-b' }, { id: 'tms-x', virtualNetworkId: 8 })
    for (let vni = 100; vni < 200; vni++) run.packet('10.0.0.1', vni)
    expect(run.closed).toHaveLength(98)
    expect(run.closed.some((line) => line.startsWith('tms-'))).toBe(false)
    expect([run.packet('10.0.0.9', 7), run.packet('10.0.0.1', 8)]).toEqual(['tms-b', 'tms-x'])
    expect(run.directory.size).toBe(4)
  })

  test('goes by VNI alone where that is the key, whatever is known of interfaces', () => {
    const run = new Registered('vni')
    run.put(
      { id: 'tms-a', networkInterfaceId: 'eni-a', sessionNumber: 2 },
      { id: 'tms-b', networkInterfaceId: 'eni-b', sessionNumber: 1 },
    )
    const both = 'tms-b tms-a'
    expect([run.packet('10.0.0.1', 7), run.packet('192.0.2.1', 7)]).toEqual([both, both])
    run.remove('tms-b')
    expect([run.packet('10.0.0.9', 7), run.packet('192.0.2.1', 7)]).toEqual(['tms-a', 'tms-a'])
  })

  test.each([1, 2, 3, 4])('agrees with a plain model, seed %i', (seed) => {
    const random = new Random(seed)
    const run = new Registered('source+vni', 3)
    const sessions = new Map<string, MirrorSession>()
    const enis = ['eni-a', 'eni-b', 'eni-bare', 'eni-elsewhere']
    const sources = ['10.0.0.1', '10.0.0.2', 'fd00::1', '10.0.0.9', '192.0.2.1', '::']
    for (let step = 0; step < 1500; step++) {
      const id = `tms-${random.below(6)}`
      const known = sessions.get(id)
      const what = random.below(6)
      if (what === 0 && known !== undefined) {
        sessions.delete(id)
        run.remove(id)
      } else if (what <= 1) {
        const session = sessionResource({
          id,
          // An interface is for good.
          networkInterfaceId: known?.networkInterfaceId ?? random.pick(enis),
          sessionNumber: 1 + random.below(3),
          virtualNetworkId: 1 + random.below(3),
        })
        sessions.set(id, session)
        run.put(session)
      } else {
        const source = random.pick(sources)
        const vni = 1 + random.below(4)
        const wanting = (addresses: (eni: string) => boolean) =>
          [...sessions.values()]
            .filter((of) => of.virtualNetworkId === vni && addresses(of.networkInterfaceId))
            .sort(inOrder)
            .map(({ id }) => id)
            .join(' ')
        const expected =
          wanting((eni) => INTERFACES.get(eni)?.addresses.includes(source) === true) ||
          wanting((eni) => (INTERFACES.get(eni)?.addresses.length ?? 0) === 0) ||
          `vni-${vni}_${source}`
        expect([step, run.packet(source, vni)]).toEqual([step, expected])
      }
      const names = [...run.directory.values()].map(({ name }) => name!)
      const registered = names.filter((name) => name.startsWith('tms-'))
      expect(registered.sort()).toEqual([...sessions.keys()].sort())
      expect(run.open.size).toBe(names.length)
    }
  })
})

describe('rivalOf', () => {
  const plane = (...sessions: MirrorSession[]) => ({
    resources: { ...EMPTY_STATE.resources, sessions: new Map(sessions.map((of) => [of.id, of])) },
    interfaces: INTERFACES,
  })

  test.each([
    { a: 'eni-x', b: 'eni-y', isRival: true },
    { a: 'eni-a', b: 'eni-a', isRival: false },
    { a: 'eni-x', b: 'eni-x', isRival: false },
    { a: 'eni-a', b: 'eni-a', key: 'vni' as const, isRival: false },
    { a: 'eni-a', b: 'eni-b', isRival: false },
    { a: 'eni-a', b: 'eni-x', isRival: false },
    { a: 'eni-a', b: 'eni-b', key: 'vni' as const, isRival: true },
  ])('says whether sessions of $a and $b are after the same packets', ({ a, b, key, isRival }) => {
    const first = sessionResource({ id: 'tms-1', networkInterfaceId: a })
    const second = sessionResource({ id: 'tms-2', networkInterfaceId: b })
    const found = rivalOf(first, plane(first, second), key ?? 'source+vni')
    expect(found).toBe(isRival ? second : undefined)
    const other = { ...second, virtualNetworkId: 8 }
    expect(rivalOf(first, plane(first, other), key ?? 'source+vni')).toBeUndefined()
  })
})
