// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { beforeEach, describe, expect, test } from 'vitest'
import type { Input } from '../../../src/aws/protocol/action.js'
import { Ec2House, type Furniture, flowLogFor, furnish, SOURCE } from './ec2-house.js'

/** What other programs rest on: what they ask, and what they must be told. */
interface Expectation {
  readonly who: string
  readonly what: string
  readonly ask: (has: Furniture) => readonly [name: string, input: Input]
  readonly code?: string
  readonly message?: string
  readonly output?: object
}

const NOTHING = 'fl-0123456789abcdef0'
const ROLE = 'arn:aws:iam::111122223333:role/flow-logs'

/** A flow log of an interface that has none yet. */
const flowLog = (more: Input): readonly [string, Input] => [
  'CreateFlowLogs',
  { ...flowLogFor('eni-00000000000000007'), ...more },
]

const TO_LOG_GROUP = {
  LogDestinationType: 'cloud-watch-logs',
  LogDestination: 'arn:aws:logs:us-east-1:111122223333:log-group:flows',
}
const TO_STREAM = {
  LogDestinationType: 'kinesis-data-firehose',
  LogDestination: 'arn:aws:firehose:us-east-1:111122223333:deliverystream:my_stream',
}
const BOTH_ROLES =
  'When providing a role for cross-account delivery, both the DeliverLogsPermissionArn and DeliverCrossAccountRole fields must be set.'
const MADE = expect.objectContaining({ flowLogIdSet: [expect.any(String)], unsuccessful: [] })
const PORTS = { FromPort: '443', ToPort: '443' }

