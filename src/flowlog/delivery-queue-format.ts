import { type LogFormat, parseLogFormat } from './log-format.js'

/**
 * How records wait for a destination that takes records rather than files: as lines of text whose
 * first values are for the delivery, and the rest the record as the flow log has it.
 */

/**
 * What a queue holds after the two values: the record as a line of the flow log, with the interface
 * before it; or as JSON, with the name of the session before it; or all that is known of the flow
 * (flow-line.ts), with where it was seen before it.
 */
export type QueueContent = 'lines' | 'json' | 'flows'

/** Seconds that a file of records covers: the longest time that a record waits before delivery begins. */
export const QUEUE_SECONDS = 10

/** Fields before those of the flow log: CloudWatch Logs wants a stream for each interface, and each event's time. */
const LEADING = { vpc: ['interface-id', 'start'], transitGateway: ['tgw-attachment-id', 'start'] }

/**
 * What the delivery of a flow log is called among the files below the flow logs' directory. It does
 * not hold the id: who looks for the files of a flow log by its id is to find those alone.
 */
export function deliveryNameOf(flowLogId: string): string {
  return flowLogId.replace(/^fl-/, 'flow-log-')
}

/** The format of the queue of a flow log. The version is that of the flow log. */
export function queueFormatOf(format: LogFormat): LogFormat {
  const isOf = (names: readonly string[]) =>
    names.every((name) => format.of.all.some((field) => field.name === name))
  const names = isOf(LEADING.vpc) ? LEADING.vpc : LEADING.transitGateway
  const leading = parseLogFormat(names.map((name) => `\${${name}}`).join(' '), format.of)
  return { ...format, fields: [...leading.fields, ...format.fields] }
}
