import { ApiError } from '../../aws/protocol/action.js'
import { isOfTransitGateway } from '../../control/flow-logs.js'
import { unknownId } from '../../control/ids.js'
import { athenaTemplate } from '../../flowlog/athena-template.js'
import { parseLogFormat } from '../../flowlog/log-format.js'
import type { FlowLog } from '../../mirror/resources.js'
import { type Operation, operation, type PutRefusal } from './operation.js'
import { invalid, type Parameters, type Values } from './parameters.js'

/** A bucket, and a folder in it where there is one. */
interface Place {
  readonly bucket: string
  readonly prefix: string
}

const ATHENA = {
  type: 'structure',
  members: {
    IntegrationResultS3DestinationArn: { type: 'string', required: true },
    PartitionLoadFrequency: {
      type: 'choice',
      required: true,
      values: ['none', 'daily', 'weekly', 'monthly'],
    },
    PartitionStartDate: { type: 'string', lengthMax: 64 },
    PartitionEndDate: { type: 'string', lengthMax: 64 },
  },
} as const

const PARAMETERS = {
  FlowLogId: { type: 'string', required: true },
  ConfigDeliveryS3DestinationArn: { type: 'string', required: true },
  IntegrateService: {
    type: 'structure',
    required: true,
    members: { AthenaIntegration: { type: 'list', required: true, lengthMax: 10, of: ATHENA } },
  },
} as const satisfies Parameters

type Integration = Values<typeof PARAMETERS>['IntegrateService']['AthenaIntegration'][number]

/**
 * Writes a CloudFormation template to the bucket that the request names, and answers with its
 * address. It does with partition projection what AWS's does with a Lambda function: how often
 * partitions are to be loaded decides only whether the days to come are among them.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetFlowLogsIntegrationTemplate.html
 */
const getFlowLogsIntegrationTemplate = operation({
  name: 'GetFlowLogsIntegrationTemplate',
  parameters: PARAMETERS,
  check: ({ ConfigDeliveryS3DestinationArn: arn, IntegrateService: { AthenaIntegration } }) => {
    placeOf(arn, 'ConfigDeliveryS3DestinationArn')
    for (const integration of AthenaIntegration) daysOf(integration, new Date())
  },
  run: async (values, { plane, caller, options }) => {
    const { FlowLogId: id, IntegrateService } = values
    const flowLog = plane.resources.flowLogs.get(id)
    if (flowLog === undefined) throw unknownId('fl', id)
    const source = sourceOf(flowLog)
    const { fields } = parseLogFormat(flowLog.logFormat)
    const template = athenaTemplate(
      id,
      IntegrateService.AthenaIntegration.map((integration) => ({
        ...source,
        ...caller,
        fields,
        fileFormat: flowLog.destinationOptions?.fileFormat ?? 'plain-text',
        hiveCompatiblePartitions: flowLog.destinationOptions?.hiveCompatiblePartitions ?? false,
        perHourPartition: flowLog.destinationOptions?.perHourPartition ?? false,
        results: resultsOf(integration),
        ...daysOf(integration, new Date(flowLog.createdAt)),
      })),
    )
    const { stringify } = await import('yaml')
    const to = placeOf(values.ConfigDeliveryS3DestinationArn, 'ConfigDeliveryS3DestinationArn')
    // As AWS names it: with the time as `date` writes it.
    const [, weekday, day, month, year, time] = /^(\w+), (\d+) (\w+) (\d+) (\S+)/.exec(
      new Date().toUTCString(),
    )!
    const name = `VPCFlowLogsIntegrationTemplate_${id}_${weekday} ${month} ${day} ${time} UTC ${year}.yml`
    const key = to.prefix === '' ? name : `${to.prefix}/${name}`
    if (options.putObject === undefined) {
      throw new ApiError('UnsupportedOperation', 'This appliance delivers nothing to S3.')
    }
    const object = { bucket: to.bucket, key, body: stringify(template) }
    const refusal = await options.putObject(object)
    if (refusal !== undefined) throw refusedBy(to.bucket, refusal)
    const path = key.split('/').map(encodeURIComponent).join('/')
    return { result: `https://${to.bucket}.s3.${caller.region}.amazonaws.com/${path}` }
  },
})

const BUCKET_ARN = /^arn:aws[a-z-]*:s3:::([A-Za-z0-9._-]{3,255})(?:\/(\S*))?$/

function placeOf(arn: string, parameter: string): Place {
  const [, bucket, folder = ''] = BUCKET_ARN.exec(arn) ?? []
  if (bucket === undefined) throw invalid(arn, parameter, 'Expected the ARN of a bucket')
  return { bucket, prefix: folder.replace(/\/+$/, '') }
}

function resultsOf({ IntegrationResultS3DestinationArn: arn }: Integration): string {
  const { bucket, prefix } = placeOf(arn, RESULT_PARAMETER)
  return prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`
}

const RESULT_PARAMETER = 'IntegrateService.AthenaIntegration.IntegrationResultS3DestinationArn'

/** Where its files are. Throws ApiError for a flow log that Athena cannot read. */
function sourceOf(flowLog: FlowLog): Place {
  if (flowLog.destinationType !== 's3') {
    throw new ApiError('InvalidParameter', `${flowLog.id} is not delivered to S3.`)
  }
  if (isOfTransitGateway(flowLog)) {
    throw new ApiError('UnsupportedOperation', 'Flow logs of transit gateways are not supported.')
  }
  return placeOf(flowLog.destination ?? '', 'LogDestination')
}

/** `since`: when the flow log was made, for who names no first day. Throws ApiError. */
function daysOf(integration: Integration, since: Date): { from: Date; until: Date | undefined } {
  const { PartitionLoadFrequency: frequency } = integration
  resultsOf(integration)
  const from = dateOf(integration.PartitionStartDate, 'PartitionStartDate')
  const until = dateOf(integration.PartitionEndDate, 'PartitionEndDate')
  if (frequency === 'none' && (from === undefined || until === undefined)) {
    throw new ApiError(
      'MissingParameter',
      'PartitionStartDate and PartitionEndDate are needed where PartitionLoadFrequency is none.',
    )
  }
  if (from !== undefined && until !== undefined && from > until) {
    throw new ApiError(
      'InvalidParameterValue',
      'PartitionStartDate must not be after PartitionEndDate.',
    )
  }
  return { from: from ?? since, until: frequency === 'none' ? until : undefined }
}

function dateOf(text: string | undefined, name: string): Date | undefined {
  if (text === undefined) return undefined
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time)) throw invalid(text, name, 'Expected a time such as 2026-11-30T10:00:00Z')
  return new Date(time)
}

function refusedBy(bucket: string, { kind, message }: PutRefusal): ApiError {
  if (kind === 'Access error') {
    return new ApiError('LogDestinationPermissionIssue', `${bucket}: ${message}`)
  }
  return new ApiError(
    'ServiceUnavailable',
    `The template was not written to ${bucket}: ${message}`,
    503,
  )
}

export const INTEGRATION_OPERATIONS: readonly Operation[] = [getFlowLogsIntegrationTemplate]
