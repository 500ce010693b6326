import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { type Action, ApiError, type Caller, type Input } from '../../../src/aws/protocol/action.js'
import { ControlPlane, type ControlPlaneOptions } from '../../../src/control/control-plane.js'
import type { Change } from '../../../src/control/state.js'

export const CALLER: Caller = {
  accessKeyId: 'AKIDEXAMPLE',
  userName: 'somebody',
  arn: 'arn:aws:iam::111122223333:user/somebody',
  accountId: '111122223333',
  region: 'us-east-1',
  sourceIpAddress: '127.0.0.1',
  userAgent: '',
  requestId: '0c1d2e3f-4a5b-4c6d-8e7f-90a1b2c3d4e5',
}

/** What an action said: its answer, or why not. */
export interface Said {
  readonly status: number
  readonly code: string | undefined
  readonly message: string
  // biome-ignore lint/suspicious/noExplicitAny: an answer has the members that its action gives it
  readonly output: any
}

/** The operations on a control plane of their own, called without a network. */
export class Ec2House {
  readonly plane: ControlPlane
  readonly changes: Change[]
  readonly #actions: ReadonlyMap<string, Action>

  private constructor(plane: ControlPlane, changes: Change[]) {
    this.plane = plane
    this.changes = changes
    this.#actions = new Map(
      ec2Actions(plane, { putObject: async () => undefined }).map((action) => [
        action.name,
        action,
      ]),
    )
  }

  static async open(options: Partial<ControlPlaneOptions> = {}): Promise<Ec2House> {
    const changes: Change[] = []
    const plane = await ControlPlane.open({
      onProblem: (line) => {
        throw new Error(line)
      },
      ...options,
    })
    plane.follow((all) => void changes.push(...all))
    return new Ec2House(plane, changes)
  }

  async ask(name: string, input: Input = {}): Promise<Said> {
    try {
      const output = await this.#actions.get(name)!.run(input, CALLER)
      return { status: 200, code: undefined, message: '', output }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return { status: error.status, code: error.code, message: error.message, output: undefined }
    }
  }

  /** The answer of what must not be refused. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  async must(name: string, input: Input = {}): Promise<any> {
    const { output, code, message } = await this.ask(name, input)
    if (code !== undefined) throw new Error(`${name}: ${code}: ${message}`)
    return output
  }
}

/** One of each resource, by its id. */
export interface Furniture {
  readonly targetId: string
  readonly filterId: string
  readonly ruleId: string
  readonly sessionId: string
  readonly flowLogId: string
}

export const SOURCE = 'eni-0aa11bb22cc33dd44'
export const TARGET = 'eni-0ff00ee11dd22cc33'

/** Makes one of each. */
export async function furnish(house: Ec2House): Promise<Furniture> {
  const target = await house.must('CreateTrafficMirrorTarget', { NetworkInterfaceId: TARGET })
  const targetId = target.trafficMirrorTarget.trafficMirrorTargetId
  const filter = await house.must('CreateTrafficMirrorFilter')
  const filterId = filter.trafficMirrorFilter.trafficMirrorFilterId
  const rule = await house.must('CreateTrafficMirrorFilterRule', ruleFor(filterId, 10))
  const session = await house.must('CreateTrafficMirrorSession', {
    NetworkInterfaceId: SOURCE,
    TrafficMirrorTargetId: targetId,
    TrafficMirrorFilterId: filterId,
    SessionNumber: '1',
  })
  const flowLog = await house.must('CreateFlowLogs', flowLogFor(SOURCE))
  return {
    targetId,
    filterId,
    ruleId: rule.trafficMirrorFilterRule.trafficMirrorFilterRuleId,
    sessionId: session.trafficMirrorSession.trafficMirrorSessionId,
    flowLogId: flowLog.flowLogIdSet[0],
  }
}

/** What an ingress rule that accepts everything is created with. */
export function ruleFor(filterId: string, ruleNumber: number) {
  return {
    TrafficMirrorFilterId: filterId,
    TrafficDirection: 'ingress',
    RuleNumber: String(ruleNumber),
    RuleAction: 'accept',
    DestinationCidrBlock: '0.0.0.0/0',
    SourceCidrBlock: '0.0.0.0/0',
  }
}

/** What a flow log to S3 of an interface is created with. */
export function flowLogFor(...interfaceIds: string[]) {
  return {
    ResourceId: interfaceIds,
    ResourceType: 'NetworkInterface',
    TrafficType: 'ALL',
    LogDestinationType: 's3',
    LogDestination: 'arn:aws:s3:::flow-bucket/site-a/',
  }
}
