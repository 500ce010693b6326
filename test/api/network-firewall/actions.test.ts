import { describe, expect, test } from 'vitest'
import { networkFirewallActions } from '../../../src/api/network-firewall/actions.js'
import { FlowOperations } from '../../../src/api/network-firewall/flow-operations.js'
import { ApiError, type Input } from '../../../src/aws/protocol/action.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import { arnOf, CALLER } from './caller.js'
import { FlowStandIn, flowsOf, turn } from './flow-stand-in.js'

const NOW = 1_772_366_401_250
const ID = '6f1c2d3e-4b5a-4978-8c9d-0e1f2a3b4c5d'

interface Answer {
  FlowOperationId: string
  FlowOperationStatus: string
  FlowOperations: { FlowOperationId: string; FlowOperationType: string }[]
  Flows: { SourcePort: string }[]
  Firewalls: { FirewallArn: string; FirewallName: string }[]
  NextToken: string | undefined
}

const PLANE = await ControlPlane.open({ onProblem: (line) => expect.unreachable(line) })

class House {
  readonly source = new FlowStandIn()
  now = NOW
  readonly operations = new FlowOperations(this.source, () => this.now)
  readonly #actions = new Map(
    networkFirewallActions(this.operations, PLANE).map((action) => [action.name, action]),
  )

  async ask(name: string, input: Input): Promise<Answer> {
    return (await this.#actions.get(name)!.run(input, CALLER)) as Answer
  }

  /** Code and message of the refusal; an answer is an error of the test. */
  async refusal(name: string, input: Input): Promise<string> {
    try {
      await this.ask(name, input)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      expect(error.status).toBe(400)
      return `${error.code}: ${error.message}`
    }
    throw new Error(`${name} was not refused`)
  }

  /** Begins an operation and has it answered. */
  async done(input: Input = {}, count = 0, name = 'StartFlowCapture'): Promise<string> {
    const { FlowOperationId } = await this.ask(name, { ...START, ...input })
    await turn()
    await this.source.answer(flowsOf(count))
    return FlowOperationId
  }
}

const FIREWALL = { FirewallArn: arnOf('mirrortap') }
const START = { ...FIREWALL, FlowFilters: [] }
const ONE = { ...FIREWALL, FlowOperationId: ID }

/** The least that each takes. */
const LEAST: Record<string, Input> = {
  StartFlowCapture: START,
  StartFlowFlush: START,
  DescribeFlowOperation: ONE,
  ListFlowOperations: FIREWALL,
  ListFlowOperationResults: ONE,
}
const STARTS = ['StartFlowCapture', 'StartFlowFlush']
const OF_ONE = ['DescribeFlowOperation', 'ListFlowOperationResults']
const LISTS = ['ListFlowOperations', 'ListFlowOperationResults']
const ALL = Object.keys(LEAST)

interface Bad {
  names: readonly string[]
  member: string
  value: unknown
  says: RegExp
}

