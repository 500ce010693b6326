import { describe, expect, test } from 'vitest'
import { firewallNamed } from '../../../src/api/network-firewall/firewall-arn.js'
import {
  FLOW_OPERATION_LIMITS,
  type FlowOperation,
  type FlowOperationLimits,
  FlowOperations,
} from '../../../src/api/network-firewall/flow-operations.js'
import type { Scope } from '../../../src/api/network-firewall/members.js'
import { ROW_BYTES } from '../../../src/flow/row-block.js'
import { CALLER } from './caller.js'
import { FlowStandIn, flowsOf, turn } from './flow-stand-in.js'

const HOUR_MS = 3_600_000
const ALL = firewallNamed('mirrortap', CALLER)
const ONE = firewallNamed('tms-1', CALLER)
const WHOLE: Scope = {
  availabilityZone: undefined,
  vpcEndpointAssociationArn: undefined,
  vpcEndpointId: undefined,
}
const zone = (availabilityZone: string): Scope => ({ ...WHOLE, availabilityZone })

/** Operations with a clock that stands until it is moved. */
class Bench {
  now = 1_772_366_401_250
  readonly source = new FlowStandIn()
  readonly operations: FlowOperations

  constructor(limits: Partial<FlowOperationLimits> = {}) {
    const all = { ...FLOW_OPERATION_LIMITS, ...limits }
    this.operations = new FlowOperations(this.source, () => this.now, all)
  }

  start(firewall = ALL, scope = WHOLE, type: FlowOperation['type'] = 'FLOW_CAPTURE') {
    const filters = { sent: [], filters: [] }
    return this.operations.start({ type, firewall, scope, minimumAgeSeconds: undefined, filters })
  }

  async done(count = 0, firewall = ALL): Promise<FlowOperation> {
    const operation = this.start(firewall)
    await turn()
    await this.source.answer(flowsOf(count))
    return operation
  }

  ids(firewall = ALL): string[] {
    return this.operations.list(firewall).map(({ id }) => id)
  }
}

