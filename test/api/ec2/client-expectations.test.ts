import { beforeEach, describe, expect, test } from 'vitest'
import type { Input } from '../../../src/aws/protocol/action.js'
import { Ec2House, type Furniture, furnish } from './ec2-house.js'

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
})
