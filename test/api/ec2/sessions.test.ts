import { beforeEach, describe, expect, test } from 'vitest'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { Ec2House, type Furniture, furnish, SOURCE, TARGET } from './ec2-house.js'

const eni = (number: number): string => `eni-${String(number).padStart(17, '0')}`
const NLB =
  'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/n/50dc6c495c0c9188'

let house: Ec2House
let has: Furniture

beforeEach(async () => {
  house = await Ec2House.open()
  has = await furnish(house)
})

const wanted = (more: object = {}) => ({
  NetworkInterfaceId: eni(1),
  TrafficMirrorTargetId: has.targetId,
  TrafficMirrorFilterId: has.filterId,
  SessionNumber: '1',
  ...more,
})

async function createdSession(more: object = {}) {
  return (await house.must('CreateTrafficMirrorSession', wanted(more))).trafficMirrorSession
}

const modify = (more: object) =>
  house.ask('ModifyTrafficMirrorSession', { TrafficMirrorSessionId: has.sessionId, ...more })

describe('CreateTrafficMirrorSession', () => {
  test('shows what it was given, and nothing of what it was not', async () => {
    const plain = await createdSession({ VirtualNetworkId: '7' })
    expect(plain).toEqual({
      trafficMirrorSessionId: expect.stringMatching(/^tms-[0-9a-f]{17}$/),
      trafficMirrorTargetId: has.targetId,
      trafficMirrorFilterId: has.filterId,
      networkInterfaceId: eni(1),
      ownerId: '111122223333',
      sessionNumber: 1,
      virtualNetworkId: 7,
      tagSet: [],
    })
  })

  test.each([
    ['0', '1', '1'],
    ['16777215', '8500', '32766'],
  ])('takes VNI %s, length %s and number %s', async (vni, length, number) => {
    const session = await createdSession({
      VirtualNetworkId: vni,
      PacketLength: length,
      SessionNumber: number,
    })
    expect(session).toMatchObject({
      virtualNetworkId: Number(vni),
      packetLength: Number(length),
      sessionNumber: Number(number),
    })
  })

  test('draws VNIs that no session has, and lets clients choose one twice', async () => {
    const vnis = new Set<number>()
    for (let at = 1; at <= 60; at++) {
      const { virtualNetworkId: vni } = await createdSession({ NetworkInterfaceId: eni(at) })
      expect(vni).toBeGreaterThan(0)
      expect(vni).toBeLessThan(2 ** 24)
      vnis.add(vni)
    }
    expect(vnis.size).toBe(60)
    const [twice] = vnis
    const chosen = { NetworkInterfaceId: eni(61), VirtualNetworkId: String(twice) }
    expect((await createdSession(chosen)).virtualNetworkId).toBe(twice)
  })

  test('cuts at 8500 for a network load balancer, unless told otherwise', async () => {
    const { trafficMirrorTarget: target } = await house.must('CreateTrafficMirrorTarget', {
      NetworkLoadBalancerArn: NLB,
    })
    const to = { TrafficMirrorTargetId: target.trafficMirrorTargetId }
    expect((await createdSession(to)).packetLength).toBe(8500)
    const cut = { ...to, NetworkInterfaceId: eni(2), PacketLength: '64' }
    const { packetLength, trafficMirrorSessionId: id } = await createdSession(cut)
    expect(packetLength).toBe(64)
    const { trafficMirrorSession: whole } = await house.must('ModifyTrafficMirrorSession', {
      TrafficMirrorSessionId: id,
      RemoveField: ['packet-length'],
    })
    expect(whole.packetLength).toBe(8500)
  })

  test('takes three sessions of an interface, with numbers of their own', async () => {
    expect(
      await house.ask('CreateTrafficMirrorSession', wanted({ NetworkInterfaceId: SOURCE })),
    ).toMatchObject({ code: 'InvalidParameterValue', status: 400 })
    for (const SessionNumber of ['2', '3']) {
      await createdSession({ NetworkInterfaceId: SOURCE, SessionNumber })
    }
    const fourth = wanted({ NetworkInterfaceId: SOURCE, SessionNumber: '4' })
    expect(await house.ask('CreateTrafficMirrorSession', fourth)).toMatchObject({
      code: 'TrafficMirrorSessionsPerInterfaceLimitExceeded',
      status: 400,
    })
  })

  test('refuses an interface that is a target', async () => {
    const said = await house.ask(
      'CreateTrafficMirrorSession',
      wanted({ NetworkInterfaceId: TARGET }),
    )
    expect(said).toMatchObject({ code: 'InterfaceInUseByTrafficMirrorTarget', status: 400 })
  })

  test('keeps to the quotas of sessions, and of sources for a target that is an interface', async () => {
    house = await Ec2House.open({
      quotas: { ...AWS_QUOTAS, sessions: 3, sourcesPerInterfaceTarget: 2 },
    })
    has = await furnish(house)
    await createdSession()
    // An interface again is no source more.
    await createdSession({ SessionNumber: '2' })
    expect(
      await house.ask('CreateTrafficMirrorSession', wanted({ SessionNumber: '3' })),
    ).toMatchObject({
      code: 'TrafficMirrorSessionLimitExceeded',
    })
    await house.must('DeleteTrafficMirrorSession', { TrafficMirrorSessionId: has.sessionId })
    await createdSession({ NetworkInterfaceId: eni(2) })
    house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, sourcesPerInterfaceTarget: 1 } })
    has = await furnish(house)
    expect(await house.ask('CreateTrafficMirrorSession', wanted())).toMatchObject({
      code: 'TrafficMirrorSourcesPerTargetLimitExceeded',
    })
  })

  test('answers a repeated request with what has become of the session since', async () => {
    const request = wanted({ ClientToken: 'again' })
    const first = await house.must('CreateTrafficMirrorSession', request)
    const id = first.trafficMirrorSession.trafficMirrorSessionId
    await house.must('ModifyTrafficMirrorSession', {
      TrafficMirrorSessionId: id,
      Description: 'new',
    })
    const again = await house.must('CreateTrafficMirrorSession', request)
    expect(again.trafficMirrorSession).toEqual({
      ...first.trafficMirrorSession,
      description: 'new',
    })
    await house.must('DeleteTrafficMirrorSession', { TrafficMirrorSessionId: id })
    expect(await house.ask('CreateTrafficMirrorSession', request)).toMatchObject({
      code: 'InvalidTrafficMirrorSessionId.NotFound',
    })
    expect(house.plane.resources.sessions.size).toBe(1)
  })
})

