import { type Command, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { DIALECTS } from '../../flowlog/ddl.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import { addOfflineOptions } from '../offline-options.js'
import { duplicatesOption, integerBetween } from '../options.js'
import { addMetadataOptions, fieldsText, LOG_FORMAT } from './metadata-options.js'
import type { FlowLogOptions } from './options.js'
import { startTable } from './start-table.js'

const EITHER = 'name capture files, or a stream with --from, not both'
const ONLY_STREAMS = 'only a stream can be followed: name one with --from'
const NOTHING_NAMED = 'name capture files, or a stream with --from nats://host:port/stream'

/** `mirrortap flow-log`: capture files into VPC flow log records. */
export function addFlowLog(program: Command): void {
  const command = program
    .command('flow-log')
    .summary('capture files into VPC flow log records')
    .description(
      'Reads capture files (pcap, pcapng, gzip, zstd; - is standard input) and writes VPC flow log ' +
        'records as aggregation windows close. Every record says ACCEPT: rejected traffic is never ' +
        "mirrored. Parquet files have AWS's column names and types; - in text is null there.",
    )
    .argument('[file...]', 'capture files')
    .option('--log-format <format>', LOG_FORMAT)
    .addOption(
      new Option('--max-aggregation-interval <seconds>', 'longest time that one record covers')
        .choices(['60', '600'])
        .default('600'),
    )
    .addOption(
      new Option(
        '--format <format>',
        'plain text, JSON lines or Parquet (default: by the ending of --output, else text)',
      ).choices(['text', 'json', 'parquet']),
    )
    .option(
      '-o, --output <file>',
      "where to write; - is standard output, .gz and .zst compress, and a name that ends in / is a directory for files in AWS's key layout",
      '-',
    )
    .option(
      '--hive-compatible-partitions',
      'with a directory: Hive partitions (year=2026/month=11/…) in the paths',
    )
    .option('--per-hour-partition', 'with a directory: one directory for each hour')
    .option(
      '--max-flows <number>',
      'connections in the flow table; when it is full, the oldest are reported early',
      integerBetween(1, 16_777_216),
      1_048_576,
    )
  command.addOption(fileModeOption()).addOption(duplicatesOption())
  command.addOption(
    new Option(
      '--print-ddl <engine>',
      'instead of records, the SQL that makes a table of flow logs of this format, and a view that merges what several appliances saw of a flow; name the place above AWSLogs/, such as s3://bucket/prefix/',
    ).choices(DIALECTS),
  )
  command
    .optionsGroup('From a stream:')
    .option(
      '--from <url>',
      'records that listen --deliver brought there, in place of capture files: nats://host:port/stream, up to the last one there is at the start',
    )
    .option('--follow', 'with --from: go on with records to come, until a signal')
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
