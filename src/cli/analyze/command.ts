import { type Command, Option } from 'commander'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { integerBetween, parseControl } from '../options.js'
import {
  addOfflineOptions,
  duplicatesOption,
  maxFlowsOption,
  namesOption,
} from '../shared-options.js'
import type { AnalyzeOptions } from './options.js'

/** `mirrortap analyze`: what is in capture files, and what is wrong with it. */
export function addAnalyze(program: Command): void {
  const command = program
    .command('analyze')
    .summary('summarize capture files as text, JSON or an HTML report')
    .description(
      'Summarizes capture files (pcap, pcapng, gzip, zstd; - is standard input): sessions, protocols, ' +
        'who talks to whom, TCP health, and what was lost or cut. Mirrored packets are unwrapped first.',
    )
    .argument('[file...]', 'capture files')
    .addOption(new Option('--json', 'print everything as one JSON object instead of text'))
    .option(
      '--report <file>',
      'also write an HTML page, FILE.html, that needs no network; - is standard output (default: not written)',
    )
    .option(
      '--api <url>',
      'make the rows of --report links to the dashboard of the appliance that has these packets, whose API is at this URL (default: no links)',
      parseControl,
    )
    .option('--top <number>', 'number of rows in each list', integerBetween(1, 1000), 10)
    .addOption(maxFlowsOption('the least important flows are summarized early', 1_048_576))
  command.addOption(namesOption()).addOption(duplicatesOption()).addOption(fileModeOption())
  addOfflineOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  mirrortap analyze capture.pcap\n  mirrortap analyze --report report.html *.pcap.gz\n' +
        '  mirrortap analyze --json capture.pcap | jq .tcp.gapsAcknowledged',
    )
    .action(async (named: string[], options: AnalyzeOptions) => {
      applyFileMode(options.fileMode)
      const { capturesNamed } = await import('../offline-input.js')
      const files = await capturesNamed(named, options)
      const { analyze } = await import('./run.js')
      await analyze(files, options)
    })
}
