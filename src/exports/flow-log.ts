/**
 * VPC flow log records as AWS writes them.
 *
 * @module mirrortap/flow-log
 */

export { type LogFormat, parseLogFormat } from '../flowlog/log-format.js'
export type { MetadataValues } from '../flowlog/metadata.js'
export { type FlowLogOptions, flowLog } from '../library/capture-files.js'
export type { FlowLogRecord } from '../library/flow-log-record.js'
