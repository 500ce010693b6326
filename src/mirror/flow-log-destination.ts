import type { FlowLog } from './resources.js'

/** What of a flow log says where its records go. */
export type NamesDestination = Pick<FlowLog, 'destinationType' | 'destination' | 'logGroupName'>

const LOG_GROUP_ARN = /^arn:[^:]*:logs:[^:]*:[^:]*:log-group:([.\-_/#A-Za-z0-9]{1,512})(?::\*)?$/

/** The log group of a flow log for CloudWatch Logs; undefined where none is named. */
export function logGroupOf(flowLog: NamesDestination): string | undefined {
  const { destinationType, destination = '', logGroupName } = flowLog
  if (destinationType !== 'cloud-watch-logs') return undefined
  return logGroupName ?? LOG_GROUP_ARN.exec(destination)?.[1]
}

/** Whether its destination takes records rather than files: they wait for it in a queue. */
export function takesRecords(flowLog: NamesDestination): boolean {
  return logGroupOf(flowLog) !== undefined
}
