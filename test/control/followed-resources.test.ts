import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ControlPlane } from '../../src/control/control-plane.js'
import { type FollowedResources, follow, unfollow } from '../../src/control/followed-resources.js'
import { deleteSession } from '../../src/control/sessions.js'
import type { Change } from '../../src/control/state.js'
import { Ec2House, flowLogFor } from '../api/ec2/ec2-house.js'
import { FILTER, INTERFACE, SESSION, TARGET } from '../mirror/sample-resources.js'
import { temporaryDirectory } from '../support/temporary.js'

const SOURCE = 'http://192.0.2.1:4780 for tmt-00000000000000001'
const ALL: FollowedResources = {
  interfaces: [INTERFACE],
  targets: [TARGET],
  filters: [FILTER],
  sessions: [SESSION],
}

async function open(options: Partial<Parameters<typeof ControlPlane.open>[0]> = {}) {
  const changes: Change[] = []
  const plane = await ControlPlane.open({
    onProblem: (line) => expect.unreachable(line),
    ...options,
  })
  plane.follow((some) => void changes.push(...some))
  const take = async (resources: FollowedResources, sessionsMax = 10) => {
    changes.length = 0
    await plane.change((draft) => follow(draft, SOURCE, resources, sessionsMax))
    return changes.map(({ id, before, after }) => {
      const what = before === undefined ? 'made' : after === undefined ? 'gone' : 'changed'
      return `${id} ${what}`
    })
  }
  return { plane, take, changes }
}

describe('follow', () => {
  test('makes, changes and removes what it must, what is named before what names it', async () => {
    const { plane, take } = await open()
    expect(await take(ALL)).toEqual(
      [INTERFACE, TARGET, FILTER, SESSION].map(({ id }) => `${id} made`),
    )
    expect(await take(structuredClone(ALL))).toEqual([])
    const retagged = { ...INTERFACE, tags: [{ key: 'Name', value: 'web-2' }] }
    expect(await take({ ...ALL, interfaces: [retagged] })).toEqual([`${INTERFACE.id} changed`])
    const other = { ...SESSION, id: 'tms-00000000000000002', sessionNumber: 2 }
    expect(await take({ ...ALL, interfaces: [retagged], sessions: [other] })).toEqual([
      `${SESSION.id} gone`,
      `${other.id} made`,
    ])
    expect(await take({ interfaces: [], targets: [TARGET], filters: [], sessions: [] })).toEqual(
      [other, FILTER, INTERFACE].map(({ id }) => `${id} gone`),
    )
    expect([...plane.followed!.ids]).toEqual([TARGET.id])
  })

  test('leaves alone what is not followed, and what the configuration declares', async () => {
    const { plane, take } = await open({ interfaces: [{ ...INTERFACE, addresses: ['10.9.9.9'] }] })
    plane.declare({ targets: [{ ...TARGET, description: 'declared' }] })
    expect(await take(ALL)).toEqual([FILTER, SESSION].map(({ id }) => `${id} made`))
    expect(plane.interfaces.get(INTERFACE.id)!.addresses).toEqual(['10.9.9.9'])
    await plane.change(unfollow)
    expect(plane.followed).toBeUndefined()
    const { targets, interfaces, sessions, filters } = plane.resources
    expect([targets.size, interfaces.size, sessions.size, filters.size]).toEqual([1, 1, 0, 0])
  })

  test('refuses more sessions than there is room for, and changes nothing then', async () => {
    const { plane, take } = await open()
    const sessions = [1, 2, 3].map((number) => ({
      ...SESSION,
      id: `tms-0000000000000000${number}`,
      sessionNumber: number,
    }))
    await expect(take({ ...ALL, sessions }, 2)).rejects.toThrow(
      'there are 3 mirror sessions, and at most 2 are possible: remove some',
    )
    expect(plane.resources.sessions.size + plane.resources.targets.size).toBe(0)
  })

  test('is kept in the state file, with what came of it', async () => {
    const stateFile = join(temporaryDirectory(), 'state.json')
    const first = await open({ stateFile })
    await first.take(ALL)
    const modified = { ...SESSION, packetLength: 96 }
    await first.take({ ...ALL, sessions: [modified] })
    // Without a close, as a process that was killed leaves it.
    const second = await open({ stateFile })
    expect(second.plane.followed).toMatchObject({ source: SOURCE })
    expect(second.plane.resources.sessions.get(SESSION.id)).toEqual(modified)
    expect(second.plane.interfaces.get(INTERFACE.id)).toEqual(INTERFACE)
    expect(await second.take({ ...ALL, sessions: [modified] })).toEqual([])
    await expect(second.plane.change((draft) => deleteSession(draft, SESSION.id))).rejects.toThrow(
      `${SESSION.id} is followed from ${SOURCE}: change it there`,
    )
  })
})

describe('what is followed', () => {
  test('cannot be changed by the API, while flow logs of it can be made and deleted', async () => {
    const house = await Ec2House.open()
    await house.plane.change((draft) => follow(draft, SOURCE, ALL, 10))
    const before = house.plane.resources
    const rule = FILTER.rules[0]!.id
    for (const [name, input] of [
      ['DeleteTrafficMirrorSession', { TrafficMirrorSessionId: SESSION.id }],
      ['ModifyTrafficMirrorSession', { TrafficMirrorSessionId: SESSION.id, PacketLength: '64' }],
      ['DeleteTrafficMirrorFilterRule', { TrafficMirrorFilterRuleId: rule }],
      ['ModifyTrafficMirrorFilterRule', { TrafficMirrorFilterRuleId: rule, RuleNumber: '99' }],
      [
        'ModifyTrafficMirrorFilterNetworkServices',
        { TrafficMirrorFilterId: FILTER.id, RemoveNetworkService: ['amazon-dns'] },
      ],
      ['CreateTags', { ResourceId: [TARGET.id], Tag: [{ Key: 'a', Value: 'b' }] }],
      ['DeleteTags', { ResourceId: [SESSION.id] }],
    ] as const) {
      expect(await house.ask(name, input), name).toMatchObject({
        status: 400,
        code: 'OperationNotPermitted',
        message: expect.stringContaining(`is followed from ${SOURCE}: change it there`),
      })
    }
    expect(house.plane.resources).toBe(before)

    const { networkInterfaceSet } = await house.must('DescribeNetworkInterfaces')
    expect(networkInterfaceSet).toHaveLength(1)
    const vpc = { ...flowLogFor(INTERFACE.vpcId!), ResourceType: 'VPC' }
    const { flowLogIdSet } = await house.must('CreateFlowLogs', vpc)
    expect(await house.must('DeleteFlowLogs', { FlowLogId: flowLogIdSet })).toEqual({
      unsuccessful: [],
    })
  })
})
