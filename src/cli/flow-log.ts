import { type Command, Option } from 'commander'
import { addLifetimeOptions, type LifetimeCliOptions } from './lifetime-options.js'
import { addMetadataOptions } from './metadata-options.js'
import { addOfflineOptions, type OfflineCliOptions } from './offline-options.js'
import { duplicatesOption, integerBetween } from './options.js'

export interface FlowLogOptions extends OfflineCliOptions, LifetimeCliOptions {
  logFormat?: string
  maxAggregationInterval: '60' | '600'
  format: 'text' | 'json'
  output: string
  maxFlows: number
}

/** `mirrortap flow-log`: capture files into VPC flow log records. */
export function addFlowLog(program: Command): void {
  const command = program
    .command('flow-log')
    .summary('capture files into VPC flow log records')
    .description(
      'Writes the VPC flow log records of capture files (pcap, pcapng, gzip, zstd; - is standard ' +
        'input) as their aggregation windows close. Every flow is ACCEPT: what was refused is ' +
        'never mirrored.',
    )
    .argument('<file...>', 'capture files')
    .option('--log-format <format>', "such as '${srcaddr} ${dstaddr} ${bytes}'")
    .addOption(
      new Option('--max-aggregation-interval <seconds>', 'a record spans at most this')
        .choices(['60', '600'])
        .default('600'),
    )
    .addOption(
      new Option('--format <format>', 'plain text, or JSON lines')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('-o, --output <file>', '- is standard output; .gz and .zst compress', '-')
    .option('--max-flows <number>', 'connections held', integerBetween(1, 16_777_216), 1_048_576)
  command.addOption(duplicatesOption())
  addLifetimeOptions(command)
  addOfflineOptions(command)
  addMetadataOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  mirrortap flow-log capture.pcap -o flows.log.gz\n' +
        "  mirrortap flow-log capture.pcap --log-format '${srcaddr} ${dstaddr} ${tcp-flags}'",
    )
    .action(async (files: string[], options: FlowLogOptions & Record<string, unknown>) => {
      const { flowLog } = await import('./run-flow-log.js')
      await flowLog(files, options)
    })
}
