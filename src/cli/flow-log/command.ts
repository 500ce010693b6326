import { type Command, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { DIALECTS } from '../../flowlog/ddl.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import {
  addOfflineOptions,
  addPartitionOptions,
  aggregationOption,
  duplicatesOption,
  logFormatOption,
  maxFlowsOption,
} from '../shared-options.js'
import { addMetadataOptions, fieldsText } from './metadata-options.js'
import type { FlowLogOptions } from './options.js'
import { startTable } from './start-table.js'

const EITHER = 'name capture files, or a stream with --from, not both'
const ONLY_STREAMS = 'only a stream can be followed: name one with --from'
const NOTHING_NAMED = 'name capture files, or a stream with --from nats://host:port/stream'

/** `mirrortap flow-log`: capture files into VPC flow log records. */
export function addFlowLog(program: Command): void {
  const command = program
    .command('flow-log')
    .summary('make VPC flow log records of capture files')
    .description(
      'Reads capture files (pcap, pcapng, gzip, zstd; - is standard input) and writes VPC flow log ' +
        'records as aggregation windows close. Every record says ACCEPT, because rejected traffic is ' +
        "never mirrored. Parquet files have AWS's column names and types, and null where text has -.",
    )
    .argument('[file...]', 'capture files')
    .addOption(logFormatOption())
    .addOption(aggregationOption())
    .addOption(
      new Option(
        '--format <format>',
        'plain text, JSON lines or Parquet (default: from the name of --output, else text)',
      ).choices(['text', 'json', 'parquet']),
    )
    .option(
      '-o, --output <file>',
      "file to write to: - is standard output, names in .gz and .zst compress, and a name that ends in / is a directory to fill with files in AWS's key layout",
      '-',
    )
  addPartitionOptions(command)
    .addOption(maxFlowsOption('the oldest flows are reported early', 1_048_576))
    .addOption(fileModeOption())
    .addOption(duplicatesOption())
    .addOption(
      new Option(
        '--print-ddl <engine>',
        'print SQL instead of records: it makes a table of the flow logs in the place that the argument names, such as s3://bucket/prefix/ (the part before AWSLogs/), and a view that merges the records that several appliances have of a flow (default: print records)',
      ).choices(DIALECTS),
    )
    .optionsGroup('From a stream:')
    .option(
      '--from <url>',
      'instead of capture files, read the records that listen --deliver sent to this NATS stream before now: nats://host:port/stream (default: read capture files)',
    )
    .option('--follow', 'with --from: also read the records to come, until interrupted')
  addLifetimeOptions(command)
  addOfflineOptions(command)
  addMetadataOptions(command)
    .addHelpText(
      'after',
      () =>
        `\n${fieldsText()}\n` +
        '\nExamples:\n  mirrortap flow-log capture.pcap -o flows.log.gz\n' +
        "  mirrortap flow-log capture.pcap --log-format '${srcaddr} ${dstaddr} ${tcp-flags}'\n" +
        '  tcpdump -i eth0 -U -w - | mirrortap flow-log --max-aggregation-interval 60 -\n' +
        '  mirrortap flow-log *.pcap --format parquet --hive-compatible-partitions -o logs/\n' +
        '  mirrortap flow-log --from nats://10.0.0.5:4222/flows --follow --format json',
    )
    .action(async (named: string[], options: FlowLogOptions & Record<string, unknown>) => {
      applyFileMode(options.fileMode)
      if (options.printDdl !== undefined) {
        const { printDdl } = await import('./print-ddl.js')
        return printDdl(options.printDdl, named, options)
      }
      if (options.from !== undefined) {
        if (named.length > 0 || options.dir) throw new OperatorError(EITHER, { exitCode: 2 })
        const { flowLogFrom } = await import('./from.js')
        return flowLogFrom(options.from, options)
      }
      if (options.follow === true) throw new OperatorError(ONLY_STREAMS, { exitCode: 2 })
      if (named.length === 0 && !options.dir)
        throw new OperatorError(NOTHING_NAMED, { exitCode: 2 })
      const { dir, since, until } = options
      let files: readonly string[] = named
      if ((dir ?? since ?? until) !== undefined) {
        const { capturesNamed } = await import('../offline-input.js')
        files = await capturesNamed(named, options)
      }
      const table = startTable(files, options)
      try {
        const { flowLog } = await import('./run.js')
        await flowLog(files, options, table)
      } finally {
        await table?.terminate()
      }
    })
}
