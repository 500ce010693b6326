import { ApiError } from '../../aws/protocol/action.js'
import { isOfTransitGateway, type NewFlowLog } from '../../control/flow-logs.js'
import { isEc2Id } from '../../control/ids.js'
import { OperatorError } from '../../errors.js'
import { type LogFormat, parseLogFormat } from '../../flowlog/log-format.js'
import { fieldsOfResource } from '../../flowlog/transit-gateway-fields.js'
import { membersOf } from '../../mirror/fields.js'
import { FLOW_LOG, FLOW_LOG_PREFIXES, type FlowLog } from '../../mirror/resources.js'
import { invalid, type Parameters, type Values } from './parameters.js'
import { parametersOf } from './resource-fields.js'
import { TAG_SPECIFICATION, tagsFor } from './tag-specification.js'

/** What EC2 calls an id that does not look like one of the type. */
const MALFORMED = {
  VPC: 'InvalidVpcID.Malformed',
  Subnet: 'InvalidSubnetID.Malformed',
  NetworkInterface: 'InvalidNetworkInterfaceId.Malformed',
  TransitGateway: 'InvalidTransitGatewayID.Malformed',
  TransitGatewayAttachment: 'InvalidTransitGatewayAttachmentID.Malformed',
} as const satisfies Record<FlowLog['resourceType'], string>

/** In AWS, but nothing that Traffic Mirroring could copy the packets of. */
const NOT_MIRRORED = ['RegionalNatGateway'] as const

/** In one request, of transit gateways or their attachments. */
const TRANSIT_GATEWAYS_MAX = 25

export const FLOW_LOG_PARAMETERS = {
  /** The API's model of 2026 says 300, its page 1000. */
  ResourceId: {
    type: 'list',
    lengthMax: 1000,
    // A longer one is no id, and a client token keeps each that was refused.
    of: { type: 'string', lengthMax: 255 },
    required: true,
  },
  ...parametersOf(FLOW_LOG, 'create'),
  ResourceType: {
    type: 'choice',
    values: [...FLOW_LOG.resourceType.is.values, ...NOT_MIRRORED],
    required: true,
  },
  ...TAG_SPECIFICATION,
} as const satisfies Parameters

type FlowLogValues = Values<typeof FLOW_LOG_PARAMETERS>

/**
 * What the request asks for, of each of its resources. Throws ApiError for parameters that do not
 * go together. Whether bucket, log group, stream and role exist is not looked at.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
 */
export function flowLogOf(values: FlowLogValues): Omit<NewFlowLog, 'resourceId'> {
  const { ResourceType: resourceType, TrafficType: trafficType } = values
  if (!isMirrored(resourceType)) {
    throw new ApiError(
      'UnsupportedOperation',
      `Flow logs of ${resourceType} are not supported: only the packets of network interfaces are mirrored`,
    )
  }
  const isOfGateway = isOfTransitGateway({ resourceType })
  if (isOfGateway) checkTransitGateways(values)
  else if (trafficType === undefined) {
    throw new ApiError('MissingParameter', 'The request must contain the parameter TrafficType')
  }
  const interval = values.MaxAggregationInterval ?? (isOfGateway ? 60 : 600)
  if (interval !== 60 && interval !== 600) {
    throw new ApiError('InvalidParameter', 'Invalid Flow Log Max Aggregation Interval')
  }
  return {
    ...membersOf(FLOW_LOG, values),
    resourceType,
    trafficType,
    ...destinationOf(values),
    logFormat: logFormatOf(values),
    maxAggregationSeconds: interval,
    tags: tagsFor('vpc-flow-log', values.TagSpecification),
  }
}

/** https://docs.aws.amazon.com/vpc/latest/tgw/flow-logs-api-cli.html */
function checkTransitGateways(values: FlowLogValues): void {
  const { ResourceType: type } = values
  if (values.ResourceId.length > TRANSIT_GATEWAYS_MAX) {
    throw wrong(`ResourceId can have at most ${TRANSIT_GATEWAYS_MAX} ids of ${type}.`)
  }
  if (values.TrafficType !== undefined) {
    throw wrong(`TrafficType cannot be specified if ResourceType is ${type}.`)
  }
  if ((values.MaxAggregationInterval ?? 60) !== 60) {
    throw wrong(`MaxAggregationInterval must be 60 if ResourceType is ${type}.`)
  }
  if (values.TagFieldSpecification.length > 0) {
    throw wrong(`TagFieldSpecifications cannot be specified if ResourceType is ${type}.`)
  }
}

function isMirrored(type: FlowLogValues['ResourceType']): type is FlowLog['resourceType'] {
  return Object.hasOwn(MALFORMED, type)
}

/** Throws ApiError unless the id looks like one of that type of resource. */
export function checkResourceId(type: FlowLog['resourceType'], id: string): void {
  const prefix = FLOW_LOG_PREFIXES[type]
  if (isEc2Id(prefix, id)) return
  throw invalid(id, 'ResourceId', `Expected ${prefix}- and 17 hexadecimal digits`, MALFORMED[type])
}