describe('FlowOperations', () => {
  test('an operation is under way until its source has answered', async () => {
    const bench = new Bench()
    const operation = bench.start()
    expect(operation.status).toBe('IN_PROGRESS')
    await turn()
    expect(operation.status).toBe('IN_PROGRESS')
    await bench.source.answer(flowsOf(3))
    expect(operation).toMatchObject({ status: 'COMPLETED', message: undefined })
    expect(operation.flows!.length).toBe(3)
    await bench.operations.settled()
  })

  test('hands on why flows may be missing', async () => {
    const bench = new Bench()
    const operation = bench.start()
    await turn()
    await bench.source.answer(flowsOf(1), 'A receiving thread has failed')
    expect(operation.status).toBe('COMPLETED_WITH_ERRORS')
    expect(operation.message).toBe('A receiving thread has failed')
  })

  test('fails when its source does, and the next goes on', async () => {
    const bench = new Bench()
    const first = bench.start()
    const second = bench.start(ONE)
    await turn()
    await bench.source.fail()
    expect(first).toMatchObject({ status: 'FAILED', message: 'Flow operation error' })
    expect(first.flows).toBeUndefined()
    await bench.source.answer(flowsOf(1))
    expect(second.status).toBe('COMPLETED')
  })

  test.each([
    { running: WHOLE, wanted: WHOLE, free: false },
    { running: WHOLE, wanted: zone('a'), free: false },
    { running: zone('a'), wanted: WHOLE, free: false },
    { running: zone('a'), wanted: zone('a'), free: false },
    { running: zone('a'), wanted: zone('b'), free: true },
    { running: zone('a'), wanted: { ...WHOLE, vpcEndpointId: 'vpce-1' }, free: true },
  ])('takes one at a time for a firewall and zone: $running, $wanted', async (of) => {
    const bench = new Bench()
    bench.start(ALL, of.running)
    const again = () => bench.start(ALL, of.wanted, 'FLOW_FLUSH')
    if (of.free) expect(again().status).toBe('IN_PROGRESS')
    else {
      expect(again).toThrow(expect.objectContaining({ code: 'ThrottlingException', status: 400 }))
      await turn()
      await bench.source.answer(flowsOf(0))
      expect(again().status).toBe('IN_PROGRESS')
    }
    expect(bench.start(ONE, of.wanted).status).toBe('IN_PROGRESS')
  })

  test('runs them one after another, each as of its own request', async () => {
    const bench = new Bench()
    bench.start(ALL, zone('a'))
    bench.now += 5000
    bench.start(ALL, zone('b'), 'FLOW_FLUSH')
    await turn()
    expect(bench.source.asked).toHaveLength(1)
    await bench.source.answer(flowsOf(0))
    expect(bench.source.asked.map(({ what, request }) => [what, request.atSeconds])).toEqual([
      ['capture', 1_772_366_401],
      ['flush', 1_772_366_406],
    ])
  })

  test('lets so many wait and no more', async () => {
    const bench = new Bench({ waiting: 2 })
    for (const name of ['a', 'b', 'c']) bench.start(ALL, zone(name))
    const more = () => bench.start(ALL, zone('d'))
    expect(more).toThrow(expect.objectContaining({ code: 'ThrottlingException' }))
    await turn()
    await bench.source.answer(flowsOf(0))
    expect(more().status).toBe('IN_PROGRESS')
  })

  test('remembers for twelve hours', async () => {
    const bench = new Bench()
    const first = await bench.done()
    bench.now += HOUR_MS
    const second = await bench.done()
    bench.now += 11 * HOUR_MS
    expect(bench.ids()).toEqual([second.id, first.id])
    bench.now += 1
    expect(bench.ids()).toEqual([second.id])
    expect(bench.operations.find(first.id, ALL)).toBeUndefined()
    expect(bench.operations.find(second.id, ALL)).toBe(second)
  })

  test('does not forget what is under way', async () => {
    const bench = new Bench({ operations: 1 })
    const slow = bench.start()
    bench.now += 13 * HOUR_MS
    expect(bench.ids()).toEqual([slow.id])
    bench.start(ONE)
    expect(bench.ids()).toEqual([slow.id])
    await turn()
    await bench.source.answer(flowsOf(1))
    expect(bench.ids()).toEqual([])
    expect(bench.ids(ONE)).toHaveLength(1)
  })

  test('remembers so many, the latest', async () => {
    const bench = new Bench({ operations: 3 })
    const ids: string[] = []
    for (let index = 0; index < 5; index++) ids.unshift((await bench.done()).id)
    expect(bench.ids()).toEqual(ids.slice(0, 3))
  })

  test('gives up the flows of the oldest when all together are too many', async () => {
    const bench = new Bench({ resultOctets: 10 * ROW_BYTES })
    const [first, second, third] = [await bench.done(4), await bench.done(3), await bench.done(4)]
    expect(bench.source.asked[0]!.limit).toBe(10)
    expect(first).toMatchObject({ status: 'COMPLETED_WITH_ERRORS', flows: undefined })
    expect(first.message).toMatch(/^[a-zA-Z0-9- ]{1,256}$/)
    expect([second.flows!.length, third.flows!.length]).toEqual([3, 4])
    expect([second.status, third.status]).toEqual(['COMPLETED', 'COMPLETED'])
    await bench.done(10)
    expect([second.flows, third.flows]).toEqual([undefined, undefined])
  })

  test('finds an operation of its firewall alone', async () => {
    const bench = new Bench()
    const operation = await bench.done(0, ONE)
    expect(bench.operations.find(operation.id, ALL)).toBeUndefined()
    expect(bench.operations.find(operation.id, ONE)).toBe(operation)
    expect([bench.ids(ALL), bench.ids(ONE)]).toEqual([[], [operation.id]])
  })
})
