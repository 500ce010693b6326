import type { Command } from 'commander'
import { addOfflineOptions, type OfflineCliOptions } from './offline-options.js'
import { integerBetween } from './options.js'

export interface FlowsOptions extends OfflineCliOptions {
  json?: true
  maxFlows: number
}

/** `mirrortap flows`: who talked to whom in capture files. */
export function addFlows(program: Command): void {
  const command = program
    .command('flows')
    .summary('flows of capture files')
    .description(
      'Lists the flows of capture files (pcap, pcapng, gzip, zstd; - is standard input): one row\n' +
        'for each direction. Mirrored packets are unwrapped and kept apart by session.',
    )
    .argument('<file...>', 'capture files')
    .option('--json', 'an array of objects in place of a table')
    .option(
      '--max-flows <number>',
      'connections held at most; beyond, the oldest are put out early',
      integerBetween(1, 16_777_216),
      4_194_304,
    )
  addOfflineOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  mirrortap flows capture.pcap\n  zcat x.pcap.gz | mirrortap flows --json -',
    )
    .action(async (files: string[], options: FlowsOptions) => {
      const { flows } = await import('./run-flows.js')
      await flows(files, options)
    })
}
