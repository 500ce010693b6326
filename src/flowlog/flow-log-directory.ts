import type { FlowRecord } from '../flow/flow-record.js'
import type { FlowLogDestination } from './flow-log-destination.js'
import type { FlowLogLayout } from './layout.js'
import { LogDirectory, type LogDirectoryOptions } from './log-directory.js'
import type { SessionMetadata } from './metadata.js'
import { endSeconds } from './record-values.js'

export interface FlowLogDirectoryOptions
  extends Omit<LogDirectoryOptions<FlowRecord, SessionMetadata>, 'name' | 'secondOf'> {
  layout: FlowLogLayout
}

/** The files of a flow log below a directory: each has the records that end in its five minutes. */
export class FlowLogDirectory
  extends LogDirectory<FlowRecord, SessionMetadata>
  implements FlowLogDestination
{
  constructor(options: FlowLogDirectoryOptions) {
    super({ ...options, name: 'flow logs', secondOf: endSeconds })
  }
}
