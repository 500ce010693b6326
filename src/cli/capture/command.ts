import { type Command, InvalidArgumentError, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { formatInName } from '../../pcap/capture-name.js'
import { VXLAN_PORT } from '../../wire/vxlan.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import {
  collect,
  collectVnis,
  integerBetween,
  namesOption,
  parseDuration,
  parseSize,
} from '../options.js'
import { checkStats } from '../process/stats-file.js'
import { addReceivingOptions } from '../receiving-options.js'
import type { CaptureOptions } from './options.js'

const LIVE_ONLY = ['bind', 'port', 'receiver', 'receiveBuffer', 'duration']
/** No word of the filter language ends so, and none is a dash. */
const CAPTURE_NAME = /\.(?:pcap|pcapng|cap)(?:\.gz|\.zst)?$/
const FILE_ONLY = ['decap', 'vxlanPort', 'split']

/** `mirrortap capture`: packets into one capture file or to standard output, as tcpdump does. */
export function addCapture(program: Command): void {
  const command = program
    .command('capture')
    .summary('receive into one capture file or standard output')
    .description(
      'Writes the mirrored frames of all sessions, without what wrapped them, to one\n' +
        'capture file: received from the network until it is stopped, or with --read\n' +
        'taken from capture files. A file called .pcapng is pcapng, in which each session\n' +
        'is an interface; all others are pcap with nanoseconds, which holds one link\n' +
        'type. .gz and .zst compress. SIGINT, SIGTERM and SIGHUP finish the file (with\n' +
        '--read from files they leave none); a second one leaves at once. SIGUSR1 and\n' +
        'SIGUSR2 say how many packets there are.',
    )
    .argument(
      '[filter...]',
      'pcap-filter(7) expression on the mirrored frames; vni and session too',
    )
  addWriting(command)
  addReceiving(command)
  addReading(command)
  command
    .addHelpText(
      'after',
      '\nSeries of files, as tcpdump names them: with -C FILE, FILE1, FILE2, …, and with\n' +
        '-W too FILE0 … used in turn, with leading zeros; the number stands before .gz.\n' +
        'With -G FILE holds conversions of strftime(3), in UTC, for the time at which its\n' +
        'interval begins. Intervals follow each other from the start of the capture, by\n' +
        'a timer and without drift: a quiet one has its (empty) file too. With --read\n' +
        'they go by the time of the packets. With -G and -C the number starts anew in\n' +
        'each interval, and -W is for each of them.\n' +
        '\nExamples:\n  mirrortap capture -w - | tshark -r -\n' +
        "  mirrortap capture -w 'mirror-%Y%m%dT%H%M%SZ.pcap.gz' -G 10m -W 6\n" +
        '  mirrortap capture --read outer.pcap -w inner.pcapng\n' +
        "  mirrortap capture -w web.pcap 'tcp port 443 and not vni 7'",
    )
    .action(async (words: readonly string[], options: CaptureOptions) => {
      takeWords(words, options)
      refuseWhatMakesNoSense(command, options)
      applyFileMode(options.fileMode)
      if (options.stats !== undefined) checkStats(options.stats)
      if (options.read === undefined) {
        const { captureLive } = await import('./live.js')
        await captureLive(options)
      } else {
        const { captureFiles } = await import('./files.js')
        await captureFiles(options, options.read)
      }
    })
}

function addWriting(command: Command): void {
  command
    .requiredOption('-w, --write <file>', 'file to write; - is standard output')
    .option('-c, --count <packets>', 'stop after this many packets', integerBetween(1, 1e15))
    .option(
      '-s, --snaplen <bytes>',
      'bytes to keep of each frame, 0 keeps all',
      integerBetween(0, 262_144),
      0,
    )
    .addOption(fileModeOption())
    .option(
      '--vni <numbers>',
      'only these VXLAN network identifiers, such as 7 or 7,8',
      collectVnis,
    )
    .option(
      '-C, --rotate-size <size>',
      'start a new file after this size; a bare number is millions of bytes',
      parseFileSize,
    )
    .option(
      '-G, --rotate-interval <time>',
      'start a new file after this time, in whole seconds',
      parseInterval,
    )
    .option(
      '-W, --files <number>',
      'with -C: used in turn; with -G: files after which it ends',
      integerBetween(1, 1e9),
    )
    .addOption(
      new Option('--format <format>', 'format of the file (default: by its name)').choices([
        'pcap',
        'pcapng',
      ]),
    )
    .addOption(namesOption())
    .option('--stats <file>', 'write the final ledger as JSON; - is standard output')
}

