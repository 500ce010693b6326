import { type Command, Option } from 'commander'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addOfflineOptions } from '../offline-options.js'
import { duplicatesOption, integerBetween, namesOption, parseControl } from '../options.js'
import type { AnalyzeOptions } from './options.js'

/** `mirrortap analyze`: what is in capture files, and what is wrong with it. */
export function addAnalyze(program: Command): void {
  const command = program
    .command('analyze')
    .summary('summary of capture files: terminal, JSON or an HTML report')
    .description(
      'Sums up capture files (pcap, pcapng, gzip, zstd; - is standard input): sessions, protocols, ' +
        'who talks to whom, TCP health, what was lost or cut. Mirrored packets are unwrapped.',
    )
    .argument('[file...]', 'capture files')
    .addOption(new Option('--json', 'print everything as one JSON object instead of text'))
    .option(
      '--report <file>',
      'also write an HTML page that needs no network: FILE.html or .htm; - is standard output',
    )
    .option(
      '--api <url>',
      'the appliance that has the packets, whose dashboard the rows of --report link to',
      parseControl,
    )
    .option('--top <number>', 'rows in each list', integerBetween(1, 1000), 10)
    .option(
      '--max-flows <number>',
      'connections in the flow table; when it is full, the least important are summed up early',
      integerBetween(1, 16_777_216),
      1_048_576,
    )
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