const filter = (value: unknown) => [value]
const BAD: Bad[] = [
  { names: ALL, member: 'FirewallArn', value: undefined, says: /^FirewallArn is required/ },
  { names: ALL, member: 'FirewallArn', value: 7, says: /must be a string/ },
  { names: ALL, member: 'FirewallArn', value: '', says: /1 to 256 characters/ },
  { names: ALL, member: 'FirewallArn', value: `arn:aws${'x'.repeat(250)}`, says: /1 to 256/ },
  { names: ALL, member: 'FirewallArn', value: 'firewall/mirrortap', says: /match \^arn:aws/ },
  { names: ALL, member: 'FirewallArn', value: 'arn:aws:s3:::bucket', says: /ARN of a firewall/ },
  { names: ALL, member: 'FirewallArn', value: arnOf(''), says: /ARN of a firewall/ },
  { names: ALL, member: 'AvailabilityZone', value: 1, says: /must be a string/ },
  { names: ALL, member: 'AvailabilityZone', value: '', says: /1 to 256/ },
  { names: ALL, member: 'VpcEndpointId', value: 'vpc-1', says: /match \^vpce-/ },
  { names: ALL, member: 'VpcEndpointId', value: 'vpce', says: /5 to 256/ },
  { names: ALL, member: 'VpcEndpointId', value: `vpce-${'a'.repeat(252)}`, says: /5 to 256/ },
  { names: ALL, member: 'VpcEndpointId', value: 'vpce-a-b', says: /match/ },
  { names: ALL, member: 'VpcEndpointAssociationArn', value: 'vpce', says: /match \^arn:aws/ },
  { names: ALL, member: 'VpcEndpointAssociationArn', value: [], says: /must be a string/ },
  { names: STARTS, member: 'FlowFilters', value: undefined, says: /^FlowFilters is required/ },
  { names: STARTS, member: 'FlowFilters', value: {}, says: /must be a list/ },
  { names: STARTS, member: 'FlowFilters', value: Array(21).fill({}), says: /20 is the most/ },
  { names: STARTS, member: 'FlowFilters', value: filter('x'), says: /FlowFilters\[0\]/ },
  { names: STARTS, member: 'FlowFilters', value: filter({ Port: '1' }), says: /Port is not known/ },
  {
    names: STARTS,
    member: 'FlowFilters',
    value: filter({ SourceAddress: { AddressDefinition: '10.0.0.0/33' } }),
    says: /\[0\]\.SourceAddress\.AddressDefinition "10\.0\.0\.0\/33"/,
  },
  {
    names: STARTS,
    member: 'FlowFilters',
    value: filter({ DestinationAddress: {} }),
    says: /\[0\]\.DestinationAddress must be/,
  },
  {
    names: STARTS,
    member: 'FlowFilters',
    value: filter({ SourcePort: '2:1' }),
    says: /\[0\]\.SourcePort "2:1" must be/,
  },
  {
    names: STARTS,
    member: 'FlowFilters',
    value: filter({ DestinationPort: '65536' }),
    says: /\[0\]\.DestinationPort/,
  },
  {
    names: STARTS,
    member: 'FlowFilters',
    value: [{}, { Protocols: ['256'] }],
    says: /\[1\]\.Protocols/,
  },
  {
    names: STARTS,
    member: 'FlowFilters',
    value: filter({ Protocols: Array(257).fill('6') }),
    says: /more than 256 protocols/,
  },
  ...[-1, 1.5, 2 ** 31, '60', Number.NaN].map((value) => ({
    names: STARTS,
    member: 'MinimumFlowAgeInSeconds',
    value,
    says: /whole number from 0 to 2147483647/,
  })),
  {
    names: OF_ONE,
    member: 'FlowOperationId',
    value: undefined,
    says: /FlowOperationId is required/,
  },
  { names: OF_ONE, member: 'FlowOperationId', value: 'x', says: /36 characters/ },
  { names: OF_ONE, member: 'FlowOperationId', value: ID.toUpperCase(), says: /must match/ },
  {
    names: ['ListFlowOperations'],
    member: 'FlowOperationType',
    value: 'FLUSH',
    says: /FLOW_FLUSH/,
  },
  ...[0, 101, 1.5, '5'].map((value) => ({
    names: LISTS,
    member: 'MaxResults',
    value,
    says: /whole number from 1 to 100/,
  })),
  { names: LISTS, member: 'NextToken', value: '', says: /1 to 4096/ },
  { names: LISTS, member: 'NextToken', value: 'a'.repeat(4097), says: /1 to 4096/ },
  { names: LISTS, member: 'NextToken', value: 'a-b_c', says: /must match/ },
  { names: ['ListFlowOperations'], member: 'NextToken', value: 'AAAA', says: /not valid/ },
]

