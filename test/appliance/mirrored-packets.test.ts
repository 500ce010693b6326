import { describe, expect, test } from 'vitest'
import type { NetworkInterface } from '../../src/mirror/resources.js'
import { formatAddress } from '../../src/wire/address.js'
import { u32 } from '../../src/wire/bytes.js'
import { filterOf, framed, SHARED_VERDICTS, VERDICTS, type Verdict } from '../mirror/verdicts.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, tcp4, udp4, vxlan } from '../support/frames.js'
import { filterResource, inventoryOf, made, sessionResource } from './registered.js'
import { HERE, RegisteredColumn, T, THERE } from './registered-column.js'

const ENI = 'eni-1'

/** An address that the interface must have for the frame to run that way; one of none of the frame's for either. */
function addressFor({ frame, direction }: Pick<Verdict, 'frame' | 'direction'>): string {
  const { ipVersion, bytes, srcAt, dstAt } = framed(frame)
  if (direction === 'either') return '203.0.113.77'
  const at = direction === 'egress' ? srcAt : dstAt
  if (ipVersion === 4) return formatAddress(0, 0, 0xffff, u32(bytes, at))
  const [a, b, c, d] = [0, 4, 8, 12].map((offset) => u32(bytes, at + offset))
  return formatAddress(a!, b!, c!, d!)
}

/** A column with these sessions of one VNI; those of an interface that nothing is known of have its first packet's source. */
async function columnWith(
  sessions: readonly Parameters<typeof filterOf>[],
  numbers: readonly number[],
  inventory: ReadonlyMap<string, NetworkInterface>,
): Promise<RegisteredColumn> {
  const changes = sessions.flatMap((filter, at) => [
    made('filters', { ...filterOf(...filter), id: `tmf-${at}` }),
    made(
      'sessions',
      sessionResource({
        id: `tms-${numbers[at]}`,
        sessionNumber: numbers[at]!,
        networkInterfaceId: ENI,
        filterId: `tmf-${at}`,
      }),
    ),
  ])
  return new RegisteredColumn({ interfaces: inventory }).begin(...changes)
}

/** Numbers of the sessions that have accepted a packet. */
function accepting(run: RegisteredColumn): number[] {
  const { sessions } = run.column.report()
  return sessions.filter(({ accepted }) => accepted > 0).map(({ session }) => +session!.slice(4))
}

const arrival = (source: string) => ({ source, seconds: T, nanoseconds: 0 })

