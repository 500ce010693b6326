/**
 * Why the control plane does not do what it was asked, under the codes that EC2
 * answers with. Where the API reference and what EC2 is seen to answer spell a
 * code differently, this is what is seen.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
const REFUSALS = [
  'FlowLogAlreadyExists',
  'FlowLogsLimitExceeded',
  'IdempotentParameterMismatch',
  'InterfaceInUseByTrafficMirrorSession',
  'InterfaceInUseByTrafficMirrorTarget',
  'InvalidFlowLogId.NotFound',
  'InvalidID',
  'InvalidInstanceID.NotFound',
  'InvalidNetworkInterfaceID.NotFound',
  'InvalidParameterCombination',
  'InvalidParameterValue',
  'InvalidSubnetID.NotFound',
  'InvalidTagKey.Malformed',
  'InvalidTrafficMirrorFilterId.NotFound',
  'InvalidTrafficMirrorFilterRuleId.NotFound',
  'InvalidTrafficMirrorSessionId.NotFound',
  'InvalidTrafficMirrorTargetId.NotFound',
  'InvalidTransitGatewayAttachmentID.NotFound',
  'InvalidTransitGatewayID.NotFound',
  'InvalidVpcID.NotFound',
  'NlbInUseByTrafficMirrorTargetException',
  'OperationNotPermitted',
  'ResourceLimitExceeded',
  'ServiceUnavailable',
  'TagLimitExceeded',
  'TrafficMirrorFilterInUse',
  'TrafficMirrorFilterLimitExceeded',
  'TrafficMirrorFilterRuleAlreadyExists',
  'TrafficMirrorFilterRuleLimitExceeded',
  'TrafficMirrorSessionLimitExceeded',
  'TrafficMirrorSessionsPerInterfaceLimitExceeded',
  'TrafficMirrorSourcesPerTargetLimitExceeded',
  'TrafficMirrorTargetInUse',
  'TrafficMirrorTargetLimitExceeded',
] as const

export type RefusalCode = (typeof REFUSALS)[number]

/** Thrown by what changes the control plane; nothing was changed then. `message` is one line for the client. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode

  constructor(code: RefusalCode, message: string) {
    super(message)
    this.code = code
  }
}
