import { type Command, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { formatInName } from '../../pcap/capture-name.js'
import { GENEVE_PORT } from '../../wire/geneve.js'
import { VXLAN_PORT } from '../../wire/vxlan.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { collect, integerBetween, namesOption, parseMoment } from '../options.js'
import type { FindOptions } from './options.js'

/** No word of the filter language ends so, and none is a dash. */
const CAPTURE_NAME = /\.(?:pcap|pcapng|cap)\d*(?:\.gz|\.zst)?(?:\.part)?$/

/** `mirrortap find`: packets of a capture directory, by time, session and filter. */
export function addFind(program: Command): void {
  program
    .command('find')
    .summary('packets of capture files by time, session and filter')
    .description(
      'Writes the packets of capture files that match a filter to one capture file, in the order\n' +
        'of time. Of files with an index (mirrortap index) only the parts are read that can have\n' +
        'such packets. Files that are still being written are read up to their last whole packet.',
    )
    .argument(
      '[word...]',
      'capture files, and a pcap-filter(7) expression on the mirrored frames; vni and session too',
    )
    .addOption(
      new Option(
        '--dir <directory>',
        'search the captures in and below it; once for each directory',
      ).argParser(collect),
    )
    .option(
      '--since <time>',
      'no earlier packets: 10m ago, 2026-11-30T12:00:00Z or seconds',
      parseMoment,
    )
    .option('--until <time>', 'no later packets', parseMoment)
    .option('--session <name>', 'packets of this mirror session only')
    .option('-w, --write <file>', 'write the packets to it; - is standard output')
    .option('--count', 'print how many packets there are')
    .option('--flows', 'print a table of the flows of these packets, as mirrortap flows does')
    .option(
      '--json',
      'print what was found and what was read for it as JSON; with --flows the flows',
    )
    .option(
      '--max-flows <number>',
      'with --flows: connections in the flow table; when it is full, the oldest are printed early',
      integerBetween(1, 16_777_216),
      1_048_576,
    )
    .option('-c, --limit <packets>', 'stop after so many packets', integerBetween(1, 1e15))
    .addOption(namesOption())
    .option(
      '-s, --snaplen <bytes>',
      'bytes to keep of each frame, 0 keeps all',
      integerBetween(0, 262_144),
      0,
    )
    .addOption(
      new Option('--format <format>', 'default: by the name of the file').choices([
        'pcap',
        'pcapng',
      ]),
    )
    .addOption(fileModeOption())
    .addOption(
      new Option(
        '--decap <how>',
        'auto unwraps one mirror layer (VXLAN or GENEVE) of captures that others made; none leaves packets as they are',
      )
        .choices(['auto', 'none'])
        .default('auto'),
    )
    .option(
      '--vxlan-port <number>',
      'UDP port that carries VXLAN',
      integerBetween(1, 65_535),
      VXLAN_PORT,
    )
    .option(
      '--geneve-port <number>',
      'UDP port that carries GENEVE',
      integerBetween(1, 65_535),
      GENEVE_PORT,
    )
    .addHelpText(
      'after',
      '\nFiles that listen wrote are known by their place in a directory, DIR/SESSION/TIME.pcap: their\n' +
        'frames are those that were mirrored, and stay as they are. Each file is searched by itself:\n' +
        'of a mirror datagram in fragments, all must be in one file.\n' +
        "\nExamples:\n  mirrortap find --dir captures --since '10m ago' host 10.0.0.5 -w - | tshark -r -\n" +
        "  mirrortap find --dir captures --flows --since '10m ago' tcp port 443\n" +
        "  mirrortap find --dir captures --count 'tcp port 443 and net 192.0.2.0/24'\n" +
        '  mirrortap find monday.pcap.zst tuesday.pcap vni 7 -c 100 -w first.pcapng',
    )
    .action(async (words: string[], options: FindOptions) => {
      refuseWhatMakesNoSense(options)
      const isFile = (word: string): boolean => CAPTURE_NAME.test(word)
      const expression = words.filter((word) => !isFile(word)).join(' ')
      applyFileMode(options.fileMode)
      const { find } = await import('./run.js')
      await find(words.filter(isFile), expression, options)
    })
}

/** Throws OperatorError for options that do not go together. */
function refuseWhatMakesNoSense(options: FindOptions): void {
  const refuse = (message: string): never => {
    throw new OperatorError(message, { exitCode: 2 })
  }
  const { write, count, flows, json, since, until, format } = options
  const printed = [count && '--count', flows && '--flows', json && '--json'].find(Boolean)
  if (write === undefined && !printed) {
    refuse('what is found has nowhere to go: give -w FILE, --count, --flows or --json')
  }
  if (count && flows) refuse('--flows lists packets of each flow: leave out --count')
  if (count && json) refuse('--json has the count too: leave out --count')
  if (write === '-' && printed) refuse(`-w - and ${printed} both want standard output; name a file`)
  if (write === '-' && process.stdout.isTTY) {
    refuse('standard output is a terminal: pipe it into a program, or name a file with -w')
  }
  if (since !== undefined && until !== undefined) {
    const isBackward =
      until.seconds < since.seconds ||
      (until.seconds === since.seconds && until.nanoseconds < since.nanoseconds)
    if (isBackward) refuse('--until lies before --since: no packet is between them')
  }
  const named = write === undefined ? undefined : formatInName(write)
  if (format !== undefined && named !== undefined && format !== named) {
    refuse(`${write} is called ${named}: leave out --format, or name the file differently`)
  }
}
