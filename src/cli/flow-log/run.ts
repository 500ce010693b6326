import { OperatorError } from '../../errors.js'
import type { FlowRecord } from '../../flow/flow-record.js'
import { JsonLine } from '../../flowlog/json.js'
import { parseLogFormat } from '../../flowlog/log-format.js'
import { SessionMetadata } from '../../flowlog/metadata.js'
import { RecordFile, type RecordOutput } from '../../flowlog/record-output.js'
import { RecordLine } from '../../flowlog/text.js'
import { FlowThread } from '../../offline/flow-thread.js'
import { Offline } from '../../offline/offline.js'
import type { TableThread } from '../../offline/table-thread.js'
import { lifetimeOf } from '../lifetime-options.js'
import { checkNames } from '../named-files.js'
import { failWith, offlineOptions, readFiles } from '../offline-input.js'
import { checkParquetName, formatOfOutput } from '../output-format.js'
import { type Stop, stoppable } from '../process/stop.js'
import { counted, sayWritten } from '../process/written.js'
import { metadataOf } from './metadata-options.js'
import { type FlowLogOptions, FORMATS } from './options.js'

type Options = FlowLogOptions & Record<string, unknown>
type Format = NonNullable<FlowLogOptions['format']>

/** Packets may be a second late, and the window's records leave when a later one has come. */
const CLOCK_LAG_SECONDS = 2

/** Reads the files and writes their records. `table`: the thread that holds the flow table, if there is one. */
export async function flowLog(
  files: readonly string[],
  options: Options,
  table: TableThread | undefined,
): Promise<void> {
  await stoppable((stop) => logFlows(files, options, table, stop))
}

async function logFlows(
  files: readonly string[],
  options: Options,
  table: TableThread | undefined,
  stop: Stop,
): Promise<void> {
  checkNames(files, [options.output])
  const leftOut: string[] = []
  // What is wrong with it is reported before there is any output.
  const input = await offlineOptions(options, (line) => leftOut.push(line))
  const format = formatOf(options)
  const directory = directoryOf(options, format)
  const values = metadataOf(options)
  const fields = parseLogFormat(options.logFormat)
  const encoder = format === 'json' ? new JsonLine(fields) : new RecordLine(fields)
  const metadata = new SessionMetadata(values)
  if (directory === undefined) {
    const target = options.output
    const parquet = format === 'parquet'
    const prompt = files.includes('-')
    const file = await RecordFile.open({ target, encoder, metadata, parquet, prompt })
    failWith([...(await writeRecords(files, input, options, file, table, stop)), ...leftOut])
    return
  }
  const { RecordDirectory } = await import('../../flowlog/record-directory.js')
  const logs = await RecordDirectory.open({
    directory,
    layout: {
      accountId: values['account-id'],
      region: values.region,
      hiveCompatiblePartitions: options.hiveCompatiblePartitions ?? false,
      perHourPartition: options.perHourPartition ?? false,
      fileFormat: format === 'parquet' ? 'parquet' : 'plain-text',
    },
    encoder,
    metadata,
    graceSeconds: Number(options.maxAggregationInterval) + CLOCK_LAG_SECONDS,
  })
  failWith([...(await writeRecords(files, input, options, logs, table, stop)), ...leftOut])
}

async function writeRecords(
  files: readonly string[],
  input: Awaited<ReturnType<typeof offlineOptions>>,
  options: Options,
  output: RecordOutput,
  table: TableThread | undefined,
  stop: Stop,
): Promise<string[]> {
  let records = 0
  const onRecord = (record: FlowRecord) => {
    records++
    output.write(record)
  }
  let thread: FlowThread | undefined
  const flows = {
    capacity: options.maxFlows,
    lifetime: lifetimeOf(options),
    windowSeconds: Number(options.maxAggregationInterval),
    onRecord,
  }
  const offline = new Offline({
    ...input,
    ...(table === undefined
      ? { flows }
      : {
          counter: (complete) => {
            thread = new FlowThread({ thread: table, complete, onRecord })
            return thread
          },
        }),
  })
  // Records on the terminal are progress enough.
  const mayShowProgress = options.output !== '-' || process.stdout.isTTY !== true
  const written = () => output.room(thread?.handedOverSeconds ?? offline.lastSeconds)
  const room = () => {
    const counted = thread?.room(written) ?? true
    return counted === true ? written() : counted.then(written)
  }
  try {
    const problems = await readFiles(offline, files, stop, room, mayShowProgress)
    if (thread === undefined) offline.tracker!.shutdown()
    else await stop.interrupts(thread.shutdown(written))
    // A file is finished in no time; a reader may never read.
    await (options.output === '-' ? stop.interrupts(output.close()) : output.close())
    sayWritten(counted(records, 'record'), options.output)
    return problems
  } catch (error) {
    await output.discard()
    throw error
  }
}

/** Asked for, or told by the name of the file. */
function formatOf({ format, output, ...options }: Options): Format {
  const { hiveCompatiblePartitions: hive, perHourPartition: perHour } = options
  // A directory may be called anything.
  return formatOfOutput(hive || perHour ? `${output}/` : output, format, FORMATS)
}

/** The directory that `-o` names, or undefined where it names a file. */
function directoryOf(options: Options, format: string): string | undefined {
  const { output, hiveCompatiblePartitions: hive, perHourPartition: perHour } = options
  const hasPartitions = hive === true || perHour === true
  if (hasPartitions && output === '-') {
    throw new OperatorError(
      'partitions are directories: name the directory that is to have them with -o DIR/',
      {
        exitCode: 2,
      },
    )
  }
  if (!hasPartitions && !output.endsWith('/')) {
    if (format === 'parquet') checkParquetName(output)
    return undefined
  }
  if (format === 'json') {
    throw new OperatorError(
      'in a directory, flow logs are text or Parquet, as AWS writes them: name a file for JSON',
      { exitCode: 2 },
    )
  }
  return output
}