function addReceiving(command: Command): void {
  addReceivingOptions(command.optionsGroup('From the network:'), 'off; with --read 6081').option(
    '--duration <time>',
    'stop after this time, such as 10m',
    parseDuration,
  )
}

function addReading(command: Command): void {
  command
    .optionsGroup('From capture files:')
    .addOption(
      new Option(
        '-r, --read <file>',
        'read this capture file (pcap, pcapng, gzip or zstd); may be repeated; - is standard input',
      )
        .argParser(collect)
        .conflicts(LIVE_ONLY),
    )
    .addOption(
      new Option('--decap <how>', 'unwrap one mirror layer (VXLAN, GENEVE), or none')
        .choices(['auto', 'none'])
        .default('auto'),
    )
    .option('--vxlan-port <number>', 'UDP port of VXLAN', integerBetween(1, 65_535), VXLAN_PORT)
    .option(
      '--split',
      'write one file per session in the directory that -w names: <session>.pcap, and not-mirrored.pcap',
    )
}

/**
 * What the words after the options are: a filter, but for names of capture files, which are read
 * with those of --read. Throws OperatorError (exit code 2) where nothing is read.
 */
function takeWords(words: readonly string[], options: CaptureOptions): void {
  const isFile = (word: string): boolean => word === '-' || CAPTURE_NAME.test(word)
  const filter = words.filter((word) => !isFile(word))
  const files = words.filter(isFile)
  if (filter.length > 0) options.filter = filter.join(' ')
  if (files.length === 0) return
  if (options.read === undefined) {
    throw new OperatorError(`${files[0]} is no filter: to read a capture file, say --read FILE`, {
      exitCode: 2,
    })
  }
  options.read.push(...files)
}

/** Throws OperatorError for options that do not go together. */
function refuseWhatMakesNoSense(command: Command, options: CaptureOptions): void {
  const refuse = (message: string): never => {
    throw new OperatorError(message, { exitCode: 2 })
  }
  for (const name of options.read === undefined ? FILE_ONLY : []) {
    if (command.getOptionValueSource(name) !== 'cli') continue
    const flag = command.options.find((option) => option.attributeName() === name)!.long
    refuse(`${flag} is for capture files: name them with --read`)
  }
  const isRotated = options.rotateSize !== undefined || options.rotateInterval !== undefined
  if (options.files !== undefined && !isRotated) {
    refuse('-W says how many files there are: give -C or -G too, which begin them')
  }
  if (options.write === '-' && isRotated) {
    refuse('standard output is one file: name one with -w, or leave out -C and -G')
  }
  if (options.write === '-' && options.stats === '-') {
    refuse('-w - and --stats - both want standard output; name a file')
  }
  if (options.split === true && (options.write === '-' || isRotated)) {
    refuse('--split writes one file a session: give -w a directory, and neither -C nor -G')
  }
  if (options.write === '-' && process.stdout.isTTY) {
    refuse('standard output is a terminal: pipe it into a program, or name a file with -w')
  }
  const named = options.split === true ? undefined : formatInName(options.write)
  if (options.format !== undefined && named !== undefined && options.format !== named) {
    refuse(`${options.write} is called ${named}: leave out --format, or name the file differently`)
  }
}

/** As tcpdump's -C: a bare number is millions; k, m and g are powers of 1024. */
function parseFileSize(text: string): number {
  const bare = /^\s*\d+(\.\d+)?\s*$/.test(text)
  return parseSize(
    bare ? `${text}MB` : text.replace(/(?<=\d\s*)[mg]$/, (unit) => unit.toUpperCase()),
  )
}

function parseInterval(text: string): number {
  const seconds = parseDuration(text)
  if (!Number.isInteger(seconds)) {
    throw new InvalidArgumentError('Give whole seconds, such as 60, 60s or 10m.')
  }
  return seconds
}
