import type { FlowLog } from './resources.js'

/** What of a flow log says where its records go. */
export type NamesDestination = Pick<FlowLog, 'destinationType' | 'destination' | 'logGroupName'>

const LOG_GROUP_ARN = /^arn:[^:]*:logs:[^:]*:[^:]*:log-group:([.\-_/#A-Za-z0-9]{1,512})(?::\*)?$/
/** With a colon, as EC2's reference has it, or with a slash, as ARNs of streams are. */
const STREAM_ARN = /^arn:[^:]*:firehose:[^:]*:[^:]*:deliverystream[/:]([\w.-]{1,64})$/

/** The log group of a flow log for CloudWatch Logs; undefined where none is named. */
export function logGroupOf(flowLog: NamesDestination): string | undefined {
  const { destinationType, destination = '', logGroupName } = flowLog
  if (destinationType !== 'cloud-watch-logs') return undefined
  return logGroupName ?? LOG_GROUP_ARN.exec(destination)?.[1]
}

/** The delivery stream of a flow log for Firehose; undefined where none is named. */
export function deliveryStreamOf(flowLog: NamesDestination): string | undefined {
  const { destinationType, destination = '' } = flowLog
  if (destinationType !== 'kinesis-data-firehose') return undefined
  return STREAM_ARN.exec(destination)?.[1]
}

/** The region that the ARN of its log group or delivery stream names; buckets have none in theirs. */
export function regionOfDestination({ destination = '' }: NamesDestination): string | undefined {
  return /^arn:[^:]*:(?:logs|firehose):([a-z0-9-]+):/.exec(destination)?.[1]
}

/** Whether its destination takes records rather than files: they wait for it in a queue. */
export function takesRecords(flowLog: NamesDestination): boolean {
  return (logGroupOf(flowLog) ?? deliveryStreamOf(flowLog)) !== undefined
}
