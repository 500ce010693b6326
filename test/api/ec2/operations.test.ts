import { beforeEach, describe, expect, test } from 'vitest'
import { FORMATS, type FormatName } from '../../../src/api/ec2/formats.js'
import { EC2_OPERATIONS } from '../../../src/api/ec2/operations.js'
import type { Parameter, Parameters } from '../../../src/api/ec2/parameters.js'
import type { Input } from '../../../src/aws/protocol/action.js'
import { Ec2House, type Furniture, flowLogFor, furnish, ruleFor } from './ec2-house.js'

interface Row {
  /** A request that succeeds beside the furniture. */
  happy(has: Furniture): Input
  /** The same request with an id that nothing has, for each id it takes, and the code it meets. */
  unknown?(has: Furniture): readonly (readonly [code: string, input: Input])[]
  /** Another request for the same token. */
  other?: Input
}

const NO = '0123456789abcdef0'
const session = (has: Furniture) => ({
  NetworkInterfaceId: 'eni-00000000000000002',
  TrafficMirrorTargetId: has.targetId,
  TrafficMirrorFilterId: has.filterId,
  SessionNumber: '2',
})

const template = (flowLogId: string) => ({
  FlowLogId: flowLogId,
  ConfigDeliveryS3DestinationArn: 'arn:aws:s3:::templates',
  IntegrateService: {
    AthenaIntegration: [
      {
        IntegrationResultS3DestinationArn: 'arn:aws:s3:::results',
        PartitionLoadFrequency: 'daily',
      },
    ],
  },
})