const EXPECTATIONS: readonly Expectation[] = [
  {
    who: 'Terraform’s finder of flow logs',
    what: 'an empty list for a flow log that is gone',
    ask: () => ['DescribeFlowLogs', { FlowLogId: [NOTHING] }],
    output: { flowLogSet: [] },
  },
  {
    who: 'AWS’s CloudFormation handler',
    what: 'an empty list for what is no id of a flow log',
    ask: () => ['DescribeFlowLogs', { FlowLogId: ['nonsense'] }],
    output: { flowLogSet: [] },
  },
  {
    who: 'moto’s test of describe_flow_logs',
    what: 'those there are of the flow logs that are named',
    ask: ({ flowLogId }) => ['DescribeFlowLogs', { FlowLogId: [NOTHING, flowLogId] }],
    output: { flowLogSet: [expect.objectContaining({ flowLogStatus: 'ACTIVE' })] },
  },
  {
    who: 'moto’s test of create_flow_logs',
    what: 'an error for a duplicate',
    ask: () => ['CreateFlowLogs', flowLogFor(SOURCE)],
    code: 'FlowLogAlreadyExists',
    message:
      'Error. There is an existing Flow Log with the same configuration and log destination.',
  },
  {
    who: 'cloud-custodian',
    what: 'the same error with a client token, which stays unused',
    ask: () => ['CreateFlowLogs', { ...flowLogFor(SOURCE), ClientToken: 'again' }],
    code: 'FlowLogAlreadyExists',
  },
  {
    who: 'moto’s test of create_flow_logs',
    what: 'of a wrong interval',
    ask: () => flowLog({ MaxAggregationInterval: '10' }),
    code: 'InvalidParameter',
    message: 'Invalid Flow Log Max Aggregation Interval',
  },
  {
    who: 'moto’s test of create_flow_logs',
    what: 'of a missing destination',
    ask: () => ['CreateFlowLogs', { ...flowLogFor(SOURCE), LogDestination: '' }],
    code: 'InvalidParameter',
    message: "LogDestination can't be empty if LogGroupName is not provided.",
  },
  {
    who: 'moto’s test of create_flow_logs',
    what: 'of a log group that S3 does not go with',
    ask: () => flowLog({ LogGroupName: 'test' }),
    code: 'InvalidParameter',
    message: 'LogDestination type must be cloud-watch-logs if LogGroupName is provided.',
  },
  {
    who: 'moto’s test of create_flow_logs',
    what: 'of a log group without a role',
    ask: () => flowLog(TO_LOG_GROUP),
    code: 'InvalidParameter',
    message: "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
  },
  {
    who: 'AWS’s landing zone',
    what: 'of a role that S3 does not go with',
    ask: () => flowLog({ DeliverLogsPermissionArn: ROLE }),
    code: 'InvalidParameter',
    message: 'DeliverLogsPermissionArn is not applicable for s3 delivery',
  },
  {
    who: 'Terraform’s users of Firehose',
    what: 'of the first role alone',
    ask: () => flowLog({ ...TO_STREAM, DeliverLogsPermissionArn: ROLE }),
    code: 'InvalidParameter',
    message: BOTH_ROLES,
  },
  {
    who: 'Terraform’s users of Firehose',
    what: 'of the second role alone',
    ask: () => flowLog({ ...TO_STREAM, DeliverCrossAccountRole: ROLE }),
    code: 'InvalidParameter',
    message: BOTH_ROLES,
  },
  {
    who: 'Terraform’s users of Firehose',
    what: 'that both roles are fine',
    ask: () =>
      flowLog({ ...TO_STREAM, DeliverLogsPermissionArn: ROLE, DeliverCrossAccountRole: ROLE }),
    output: MADE,
  },
  {
    who: 'AWS’s page of CreateFlowLogs',
    what: 'that its example of a bucket is fine',
    ask: () => flowLog({ LogDestination: 'arn:aws:s3:::my_bucket/my_subfolder/' }),
    output: MADE,
  },
  {
    who: 'an owner of old buckets',
    what: 'that their names are fine',
    ask: () => flowLog({ LogDestination: `arn:aws:s3:::Logs_of.Old-${'x'.repeat(242)}` }),
    output: MADE,
  },
  {
    who: 'anybody',
    what: 'that no bucket has so long a name',
    ask: () => flowLog({ LogDestination: `arn:aws:s3:::${'x'.repeat(256)}` }),
    code: 'InvalidParameter',
  },
  {
    who: 'AWS’s page of flow log records',
    what: 'of tag fields without their keys',
    ask: () => flowLog({ LogFormat: '${srcaddr} ${instance-tag}' }),
    code: 'InvalidParameter',
    message:
      'The field ${instance-tag} of LogFormat needs a tag key of instance in TagFieldSpecifications.',
  },
  {
    who: 'AWS’s page of flow log records',
    what: 'of the keys of another resource',
    ask: () =>
      flowLog({
        LogFormat: '${asg-tag} ${interface-tag}',
        TagFieldSpecification: [{ ResourceType: 'auto-scaling-group', TagKey: ['a', 'b'] }],
      }),
    code: 'InvalidParameter',
    message:
      'The field ${interface-tag} of LogFormat needs a tag key of network-interface in TagFieldSpecifications.',
  },
  {
    who: 'AWS’s page of flow log records',
    what: 'of a second field with one key',
    ask: () =>
      flowLog({
        LogFormat: '${interface-tag-2}',
        TagFieldSpecification: [{ ResourceType: 'network-interface', TagKey: ['a'] }],
      }),
    code: 'InvalidParameter',
    message:
      'The field ${interface-tag-2} of LogFormat needs two tag keys of network-interface in TagFieldSpecifications.',
  },
  {
    who: 'AWS’s page of flow log records',
    what: 'that fields with their keys are fine',
    ask: () =>
      flowLog({
        LogFormat: '${instance-tag-2} ${instance-tag}',
        TagFieldSpecification: [{ ResourceType: 'instance', TagKey: ['a', 'b'] }],
      }),
    output: MADE,
  },
  {
    who: 'moto’s test of delete_flow_logs',
    what: 'an error where there is none of them',
    ask: () => ['DeleteFlowLogs', { FlowLogId: ['fl-1a2b3c4d', 'fl-2b3c4d5e'] }],
    code: 'InvalidFlowLogId.NotFound',
    message:
      'These flow log ids in the input list are not found: [TotalCount: 2] fl-1a2b3c4d fl-2b3c4d5e',
  },
  {
    who: 'boto3’s paginator',
    what: 'a page of one flow log',
    ask: () => ['DescribeFlowLogs', { MaxResults: '1' }],
    output: expect.objectContaining({ flowLogSet: [expect.anything()] }),
  },
  {
    who: 'a script',
    what: 'that an empty client token is none',
    ask: () => flowLog({ ClientToken: '' }),
    output: MADE,
  },
  {
    who: 'Terraform, when ports change,',
    what: 'that the protocol must be beside them',
    ask: ({ ruleId: id }) => [
      'ModifyTrafficMirrorFilterRule',
      { TrafficMirrorFilterRuleId: id, DestinationPortRange: PORTS },
    ],
    code: 'MissingParameter',
    message: 'The request must contain the parameter Protocol',
  },
  {
    who: 'Terraform, when ports change,',
    what: 'that ports beside their protocol are fine',
    ask: ({ ruleId: id }) => [
      'ModifyTrafficMirrorFilterRule',
      { TrafficMirrorFilterRuleId: id, SourcePortRange: PORTS, Protocol: '6' },
    ],
    output: expect.anything(),
  },
  {
    who: 'Terraform’s finder of sessions',
    what: 'an error for a session that is gone',
    ask: () => ['DescribeTrafficMirrorSessions', { TrafficMirrorSessionId: ['tms-00000000'] }],
    code: 'InvalidTrafficMirrorSessionId.NotFound',
  },
  {
    who: 'Terraform’s finder of targets',
    what: 'an error for a target that is gone',
    ask: () => ['DescribeTrafficMirrorTargets', { TrafficMirrorTargetId: ['tmt-00000000'] }],
    code: 'InvalidTrafficMirrorTargetId.NotFound',
  },
  {
    who: 'Terraform’s finder of filters',
    what: 'an error for a filter that is gone',
    ask: () => ['DescribeTrafficMirrorFilters', { TrafficMirrorFilterId: ['tmf-00000000'] }],
    code: 'InvalidTrafficMirrorFilterId.NotFound',
  },
]

let house: Ec2House
let has: Furniture

beforeEach(async () => {
  house = await Ec2House.open()
  has = await furnish(house)
})

describe('ec2Actions', () => {
  test.each(EXPECTATIONS)('tell $who $what', async ({ ask, code, message, output }) => {
    const said = await house.ask(...ask(has))
    expect(said).toMatchObject({ status: code === undefined ? 200 : 400, code })
    if (message !== undefined) expect(said.message).toBe(message)
    if (output !== undefined) expect(said.output).toEqual(output)
  })

  test('take two requests with an empty client token for two', async () => {
    const [name, input] = ['CreateTrafficMirrorFilter', { ClientToken: '' }] as const
    const [first, second] = [await house.must(name, input), await house.must(name, input)]
    expect(first.trafficMirrorFilter.trafficMirrorFilterId).not.toBe(
      second.trafficMirrorFilter.trafficMirrorFilterId,
    )
  })

  test('make a flow log with a token that met a duplicate before', async () => {
    const input = { ...flowLogFor(SOURCE), ClientToken: 'again' }
    expect((await house.ask('CreateFlowLogs', input)).code).toBe('FlowLogAlreadyExists')
    await house.must('DeleteFlowLogs', { FlowLogId: [has.flowLogId] })
    expect((await house.must('CreateFlowLogs', input)).flowLogIdSet.length).toBe(1)
  })
})