describe('Column, packets that a mirror source has sent', () => {
  test.each(VERDICTS)('for one session: $name', async (verdict) => {
    const { rules, services, vpcCidrBlock, frame, mirrored } = verdict
    const source = addressFor(verdict)
    const inventory = inventoryOf({ id: ENI, addresses: [source], vpcCidrBlock })
    const run = await columnWith([[rules, services]], [1], inventory)
    run.column.demux.acceptVxlan(datagramOf(vxlan(7, frame), arrival(source)))
    expect(accepting(run)).toEqual(mirrored ? [1] : [])
    await run.close()
  })

  test.each(SHARED_VERDICTS)('for sessions of a known interface: $name', async (verdict) => {
    const source = addressFor(verdict)
    const inventory = inventoryOf({ id: ENI, addresses: [source] })
    const filters = verdict.sessions.map(([, ...rules]) => [rules] as const)
    const numbers = verdict.sessions.map(([number]) => number)
    const run = await columnWith(
      filters.map(([rules]) => [rules]),
      numbers,
      inventory,
    )
    run.column.demux.acceptVxlan(datagramOf(vxlan(7, verdict.frame), arrival(source)))
    expect(accepting(run)).toEqual(verdict.mirroredBy === 0 ? [] : [verdict.mirroredBy])
    await run.close()
  })

  test.each(SHARED_VERDICTS)('for sessions of an unknown interface: $name', async (verdict) => {
    const source = addressFor(verdict)
    const filters = verdict.sessions.map(([, ...rules]) => [rules] as const)
    const numbers = verdict.sessions.map(([number]) => number)
    const run = await columnWith(
      filters.map(([rules]) => [rules]),
      numbers,
      inventoryOf(),
    )
    run.column.demux.acceptVxlan(datagramOf(vxlan(7, verdict.frame), arrival(source)))
    expect(accepting(run)).toEqual(verdict.mirroredBy === 0 ? [] : [verdict.mirroredBy])
    await run.close()
  })

  test('are counted in one session each, and written under its name', async () => {
    const known = inventoryOf({ id: ENI, addresses: [HERE] })
    const shared = { networkInterfaceId: ENI, virtualNetworkId: 7 }
    const run = await new RegisteredColumn({ interfaces: known }).begin(
      made('filters', filterResource('tmf-web', 'out accept 6 443')),
      made('filters', filterResource('tmf-udp', 'out accept 17 *')),
      made(
        'sessions',
        sessionResource({ ...shared, id: 'tms-2', sessionNumber: 2, filterId: 'tmf-udp' }),
      ),
      made(
        'sessions',
        sessionResource({ ...shared, id: 'tms-1', sessionNumber: 1, filterId: 'tmf-web' }),
      ),
    )
    const ends = { src: HERE, dst: THERE, sport: 1000 }
    for (const packet of [
      tcp4({ ...ends, dport: 443 }),
      udp4({ ...ends, dport: 53 }),
      udp4({ ...ends, dport: 123 }),
      tcp4({ ...ends, dport: 22 }),
    ]) {
      run.packet(7, 0, packet)
    }
    // What neither wants is the first one's.
    const none = { captureLost: 0, malformed: 0, unknownDirection: 0, duplicates: 0 }
    expect(run.report('tms-1')).toMatchObject({
      ...none,
      received: 2,
      accepted: 1,
      filtered: 1,
      captured: 1,
    })
    expect(run.report('tms-2')).toMatchObject({
      ...none,
      received: 2,
      accepted: 2,
      filtered: 0,
      captured: 2,
    })
    expect(await run.close()).toMatchObject({ received: 4, accepted: 3, filtered: 1 })
    expect(await run.lengths('tms-1')).toHaveLength(1)
    expect(await run.lengths('tms-2')).toHaveLength(2)
  })

  test('go to another session as rules, numbers and sessions change', async () => {
    const known = inventoryOf({ id: ENI, addresses: [HERE] })
    const of = (id: string, sessionNumber: number, filterId = 'tmf-all') =>
      made('sessions', sessionResource({ id, sessionNumber, filterId, networkInterfaceId: ENI }))
    const run = await new RegisteredColumn({ interfaces: known }).begin(
      made('filters', filterResource('tmf-1', 'out accept 6 443')),
      of('tms-a', 1, 'tmf-1'),
      of('tms-b', 2),
    )
    const packet = ethernet(udp4({ src: HERE, dst: THERE, sport: 1, dport: 53 }))
    const taken: string[] = []
    const take = () => {
      const before = new Map(run.column.report().sessions.map((one) => [one.session, one.accepted]))
      run.column.demux.acceptVxlan(datagramOf(vxlan(7, packet), arrival(HERE)))
      const grown = run.column
        .report()
        .sessions.find((one) => one.accepted > before.get(one.session)!)
      taken.push(grown?.session ?? 'none')
    }
    take()
    await run.apply(made('filters', filterResource('tmf-1', 'out accept 17 53')))
    take()
    await run.apply(of('tms-a', 3, 'tmf-1'))
    take()
    await run.apply(of('tms-b', 2, 'tmf-gone'))
    take()
    await run.apply(made('filters', filterResource('tmf-1', 'in accept 17 53')))
    take()
    expect(taken).toEqual(['tms-b', 'tms-a', 'tms-b', 'tms-a', 'none'])
    await run.close()
  })

  test('are of the session that mirrors them also where `--filter` does not want them', async () => {
    const known = inventoryOf({ id: ENI, addresses: [HERE] })
    const of = (id: string, sessionNumber: number) =>
      made('sessions', sessionResource({ id, sessionNumber, networkInterfaceId: ENI }))
    const run = await new RegisteredColumn({ interfaces: known, filters: { filter: 'tcp' } }).begin(
      of('tms-a', 1),
      of('tms-b', 2),
    )
    run.packet(7)
    expect(run.report('tms-a')).toMatchObject({ received: 1, filtered: 1 })
    expect(run.report('tms-b').received).toBe(0)
    await run.close()
  })
})
