import { type Command, Option } from 'commander'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import { addOfflineOptions } from '../offline-options.js'
import { collect, duplicatesOption, integerBetween, namesOption, parseTime } from '../options.js'
import type { FlowsOptions } from './options.js'
import { parseFlowSort, SORT_FIELDS } from './order.js'

/** `mirrortap flows`: who talked to whom in capture files. */
export function addFlows(program: Command): void {
  const command = program
    .command('flows')
    .summary('flows of capture files')
    .description(
      'Lists the flows of capture files (pcap, pcapng, gzip, zstd; - is standard input): one row ' +
        'for each direction. Mirrored packets are unwrapped and kept apart by session.',
    )
    .argument('[file...]', 'capture files')
    .option('--json', 'print an array of objects instead of a table')
    .addOption(
      new Option(
        '--vertical',
        'a line for each field, with some a table has no room for',
      ).conflicts('json'),
    )
    .addOption(
      new Option(
        '--format <format>',
        'logs as other programs write them: conn.log, dns.log, ssl.log and http.log of Zeek, ' +
          "tab-separated or JSON; or Suricata's EVE (netflow, with --pairs flow; dns, tls, quic, http)",
      )
        .choices(['zeek', 'zeek-json', 'eve'])
        .conflicts(['json', 'vertical', 'open']),
    )
    .option(
      '-o, --output <path>',
      'with --format: of Zeek the directory of the logs (- is conn.log alone on standard output), of EVE the file',
      '-',
    )
    .option(
      '--pairs',
      'both directions of a connection in one row, as in conn.log of Zeek, with its conn_state and ' +
        'history: from the originator, who sent the first packet seen unless that came from the ' +
        'port of a server, to the responder',
    )
    .option(
      '--sort <field>',
      `${SORT_FIELDS}; bytes, packets and duration descend, others ascend, unless :asc or :desc ` +
        'follows (default: first)',
      parseFlowSort,
    )
    .option(
      '--top <number>',
      'print only the first rows; without --sort, those with the most bytes',
      integerBetween(1, 16_777_216),
    )
    .option(
      '--max-flows <number>',
      'connections in the flow table; when it is full, the oldest are printed early',
      integerBetween(1, 16_777_216),
      4_194_304,
    )
  command
    .option('--open', 'open flows only, as StartFlowCapture of Network Firewall sees them')
    .option(
      '--minimum-flow-age-in-seconds <number>',
      'leave out younger flows',
      integerBetween(0, 2 ** 31),
      0,
    )
    .option(
      '--flow-filters <filters>',
      'as the AWS CLI takes them, JSON or shorthand; once for each filter, OR between them',
      collect,
    )
    .option(
      '--at <time>',
      'as of this moment (decimal seconds or ISO 8601; default: the last packet)',
      parseTime,
    )
  command.addOption(namesOption()).addOption(duplicatesOption()).addOption(fileModeOption())
  addLifetimeOptions(command)
  addOfflineOptions(command)
    .addHelpText(
      'after',
      '\nOn a terminal a table is as wide as that: text is shortened, then columns are\n' +
        'left out. On a pipe it is whole.\n' +
        '\nExamples:\n  mirrortap flows capture.pcap\n  mirrortap flows --pairs --sort duration --top 10 capture.pcap\n  zcat x.pcap.gz | mirrortap flows --json -\n' +
        '  mirrortap flows --open --minimum-flow-age-in-seconds 60 \\\n' +
        '    --flow-filters DestinationPort=443,Protocols=6 x.pcap\n' +
        '  mirrortap flows --format zeek -o logs/ x.pcap\n' +
        "  mirrortap flows --format eve --pairs x.pcap | jq 'select(.tls)'",
    )
    .action(async (named: string[], options: FlowsOptions) => {
      applyFileMode(options.fileMode)
      const { capturesNamed } = await import('../offline-input.js')
      const files = await capturesNamed(named, options)
      const { flows } = await import('./run.js')
      await flows(files, options)
    })
}
