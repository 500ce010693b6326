import { JsonLine } from '../flowlog/json.js'
import { parseLogFormat } from '../flowlog/log-format.js'
import { SessionMetadata } from '../flowlog/metadata.js'
import { RecordWriter } from '../flowlog/record-writer.js'
import { RecordLine } from '../flowlog/text.js'
import { Offline } from '../session/offline.js'
import type { FlowLogOptions } from './flow-log.js'
import { lifetimeOf } from './lifetime-options.js'
import { metadataOf } from './metadata-options.js'
import { failWith, offlineOptions, readFiles } from './offline-options.js'
import { Output } from './output.js'

/** Reads the files and writes their records. */
export async function flowLog(
  files: readonly string[],
  options: FlowLogOptions & Record<string, unknown>,
): Promise<void> {
  const fields = parseLogFormat(options.logFormat)
  const encoder = options.format === 'json' ? new JsonLine(fields) : new RecordLine(fields)
  const metadata = new SessionMetadata(metadataOf(options))
  const output = new Output(options.output)
  const writer = new RecordWriter(output.sink, encoder)
  const streaming = files.includes('-')

  const offline = new Offline({
    ...offlineOptions(options),
    flows: {
      capacity: options.maxFlows,
      lifetime: lifetimeOf(options),
      windowSeconds: Number(options.maxAggregationInterval),
      onRecord: (record) => {
        offline.session(record.session).completeRecord(record)
        writer.write(record, metadata)
      },
    },
  })
  const reading = readFiles(offline, files, () => {
    if (streaming) output.sink.flush()
    if (!output.open) return false
    return output.full ? output.room() : true
  })
  const problems = await reading.catch(async (error) => {
    await output.discard()
    throw error
  })
  offline.tracker!.shutdown()
  writer.writeHeader()
  await output.close()
  failWith(problems)
}