describe('networkFirewallActions', () => {
  test.each(BAD.flatMap(({ names, ...rest }) => names.map((name) => ({ name, ...rest }))))(
    '$name refuses $member: $value',
    async ({ name, member, value, says }) => {
      const { [member]: _, ...others } = LEAST[name]!
      const input = value === undefined ? others : { ...others, [member]: value }
      const house = new House()
      const [code, ...words] = (await house.refusal(name, input)).split(': ')
      expect(code).toBe('InvalidRequestException')
      expect(words.join(': ')).toMatch(says)
      expect(house.source.asked).toEqual([])
    },
  )

  test.each(ALL)('%s takes one scope at most', async (name) => {
    const scopes = [
      { AvailabilityZone: 'us-east-1a' },
      { VpcEndpointId: 'vpce-1' },
      { VpcEndpointAssociationArn: 'arn:aws:network-firewall:x' },
    ]
    for (const one of scopes) {
      for (const other of scopes) {
        if (one === other) continue
        const input = { ...LEAST[name], ...one, ...other }
        expect(await new House().refusal(name, input)).toMatch(/^InvalidRequestException: Give one/)
      }
    }
  })

  test.each(ALL)('%s knows no other firewall', async (name) => {
    for (const arn of [
      arnOf('vni-8_10.0.0.1'),
      arnOf('mirrortap').replace('us-east-1', 'eu-west-1'),
      arnOf('mirrortap').replace('111122223333', '000000000000'),
      arnOf('mirrortap/x'),
    ]) {
      const input = { ...LEAST[name], FirewallArn: arn }
      expect(await new House().refusal(name, input)).toMatch(/^ResourceNotFoundException: /)
    }
  })

  test('begins an operation and says which', async () => {
    const house = new House()
    const answer = await house.ask('StartFlowCapture', {
      FirewallArn: arnOf('tms-1'),
      AvailabilityZone: 'us-east-1a',
      MinimumFlowAgeInSeconds: 60,
      FlowFilters: [{ DestinationPort: '443', Protocols: ['6'] }],
    })
    expect(answer).toEqual({
      FirewallArn: arnOf('tms-1'),
      FlowOperationId: expect.stringMatching(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/),
      FlowOperationStatus: 'IN_PROGRESS',
    })
    await turn()
    expect(house.source.asked).toEqual([
      {
        what: 'capture',
        limit: expect.any(Number),
        request: {
          session: 'tms-1',
          minimumAgeSeconds: 60,
          filters: [expect.objectContaining({ destinationPort: { low: 443, high: 443 } })],
          atSeconds: 1_772_366_401,
          atNanoseconds: 250_999_999,
        },
      },
    ])
  })

  test('asks for all sessions and all ages where nothing else is said, and for a flush', async () => {
    const house = new House()
    await house.done({}, 0, 'StartFlowFlush')
    const { what, request } = house.source.asked[0]!
    expect(what).toBe('flush')
    expect(request).toMatchObject({ session: undefined, minimumAgeSeconds: 0, filters: [] })
  })

  test('describes an operation as it was asked for', async () => {
    const house = new House()
    const sent = [{ SourceAddress: { AddressDefinition: '10.0.0.0/8' } }, { Protocols: ['17'] }]
    const { FlowOperationId } = await house.ask('StartFlowFlush', {
      ...FIREWALL,
      VpcEndpointId: 'vpce-1',
      MinimumFlowAgeInSeconds: 5,
      FlowFilters: sent,
    })
    const described = {
      ...FIREWALL,
      AvailabilityZone: undefined,
      VpcEndpointAssociationArn: undefined,
      VpcEndpointId: 'vpce-1',
      FlowOperationId,
      FlowOperationType: 'FLOW_FLUSH',
      FlowOperationStatus: 'IN_PROGRESS',
      StatusMessage: undefined,
      FlowRequestTimestamp: new Date(NOW),
      FlowOperation: { MinimumFlowAgeInSeconds: 5, FlowFilters: sent },
    }
    const ask = { ...FIREWALL, FlowOperationId }
    expect(await house.ask('DescribeFlowOperation', ask)).toEqual(described)
    await house.source.answer(flowsOf(1), 'Flows were evicted from the full flow table')
    expect(await house.ask('DescribeFlowOperation', ask)).toEqual({
      ...described,
      FlowOperationStatus: 'COMPLETED_WITH_ERRORS',
      StatusMessage: 'Flows were evicted from the full flow table',
    })
  })

  test('shows no flows before an operation is over, nor of one that failed', async () => {
    const house = new House()
    const { FlowOperationId } = await house.ask('StartFlowCapture', START)
    const ask = { ...FIREWALL, FlowOperationId }
    expect(await house.ask('ListFlowOperationResults', ask)).toMatchObject({
      FlowOperationStatus: 'IN_PROGRESS',
      Flows: [],
      NextToken: undefined,
    })
    await house.source.fail()
    expect(await house.ask('ListFlowOperationResults', ask)).toMatchObject({
      FlowOperationStatus: 'FAILED',
      StatusMessage: 'Flow operation error',
      Flows: [],
      NextToken: undefined,
    })
  })

  test('shows a flow in the words of the API', async () => {
    const house = new House()
    const { FlowOperationId } = await house.ask('StartFlowCapture', START)
    await turn()
    await house.source.answer(flowsOf(1, 1_772_366_401 - 312))
    expect(await house.ask('ListFlowOperationResults', { ...FIREWALL, FlowOperationId })).toEqual({
      ...FIREWALL,
      AvailabilityZone: undefined,
      VpcEndpointAssociationArn: undefined,
      VpcEndpointId: undefined,
      FlowOperationId,
      FlowOperationStatus: 'COMPLETED',
      StatusMessage: undefined,
      FlowRequestTimestamp: new Date(NOW),
      Flows: [
        {
          SourceAddress: { AddressDefinition: '10.0.0.1' },
          DestinationAddress: { AddressDefinition: '10.0.0.2' },
          SourcePort: '1',
          DestinationPort: '0',
          Protocol: '6',
          Age: 312,
          PacketCount: 2,
          ByteCount: 100,
        },
      ],
      NextToken: undefined,
    })
  })

  test.each([
    { count: 0, sizes: [0] },
    { count: 99, sizes: [99] },
    { count: 100, sizes: [100] },
    { count: 201, sizes: [100, 100, 1] },
    { count: 6, sizes: [3, 3], max: 3 },
    { count: 7, sizes: [3, 3, 1], max: 3 },
  ])('pages $count flows, each on one page', async ({ count, sizes, max }) => {
    const house = new House()
    const FlowOperationId = await house.done({}, count)
    const ports: number[] = []
    const lengths: number[] = []
    let token: string | undefined
    do {
      const answer = await house.ask('ListFlowOperationResults', {
        ...FIREWALL,
        FlowOperationId,
        ...(max !== undefined && { MaxResults: max }),
        ...(token !== undefined && { NextToken: token }),
      })
      expect(answer.FlowOperationStatus).toBe('COMPLETED')
      lengths.push(answer.Flows.length)
      ports.push(...answer.Flows.map(({ SourcePort }) => Number(SourcePort)))
      token = answer.NextToken
      if (token !== undefined) expect(token).toMatch(/^[0-9A-Za-z:/+=]+$/)
    } while (token !== undefined)
    expect(lengths).toEqual(sizes)
    expect(ports).toEqual(Array.from({ length: count }, (_, index) => index + 1))
  })

  test('refuses a token of another operation, another list or nobody', async () => {
    const house = new House()
    const first = await house.done({}, 5)
    const second = await house.done({}, 5)
    const page = { ...FIREWALL, MaxResults: 2 }
    const results = (FlowOperationId: string) => ({ ...page, FlowOperationId })
    const token = (await house.ask('ListFlowOperationResults', results(first))).NextToken!
    const refused = (name: string, input: Input) =>
      house.refusal(name, { NextToken: token, ...input })
    expect(await refused('ListFlowOperationResults', results(second))).toMatch(/NextToken is not/)
    expect(await refused('ListFlowOperations', page)).toMatch(/NextToken is not/)
    expect(await refused('ListFirewalls', {})).toMatch(/NextToken is not/)
    for (const made of [`${token}A`, token.replace(/^./, (c) => (c === 'A' ? 'B' : 'A')), 'Mg==']) {
      const input = { ...results(first), NextToken: made }
      expect(await house.refusal('ListFlowOperationResults', input)).toMatch(
        /^InvalidRequestException: NextToken is not valid/,
      )
    }
  })

  test('lists operations, the newest first, by type and scope', async () => {
    const house = new House()
    const a = await house.done({ AvailabilityZone: 'a' })
    const b = await house.done({ AvailabilityZone: 'b' }, 0, 'StartFlowFlush')
    const c = await house.done()
    await house.done({ FirewallArn: arnOf('tms-1') })
    const listed = async (input: Input = {}) =>
      (await house.ask('ListFlowOperations', { ...FIREWALL, ...input })).FlowOperations.map(
        ({ FlowOperationId }) => FlowOperationId,
      )
    expect(await listed()).toEqual([c, b, a])
    expect(await listed({ FlowOperationType: 'FLOW_FLUSH' })).toEqual([b])
    expect(await listed({ FlowOperationType: 'FLOW_CAPTURE' })).toEqual([c, a])
    expect(await listed({ AvailabilityZone: 'a' })).toEqual([a])
    expect(await listed({ VpcEndpointId: 'vpce-1' })).toEqual([])
    const { FlowOperations } = await house.ask('ListFlowOperations', FIREWALL)
    expect(FlowOperations[1]).toEqual({
      FlowOperationId: b,
      FlowOperationType: 'FLOW_FLUSH',
      FlowRequestTimestamp: new Date(NOW),
      FlowOperationStatus: 'COMPLETED',
    })
  })

  test('pages operations although more come meanwhile', async () => {
    const house = new House()
    const ids: string[] = []
    for (let index = 0; index < 7; index++) ids.unshift(await house.done())
    const seen: string[] = []
    let token: string | undefined
    do {
      const answer = await house.ask('ListFlowOperations', {
        ...FIREWALL,
        MaxResults: 3,
        ...(token !== undefined && { NextToken: token }),
      })
      seen.push(...answer.FlowOperations.map(({ FlowOperationId }) => FlowOperationId))
      token = answer.NextToken
      await house.done()
    } while (token !== undefined)
    expect(seen).toEqual(ids)
  })

  test('finds an operation by its own firewall and scope alone', async () => {
    const house = new House()
    const FlowOperationId = await house.done({ AvailabilityZone: 'a' })
    for (const name of OF_ONE) {
      const answer = await house.ask(name, { ...FIREWALL, FlowOperationId })
      expect(answer).toMatchObject({ AvailabilityZone: 'a' })
      for (const other of [
        { FlowOperationId, AvailabilityZone: 'b' },
        { FlowOperationId, VpcEndpointId: 'vpce-1' },
        { FlowOperationId, FirewallArn: arnOf('tms-1') },
        { FlowOperationId: ID },
      ]) {
        expect(await house.refusal(name, { ...FIREWALL, ...other })).toMatch(
          /^ResourceNotFoundException: There is no flow operation/,
        )
      }
    }
  })

  test('knows the operations on a session that is gone', async () => {
    const house = new House()
    const gone = { FirewallArn: arnOf('tms-1') }
    const FlowOperationId = await house.done(gone)
    house.source.names = []
    expect((await house.ask('ListFlowOperations', gone)).FlowOperations).toHaveLength(1)
    expect(await house.ask('DescribeFlowOperation', { ...gone, FlowOperationId })).toBeDefined()
    expect(await house.refusal('StartFlowCapture', { ...START, ...gone })).toMatch(
      /^ResourceNotFoundException: There is no firewall arn:/,
    )
  })

  test('lists the appliance and its sessions as firewalls, in pages', async () => {
    const house = new House()
    expect(await house.ask('ListFirewalls', {})).toEqual({
      Firewalls: ['mirrortap', 'tms-1', 'vni-7-10-0-0-1'].map((name) => ({
        FirewallName: name,
        FirewallArn: arnOf(name),
      })),
      NextToken: undefined,
    })
    const first = await house.ask('ListFirewalls', { MaxResults: 2 })
    expect(first.Firewalls.map(({ FirewallName }) => FirewallName)).toEqual(['mirrortap', 'tms-1'])
    const second = await house.ask('ListFirewalls', { MaxResults: 2, NextToken: first.NextToken })
    expect(second.Firewalls.map(({ FirewallName }) => FirewallName)).toEqual(['vni-7-10-0-0-1'])
    expect(second.NextToken).toBeUndefined()
    expect(await house.refusal('ListFirewalls', { MaxResults: 0 })).toMatch(/^InvalidRequest/)
  })
})