function logFormatOf(values: FlowLogValues): string {
  const format = readLogFormat(values)
  for (const { name } of format.fields) {
    const [, tag, second] = /^(instance|interface|asg)-tag(-2)?$/.exec(name) ?? []
    if (tag === undefined) continue
    const resourceType = TAGGED[tag as keyof typeof TAGGED]
    const keys = values.TagFieldSpecification.filter((one) => one.ResourceType === resourceType)
    const count = keys.reduce((sum, { TagKey }) => sum + TagKey.length, 0)
    if (count >= (second === undefined ? 1 : 2)) continue
    const wanted = second === undefined ? 'a tag key' : 'two tag keys'
    throw wrong(
      `The field \${${name}} of LogFormat needs ${wanted} of ${resourceType} in TagFieldSpecifications.`,
    )
  }
  return format.text
}

/** Whose tag a field holds, by how its name begins. */
const TAGGED = {
  instance: 'instance',
  interface: 'network-interface',
  asg: 'auto-scaling-group',
} as const

function readLogFormat({ LogFormat: text, ResourceType }: FlowLogValues): LogFormat {
  try {
    return parseLogFormat(text, fieldsOfResource(ResourceType))
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    throw wrong(error.message.replace(/^t/, 'T'))
  }
}

type Destination = Pick<
  NewFlowLog,
  'destinationType' | 'destination' | 'logGroupName' | 'destinationOptions'
>

function destinationOf(values: FlowLogValues): Destination {
  const destinationType = values.LogDestinationType ?? 'cloud-watch-logs'
  if (destinationType !== 's3' && values.DestinationOptions !== undefined) {
    throw wrong('DestinationOptions can only be specified if LogDestinationType is s3.')
  }
  if (destinationType === 'cloud-watch-logs') return { destinationType, ...logGroupOf(values) }

  const { LogDestination: destination } = values
  if (values.LogGroupName !== undefined) {
    throw wrong('LogDestination type must be cloud-watch-logs if LogGroupName is provided.')
  }
  if (destination === undefined || destination === '') {
    throw wrong("LogDestination can't be empty if LogGroupName is not provided.")
  }
  if (destinationType === 'kinesis-data-firehose') {
    checkArn(destination, STREAM_ARN, 'a delivery stream')
    checkRoles(values)
    return { destinationType, destination }
  }
  if (values.DeliverLogsPermissionArn !== undefined) {
    throw wrong('DeliverLogsPermissionArn is not applicable for s3 delivery')
  }
  const folder = checkArn(destination, BUCKET_ARN, 'a bucket')[1]
  if (folder?.split('/').includes('AWSLogs')) {
    throw wrong('LogDestination cannot have a folder AWSLogs: the name is reserved.')
  }
  const { fields } = FLOW_LOG.destinationOptions.is
  const destinationOptions = membersOf(fields, values.DestinationOptions ?? {})
  return { destinationType, destination, destinationOptions }
}

/** Buckets of us-east-1 from before March 2018 may have names of up to 255 characters, `_` and capitals among them. */
const BUCKET_ARN = /^arn:aws[a-z-]*:s3:::[A-Za-z0-9._-]{3,255}(?:\/(\S*))?$/
/** With a colon, as the API's page has it, or with a slash, as ARNs of streams are. */
const STREAM_ARN = /^arn:aws[a-z-]*:firehose:[a-z0-9-]+:\d{12}:deliverystream[/:][\w.-]{1,64}$/
const LOG_GROUP_ARN =
  /^arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:([.\-_/#A-Za-z0-9]{1,512})(?::\*)?$/

function checkArn(destination: string, form: RegExp, what: string): RegExpExecArray {
  const found = form.exec(destination)
  if (found === null)
    throw wrong(`LogDestination must be the ARN of ${what}, not '${destination}'.`)
  return found
}

/** A stream of the same account needs no role, one of another account both. */
function checkRoles({ DeliverLogsPermissionArn: own, DeliverCrossAccountRole: other }: Roles) {
  if ((own === undefined) === (other === undefined)) return
  throw wrong(
    'When providing a role for cross-account delivery, both the DeliverLogsPermissionArn and DeliverCrossAccountRole fields must be set.',
  )
}

type Roles = Pick<FlowLogValues, 'DeliverLogsPermissionArn' | 'DeliverCrossAccountRole'>

function logGroupOf(values: FlowLogValues): Pick<Destination, 'destination' | 'logGroupName'> {
  const { LogDestination: destination, LogGroupName: logGroupName } = values
  if (logGroupName !== undefined && destination !== undefined) {
    throw wrong('Please only provide LogGroupName or only provide LogDestination.')
  }
  if (logGroupName === undefined && (destination === undefined || destination === '')) {
    throw wrong("LogDestination can't be empty if LogGroupName is not provided.")
  }
  const name = logGroupName ?? checkArn(destination!, LOG_GROUP_ARN, 'a log group')[1]
  if (values.DeliverLogsPermissionArn === undefined) {
    throw wrong(
      "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
    )
  }
  return { destination, logGroupName: name }
}

function wrong(message: string): ApiError {
  return new ApiError('InvalidParameter', message)
}