const ROWS: Record<string, Row> = {
  CreateTrafficMirrorSession: {
    happy: session,
    unknown: (has) => [
      [
        'InvalidTrafficMirrorTargetId.NotFound',
        { ...session(has), TrafficMirrorTargetId: `tmt-${NO}` },
      ],
      [
        'InvalidTrafficMirrorFilterId.NotFound',
        { ...session(has), TrafficMirrorFilterId: `tmf-${NO}` },
      ],
    ],
    other: { PacketLength: '64' },
  },
  GetFlowLogsIntegrationTemplate: {
    happy: ({ flowLogId }) => template(flowLogId),
    unknown: () => [['InvalidFlowLogId.NotFound', template(`fl-${NO}`)]],
  },
  DescribeNetworkInterfaces: {
    happy: () => ({}),
    unknown: () => [['InvalidNetworkInterfaceID.NotFound', { NetworkInterfaceId: [`eni-${NO}`] }]],
  },
  DescribeSubnets: {
    happy: () => ({}),
    unknown: () => [['InvalidSubnetID.NotFound', { SubnetId: [`subnet-${NO}`] }]],
  },
  DescribeVpcs: {
    happy: () => ({}),
    unknown: () => [['InvalidVpcID.NotFound', { VpcId: [`vpc-${NO}`] }]],
  },
  DescribeInstances: {
    happy: () => ({}),
    unknown: () => [['InvalidInstanceID.NotFound', { InstanceId: [`i-${NO}`] }]],
  },
  DescribeTrafficMirrorSessions: {
    happy: () => ({}),
    unknown: () => [
      ['InvalidTrafficMirrorSessionId.NotFound', { TrafficMirrorSessionId: [`tms-${NO}`] }],
    ],
  },
  ModifyTrafficMirrorSession: {
    happy: ({ sessionId }) => ({ TrafficMirrorSessionId: sessionId, PacketLength: '100' }),
    unknown: ({ sessionId: id }) => [
      ['InvalidTrafficMirrorSessionId.NotFound', { TrafficMirrorSessionId: `tms-${NO}` }],
      [
        'InvalidTrafficMirrorTargetId.NotFound',
        { TrafficMirrorSessionId: id, TrafficMirrorTargetId: `tmt-${NO}` },
      ],
      [
        'InvalidTrafficMirrorFilterId.NotFound',
        { TrafficMirrorSessionId: id, TrafficMirrorFilterId: `tmf-${NO}` },
      ],
    ],
  },
  DeleteTrafficMirrorSession: {
    happy: ({ sessionId }) => ({ TrafficMirrorSessionId: sessionId }),
    unknown: () => [
      ['InvalidTrafficMirrorSessionId.NotFound', { TrafficMirrorSessionId: `tms-${NO}` }],
    ],
  },
  CreateTrafficMirrorTarget: {
    happy: () => ({ NetworkInterfaceId: 'eni-00000000000000003' }),
    other: { Description: 'another' },
  },
  DescribeTrafficMirrorTargets: {
    happy: () => ({}),
    unknown: () => [
      ['InvalidTrafficMirrorTargetId.NotFound', { TrafficMirrorTargetId: [`tmt-${NO}`] }],
    ],
  },
  DeleteTrafficMirrorTarget: {
    // Not that of the session.
    happy: ({ targetId }) => ({ TrafficMirrorTargetId: targetId }),
    unknown: () => [
      ['InvalidTrafficMirrorTargetId.NotFound', { TrafficMirrorTargetId: `tmt-${NO}` }],
    ],
  },
  CreateTrafficMirrorFilter: { happy: () => ({}), other: { Description: 'another' } },
  DescribeTrafficMirrorFilters: {
    happy: () => ({}),
    unknown: () => [
      ['InvalidTrafficMirrorFilterId.NotFound', { TrafficMirrorFilterId: [`tmf-${NO}`] }],
    ],
  },
  DeleteTrafficMirrorFilter: {
    happy: ({ filterId }) => ({ TrafficMirrorFilterId: filterId }),
    unknown: () => [
      ['InvalidTrafficMirrorFilterId.NotFound', { TrafficMirrorFilterId: `tmf-${NO}` }],
    ],
  },
  ModifyTrafficMirrorFilterNetworkServices: {
    happy: (has) => ({ TrafficMirrorFilterId: has.filterId, AddNetworkService: ['amazon-dns'] }),
    unknown: () => [
      ['InvalidTrafficMirrorFilterId.NotFound', { TrafficMirrorFilterId: `tmf-${NO}` }],
    ],
  },
  CreateTrafficMirrorFilterRule: {
    happy: ({ filterId }) => ruleFor(filterId, 20),
    unknown: () => [['InvalidTrafficMirrorFilterId.NotFound', ruleFor(`tmf-${NO}`, 20)]],
    other: { RuleNumber: '21' },
  },
  DescribeTrafficMirrorFilterRules: {
    happy: () => ({}),
    unknown: () => [
      ['InvalidTrafficMirrorFilterRuleId.NotFound', { TrafficMirrorFilterRuleId: [`tmfr-${NO}`] }],
      ['InvalidTrafficMirrorFilterId.NotFound', { TrafficMirrorFilterId: `tmf-${NO}` }],
    ],
  },
  ModifyTrafficMirrorFilterRule: {
    happy: ({ ruleId }) => ({ TrafficMirrorFilterRuleId: ruleId, RuleAction: 'reject' }),
    unknown: () => [
      ['InvalidTrafficMirrorFilterRuleId.NotFound', { TrafficMirrorFilterRuleId: `tmfr-${NO}` }],
    ],
  },
  DeleteTrafficMirrorFilterRule: {
    happy: ({ ruleId }) => ({ TrafficMirrorFilterRuleId: ruleId }),
    unknown: () => [
      ['InvalidTrafficMirrorFilterRuleId.NotFound', { TrafficMirrorFilterRuleId: `tmfr-${NO}` }],
    ],
  },
  CreateFlowLogs: {
    happy: () => flowLogFor('eni-00000000000000005'),
    other: { TrafficType: 'REJECT' },
  },
  DescribeFlowLogs: { happy: () => ({}) },
  DeleteFlowLogs: { happy: ({ flowLogId }) => ({ FlowLogId: [flowLogId] }) },
  CreateTags: {
    happy: ({ sessionId, ruleId }) => ({
      ResourceId: [sessionId, ruleId],
      Tag: [{ Key: 'env', Value: 'prod' }],
    }),
    unknown: ({ sessionId }) => [
      [
        'InvalidTrafficMirrorSessionId.NotFound',
        { ResourceId: [sessionId, `tms-${NO}`], Tag: [{ Key: 'env' }] },
      ],
      [
        'InvalidTrafficMirrorFilterRuleId.NotFound',
        { ResourceId: [`tmfr-${NO}`], Tag: [{ Key: 'env' }] },
      ],
      ['InvalidFlowLogId.NotFound', { ResourceId: [`fl-${NO}`], Tag: [{ Key: 'env' }] }],
      ['InvalidID', { ResourceId: [`vol-${NO}`], Tag: [{ Key: 'env' }] }],
    ],
  },
  DeleteTags: {
    happy: ({ sessionId }) => ({ ResourceId: [sessionId], Tag: [{ Key: 'env' }] }),
    unknown: () => [
      ['InvalidTrafficMirrorTargetId.NotFound', { ResourceId: [`tmt-${NO}`] }],
      ['InvalidID', { ResourceId: ['constructor-1'] }],
    ],
  },
  DescribeTags: { happy: () => ({}) },
}

/** Text of each form, for parameters that a happy request leaves out. */
const SAMPLES: Record<FormatName, string> = {
  'network-interface-id': 'eni-0aa11bb22cc33dd44',
  'endpoint-id': 'vpce-0aa11bb22cc33dd44',
  'network-load-balancer-arn':
    'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/n/50dc6c495c0c9188',
  cidr: '10.0.0.0/8',
  'client-token': 'token',
  'role-arn': 'arn:aws:iam::111122223333:role/flow-logs',
  'log-group-name': '/aws/flow-logs',
}