describe('ModifyTrafficMirrorSession', () => {
  test('changes what is named and leaves the rest, tags too', async () => {
    await house.must('CreateTags', { ResourceId: [has.sessionId], Tag: [{ Key: 'a', Value: 'b' }] })
    const before = house.plane.resources.sessions.get(has.sessionId)!
    const { output } = await modify({ SessionNumber: '5', Description: '' })
    expect(output.trafficMirrorSession).toMatchObject({ sessionNumber: 5, description: '' })
    const after = { ...before, sessionNumber: 5, description: '' }
    expect(house.plane.resources.sessions.get(has.sessionId)).toEqual(after)
    expect(house.changes.at(-1)).toEqual({ table: 'sessions', id: has.sessionId, before, after })
  })

  test('puts removed fields back to their defaults', async () => {
    await modify({ VirtualNetworkId: '9', PacketLength: '10', Description: 'x' })
    const { output } = await modify({
      RemoveField: ['packet-length', 'description', 'virtual-network-id'],
    })
    const { virtualNetworkId, ...rest } = output.trafficMirrorSession
    expect(virtualNetworkId).not.toBe(9)
    expect(rest).not.toHaveProperty('packetLength', expect.anything())
    expect(rest).not.toHaveProperty('description', expect.anything())
  })

  test.each([
    [{ PacketLength: '5', RemoveField: ['packet-length'] }, 'InvalidParameterCombination'],
    [{ RemoveField: ['session-number'] }, 'InvalidParameterValue'],
    [{ NetworkInterfaceId: SOURCE }, 'UnknownParameter'],
  ])('refuses %j', async (more, code) => {
    expect(await modify(more)).toMatchObject({ code, status: 400 })
  })

  test('refuses the number of another session of the interface, and takes its own', async () => {
    await createdSession({ NetworkInterfaceId: SOURCE, SessionNumber: '2' })
    expect(await modify({ SessionNumber: '2' })).toMatchObject({ code: 'InvalidParameterValue' })
    expect(await modify({ SessionNumber: '1' })).toMatchObject({ status: 200 })
  })
})
