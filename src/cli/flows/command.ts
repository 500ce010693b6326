import { type Command, Option } from 'commander'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import { collect, integerBetween, parseTime } from '../options.js'
import {
  addOfflineOptions,
  duplicatesOption,
  maxFlowsOption,
  namesOption,
} from '../shared-options.js'
import type { FlowsOptions } from './options.js'
import { parseFlowSort, SORT_FIELDS } from './order.js'

/** `mirrortap flows`: who talked to whom in capture files. */
export function addFlows(program: Command): void {
  const command = program
    .command('flows')
    .summary('list the flows of capture files')
    .description(
      'Lists the flows of capture files (pcap, pcapng, gzip, zstd; - is standard input): one row ' +
        'for each direction. Mirrored packets are unwrapped and kept apart by session.',
    )
    .argument('[file...]', 'capture files')
    .option('--json', 'print an array of objects instead of a table')
    .addOption(
      new Option(
        '--vertical',
        'print each row as lines, one for each field, including fields that the table leaves out',
      ).conflicts('json'),
    )
    .addOption(
      new Option(
        '--format <format>',
        "write the logs of another program: Zeek's (conn, dns, ssl, http, ssh, smtp, kerberos, ntlm, smb_mapping), tab-separated (zeek) or " +
          "as JSON (zeek-json); or Suricata's EVE (eve), with netflow events, or flow events with --pairs, and dns, " +
          'tls, quic, http, ssh, smtp, krb5 and smb events (default: a table)',
      )
        .choices(['zeek', 'zeek-json', 'eve'])
        .conflicts(['json', 'vertical', 'open']),
    )
    .option(
      '-o, --output <path>',
      "with --format: the directory for Zeek's logs or the file for EVE; - is standard output, on which of Zeek's logs only conn.log is printed",
      '-',
    )
    .option(
      '--pairs',
      "print both directions of a connection in one row, as Zeek's conn.log does, with its conn_state and history. The " +
        'originator is the sender of the first packet, unless that packet came from the port of a server',
    )
    .option(
      '--sort <field>',
      `sort by one of ${SORT_FIELDS}; bytes, packets and duration descend and others ascend, unless :asc or :desc ` +
        'follows the field (default: first)',
      parseFlowSort,
    )
    .option(
      '--top <number>',
      'print only this many rows; without --sort, those with the most bytes (default: all)',
      integerBetween(1, 16_777_216),
    )
    .addOption(maxFlowsOption('the oldest flows are printed early', 4_194_304))
    .option(
      '--open',
      'print only flows that are still open, as StartFlowCapture of AWS Network Firewall does',
    )
    .option(
      '--minimum-flow-age-in-seconds <number>',
      'print only flows that are at least this old',
      integerBetween(0, 2 ** 31),
      0,
    )
    .option(
      '--flow-filters <filters>',
      'print only flows that match this filter, in JSON or shorthand as the AWS CLI takes it; may be repeated, and then one match is enough (default: all flows)',
      collect,
    )
    .option(
      '--at <time>',
      'the moment at which flows are open and have an age, in seconds since 1970 or as 2026-11-30T12:00:00Z (default: the last packet)',
      parseTime,
    )
  command.addOption(namesOption()).addOption(duplicatesOption()).addOption(fileModeOption())
  addLifetimeOptions(command)
  addOfflineOptions(command)
    .addHelpText(
      'after',
      '\nA table fits the terminal: text is shortened first, then columns are left out.\n' +
        'In a pipe or a file it is complete.\n' +
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
