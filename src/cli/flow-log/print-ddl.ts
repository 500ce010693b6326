import { OperatorError } from '../../errors.js'
import { type Dialect, flowLogDdl } from '../../flowlog/ddl.js'
import { UNKNOWN_IN_PATHS } from '../../flowlog/layout.js'
import { parseLogFormat } from '../../flowlog/log-format.js'
import { Output } from '../../sink/text-output.js'
import { metadataOf } from './metadata-options.js'
import type { FlowLogOptions } from './options.js'

/** Writes the statements for the records that such a flow log has. Throws OperatorError. */
export async function printDdl(
  dialect: Dialect,
  places: readonly string[],
  options: FlowLogOptions & Record<string, unknown>,
): Promise<void> {
  const { output, format } = options
  if (format === 'json' || output.endsWith('/')) {
    throw new OperatorError(
      '--print-ddl is for text and Parquet, and -o names the file for the statements',
      { exitCode: 2 },
    )
  }
  const values = metadataOf(options)
  const ddl = flowLogDdl(dialect, {
    format: parseLogFormat(options.logFormat),
    fileFormat: format === 'parquet' ? 'parquet' : 'plain-text',
    hiveCompatiblePartitions: options.hiveCompatiblePartitions ?? false,
    perHourPartition: options.perHourPartition ?? false,
    accountId: values['account-id'] ?? UNKNOWN_IN_PATHS,
    region: values.region ?? UNKNOWN_IN_PATHS,
    location: locationOf(dialect, places),
    windowSeconds: Number(options.maxAggregationInterval),
  })
  const out = new Output(output)
  out.write(ddl)
  await out.close()
}

/** What `AWSLogs/` is below. */
function locationOf(dialect: Dialect, places: readonly string[]): string {
  const wrong = (message: string) => new OperatorError(message, { exitCode: 2 })
  const [place = '', ...more] = places
  if (more.length > 0) throw wrong('--print-ddl takes one location of flow logs: name only one')
  if (/['\\\p{C}]/u.test(place)) {
    throw wrong(`${place}: a place with quotes or control characters cannot be in a statement`)
  }
  if (dialect === 'clickhouse') {
    if (place === '') return ''
    throw wrong('ClickHouse is given the records (INSERT): leave the place of the files out')
  }
  if (dialect !== 'duckdb' && !place.startsWith('s3://')) {
    throw wrong(`name where ${dialect} finds the flow logs, such as s3://bucket/prefix/`)
  }
  return place === '' || place.endsWith('/') ? place : `${place}/`
}