function sampleOf(parameter: Parameter): unknown {
  switch (parameter.type) {
    case 'string':
      return 'text'
    case 'format':
      return SAMPLES[parameter.format]
    case 'integer':
      return String(parameter.min)
    case 'boolean':
      return 'true'
    case 'choice':
      return parameter.values[0]
    case 'list':
      return [sampleOf(parameter.of)]
    case 'structure':
      return Object.fromEntries(
        Object.entries(parameter.members).map(([name, member]) => [name, sampleOf(member)]),
      )
  }
}

/** Values that the parameter cannot have, and the code that each meets. */
function badValues(parameter: Parameter): [value: unknown, code: string][] {
  const code = 'InvalidParameterValue'
  const empty = parameter.required ? 'MissingParameter' : code
  switch (parameter.type) {
    case 'string':
      return [
        [['a', 'b'], code],
        [{ Name: 'x' }, code],
        ...(parameter.required ? [['', 'MissingParameter'] as [string, string]] : []),
        ...(parameter.lengthMax === undefined
          ? []
          : [['x'.repeat(parameter.lengthMax + 1), code] as [string, string]]),
      ]
    case 'format': {
      const malformed = FORMATS[parameter.format].code
      return [
        [parameter.format === 'client-token' ? 'x'.repeat(65) : 'non sense', malformed],
        [['text'], code],
      ]
    }
    case 'integer':
      return [
        [String(parameter.min - 1), code],
        [String(parameter.max + 1), code],
        ['one', code],
        ['1.5', code],
        ['9'.repeat(400), code],
        ['', empty],
        [['1'], code],
      ]
    case 'boolean':
      return [
        ['maybe', code],
        ['', empty],
      ]
    case 'choice':
      return [
        ['nonsense', code],
        ['', empty],
        ['constructor', code],
      ]
    case 'list':
      return [
        ['text', code],
        [{ Name: 'x' }, code],
        [new Array(parameter.lengthMax + 1).fill(sampleOf(parameter.of)), code],
      ]
    case 'structure':
      return [
        ['text', code],
        [['text'], code],
      ]
  }
}

interface Place {
  /** `TagSpecification.1.Tag.1.Key`, for the name of a test. */
  readonly path: string
  readonly parameter: Parameter
  /** The request with this value there, and without one when it is undefined. */
  put(request: Input, value: unknown): Input
}

/** Every parameter, also those within lists and structures. */
function placesIn(parameters: Parameters, prefix = ''): Place[] {
  return Object.entries(parameters).flatMap(([name, parameter]) => {
    const put = (request: Input, value: unknown): Input => {
      const { [name]: _, ...rest } = request
      return value === undefined ? rest : { ...rest, [name]: value }
    }
    const here: Place = { path: prefix + name, parameter, put }
    const isList = parameter.type === 'list'
    const inner = isList ? parameter.of : parameter
    if (inner.type !== 'structure')
      return isList && inner.type !== 'string' ? [here, within()] : [here]

    const suffix = isList ? '.1.' : '.'
    const below = placesIn(inner.members, `${prefix}${name}${suffix}`).map((place) => ({
      ...place,
      put: (request: Input, value: unknown): Input => {
        const changed = place.put(sampleOf(inner) as Input, value)
        return put(request, isList ? [changed] : changed)
      },
    }))
    return [here, ...below]

    function within(): Place {
      return {
        path: `${prefix}${name}.1`,
        parameter: inner,
        put: (request, value) => put(request, [value]),
      }
    }
  })
}

const OPERATIONS = EC2_OPERATIONS.map((operation) => ({ ...operation, row: ROWS[operation.name]! }))
const IN_USE = new Set(['DeleteTrafficMirrorTarget', 'DeleteTrafficMirrorFilter'])

