import type { Command } from 'commander'
import { OperatorError } from '../../errors.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { collect, integerBetween } from '../options.js'
import {
  addTimeOptions,
  captureFormatOption,
  checkCaptureOutput,
  checkTimes,
  decapOption,
  genevePortOption,
  maxFlowsOption,
  namesOption,
  snaplenOption,
  vxlanPortOption,
} from '../shared-options.js'
import type { FindOptions } from './options.js'

/** No word of the filter language ends so, and none is a dash. */
const CAPTURE_NAME = /\.(?:pcap|pcapng|cap)\d*(?:\.gz|\.zst)?(?:\.part)?$/

/** `mirrortap find`: packets of a capture directory, by time, session and filter. */
export function addFind(program: Command): void {
  const command = program
    .command('find')
    .summary('find packets of capture files by time, session and filter')
    .description(
      'Finds the packets of capture files that match a filter, and writes them to one capture file in ' +
        'the order of time, counts them or lists their flows. Of a file that has an index (see mirrortap ' +
        'index), only the parts that can hold such packets are read. Files that are still being written ' +
        'are read up to their last complete packet.',
    )
    .argument(
      '[word...]',
      'names of capture files, and the words of a pcap-filter(7) expression that the mirrored frames must match; it may also test vni and session',
    )
    .option(
      '--dir <directory>',
      'search the captures in this directory and below it; may be repeated (default: none)',
      collect,
    )
  addTimeOptions(command)
    .option(
      '--session <name>',
      'find only packets of this mirror session, such as tms-0a1b2c3d4e5f60718 or vni-7_10.0.0.9 (default: all sessions)',
    )
    .option(
      '-w, --write <file>',
      'write the packets to this capture file; - is standard output (default: not written)',
    )
    .option('--count', 'print the number of packets found')
    .option(
      '--flows',
      'print the flows of the packets found, in a table like that of mirrortap flows',
    )
    .option(
      '--json',
      'print what was found, and how much was read to find it, as JSON; with --flows, print the flows as JSON',
    )
    .addOption(maxFlowsOption('--flows prints the oldest early', 1_048_576))
    .option(
      '-c, --limit <packets>',
      'stop after this many packets (default: all)',
      integerBetween(1, 1e15),
    )
    .addOption(namesOption())
    .addOption(snaplenOption())
    .addOption(captureFormatOption())
    .addOption(fileModeOption())
    .addOption(decapOption())
    .addOption(vxlanPortOption())
    .addOption(genevePortOption())
    .addHelpText(
      'after',
      '\nCaptures of listen are recognized by their path, DIR/SESSION/TIME.pcap. Their\n' +
        'frames are unwrapped already, so --decap leaves them as they are. Each file is\n' +
        'searched on its own: a mirror datagram that was fragmented is found only if one\n' +
        'file has all its fragments.\n' +
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
    refuse(
      'nothing says what to do with the packets found: give -w FILE, --count, --flows or --json',
    )
  }
  if (count && flows) refuse('--flows shows how many packets each flow has: leave out --count')
  if (count && json) refuse('--json has the count too: leave out --count')
  if (write === '-' && printed)
    refuse(`-w - and ${printed} cannot both write to standard output: name a file`)
  checkTimes(since, until)
  if (write !== undefined) checkCaptureOutput(write, format)
}