describe('EC2_OPERATIONS', () => {
  let house: Ec2House
  let has: Furniture

  beforeEach(async () => {
    house = await Ec2House.open()
    has = await furnish(house)
  })

  test('are those of the table, one of each name', () => {
    expect(EC2_OPERATIONS.map(({ name }) => name).sort()).toEqual(Object.keys(ROWS).sort())
  })

  test.each(OPERATIONS)('$name does what it is for, and tells of it', async ({ name, row }) => {
    if (IN_USE.has(name)) {
      await house.must('DeleteTrafficMirrorSession', { TrafficMirrorSessionId: has.sessionId })
    }
    const before = house.changes.length
    const { status, message } = await house.ask(name, row.happy(has))
    expect({ status, message }).toEqual({ status: 200, message: '' })
    expect(house.changes.length > before).toBe(!/^(?:Describe|Get)/.test(name))
  })

  test.each(
    OPERATIONS.flatMap(({ name, parameters, row }) =>
      placesIn(parameters)
        .filter(({ parameter }) => parameter.required)
        .map((place) => ({ name, row, place, path: place.path })),
    ),
  )('$name misses $path', async ({ name, row, place }) => {
    const before = house.plane.resources
    const said = await house.ask(name, place.put(row.happy(has), undefined))
    expect(said).toMatchObject({ status: 400, code: 'MissingParameter' })
    expect(said.message).toContain(place.path)
    expect(house.plane.resources).toBe(before)
  })

  test.each(
    OPERATIONS.flatMap(({ name, parameters, row }) =>
      placesIn(parameters).map((place) => ({ name, row, place, path: place.path })),
    ),
  )('$name refuses values that $path cannot have', async ({ name, row, place }) => {
    const before = house.plane.resources
    for (const [value, code] of badValues(place.parameter)) {
      const said = await house.ask(name, place.put(row.happy(has), value))
      expect(said, JSON.stringify(value)?.slice(0, 80)).toMatchObject({ status: 400, code })
      expect(said.message.length).toBeLessThan(700)
    }
    expect(house.plane.resources).toBe(before)
  })

  test.each(OPERATIONS)(
    '$name refuses a parameter that it does not know',
    async ({ name, row }) => {
      for (const unknown of ['Nonsense', 'dryRun', '__proto__', 'constructor']) {
        const input = Object.defineProperty({ ...row.happy(has) }, unknown, {
          value: 'x',
          enumerable: true,
        })
        expect(await house.ask(name, input)).toMatchObject({
          status: 400,
          code: 'UnknownParameter',
        })
      }
    },
  )

  test.each(OPERATIONS.filter(({ row }) => row.unknown !== undefined))(
    '$name refuses ids that nothing has',
    async ({ name, row }) => {
      const before = house.plane.resources
      for (const [code, input] of row.unknown!(has)) {
        expect(await house.ask(name, input), code).toMatchObject({ status: 400, code })
      }
      expect(house.plane.resources).toBe(before)
    },
  )

  test.each(OPERATIONS)('$name only says that it would, on a dry run', async ({ name, row }) => {
    const before = house.plane.resources
    const said = await house.ask(name, { ...row.happy(has), DryRun: 'true' })
    expect(said).toMatchObject({ status: 412, code: 'DryRunOperation' })
    expect(house.plane.resources).toBe(before)
    expect(
      await house.ask(name, { ...row.happy(has), DryRun: 'false', Nonsense: '' }),
    ).toMatchObject({ code: 'UnknownParameter' })
  })

  const TOKEN_ROWS = OPERATIONS.filter(({ parameters }) => 'ClientToken' in parameters)

  test('take tokens where they create', () => {
    expect(TOKEN_ROWS.map(({ name }) => name).sort()).toEqual(
      Object.keys(ROWS)
        .filter((name) => name.startsWith('Create') && name !== 'CreateTags')
        .sort(),
    )
  })

  test.each(TOKEN_ROWS)('$name makes one thing of a token sent twice', async ({ name, row }) => {
    const request = { ...row.happy(has), ClientToken: 'token-1' }
    // Also when the second is there before the first is answered.
    const [first, second] = await Promise.all([
      house.must(name, request),
      house.must(name, request),
    ])
    const changes = house.changes.length
    expect(second).toEqual(first)
    expect(first.clientToken).toBe('token-1')
    expect(await house.must(name, request)).toEqual(first)
    expect(house.changes.length).toBe(changes)
  })

  test.each(TOKEN_ROWS)('$name refuses a token for another request', async ({ name, row }) => {
    await house.must(name, { ...row.happy(has), ClientToken: 'token-1' })
    const before = house.plane.resources
    const said = await house.ask(name, { ...row.happy(has), ...row.other, ClientToken: 'token-1' })
    expect(said).toMatchObject({ status: 400, code: 'IdempotentParameterMismatch' })
    expect(house.plane.resources).toBe(before)
  })

  test.each(TOKEN_ROWS)(
    '$name forgets a token with which it was refused',
    async ({ name, row }) => {
      const dry = { ...row.happy(has), ...row.other, ClientToken: 'token-1', DryRun: 'true' }
      expect(await house.ask(name, dry)).toMatchObject({ code: 'DryRunOperation' })
      for (const [code, input] of row.unknown?.(has) ?? []) {
        expect(await house.ask(name, { ...input, ClientToken: 'token-1' })).toMatchObject({ code })
      }
      await house.must(name, { ...row.happy(has), ClientToken: 'token-1' })
    },
  )
})
