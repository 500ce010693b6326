import { type Command, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { collect, integerBetween, parseSize, parseWholeSeconds } from '../options.js'
import { checkStats } from '../process/stats-file.js'
import {
  addReceivingOptions,
  captureFormatOption,
  checkCaptureOutput,
  decapOption,
  durationOption,
  namesOption,
  snaplenOption,
  statsOption,
  vniOption,
  vxlanPortOption,
} from '../shared-options.js'
import type { CaptureOptions } from './options.js'

const LIVE_ONLY = ['bind', 'port', 'receiver', 'receiveBuffer', 'duration']
/** No word of the filter language ends so, and none is a dash. */
const CAPTURE_NAME = /\.(?:pcap|pcapng|cap)(?:\.gz|\.zst)?$/
const FILE_ONLY = ['decap', 'vxlanPort', 'split']

/** `mirrortap capture`: packets into one capture file or to standard output, as tcpdump does. */
export function addCapture(program: Command): void {
  const command = program
    .command('capture')
    .summary('receive mirrored traffic into one capture file')
    .description(
      'Writes the mirrored frames of all sessions, without their outer headers, to one capture file. ' +
        'The packets come from the network, or with --read from capture files. A file whose name ends in ' +
        '.pcapng is pcapng, with an interface for each session; any other is pcap with nanoseconds, ' +
        'which holds a single link type. Names that end in .gz and .zst are compressed. SIGINT, SIGTERM ' +
        'and SIGHUP finish the file, or remove it if it is made from capture files; a second signal ' +
        'stops at once. SIGUSR1 and SIGUSR2 print how many packets there are.',
    )
    .argument(
      '[filter...]',
      'pcap-filter(7) expression that mirrored frames must match; it may also test vni and session',
    )
  addWriting(command)
  addReceiving(command)
  addReading(command)
  command
    .addHelpText(
      'after',
      '\nA series of files is named as tcpdump names it. With -C the files are FILE,\n' +
        'FILE1, FILE2 and so on; with -C and -W they are FILE0 and so on, with leading\n' +
        'zeros, and are overwritten in turn. The number stands before .gz. With -G, FILE\n' +
        'has conversions of strftime(3), which become the start of the interval in UTC.\n' +
        'Intervals follow one another from the start of the capture, and one without\n' +
        'packets has an empty file. With --read, intervals are those of the times of the\n' +
        'packets. With -G and -C, the numbers start again in each interval, and -W\n' +
        'counts the files of one interval.\n' +
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
    .requiredOption('-w, --write <file>', 'capture file to write; - is standard output (required)')
    .option(
      '-c, --count <packets>',
      'stop after this many packets (default: no limit)',
      integerBetween(1, 1e15),
    )
    .addOption(snaplenOption())
    .addOption(fileModeOption())
    .addOption(vniOption())
    .option(
      '-C, --rotate-size <size>',
      'start a new file when one reaches this size; a number without a unit is in millions of bytes (default: one file)',
      parseFileSize,
    )
    .option(
      '-G, --rotate-interval <time>',
      'start a new file after this time, in whole seconds (default: one file)',
      parseWholeSeconds,
    )
    .option(
      '-W, --files <number>',
      'with -C: use this many files in turn; with -G: stop after this many files (default: no limit)',
      integerBetween(1, 1e9),
    )
    .addOption(captureFormatOption())
    .addOption(namesOption())
    .addOption(statsOption())
}

function addReceiving(command: Command): void {
  addReceivingOptions(command.optionsGroup('From the network:'), 'off; with --read 6081').addOption(
    durationOption(),
  )
}

function addReading(command: Command): void {
  command
    .optionsGroup('From capture files:')
    .addOption(
      new Option(
        '-r, --read <file>',
        'read this capture file (pcap, pcapng, gzip, zstd; - is standard input); may be repeated (default: receive from the network)',
      )
        .argParser(collect)
        .conflicts(LIVE_ONLY),
    )
    .addOption(decapOption())
    .addOption(vxlanPortOption())
    .option(
      '--split',
      'write a file for each session, <session>.pcap, and one for all other packets, not-mirrored.pcap, to the directory that -w names',
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
    throw new OperatorError(
      `${files[0]} is not a filter: to read a capture file, give --read FILE`,
      {
        exitCode: 2,
      },
    )
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
    refuse('-W limits the number of files: give -C or -G too, which start new ones')
  }
  if (options.write === '-' && isRotated) {
    refuse('standard output is one file: name one with -w, or leave out -C and -G')
  }
  if (options.write === '-' && options.stats === '-') {
    refuse('-w - and --stats - cannot both write to standard output: name a file')
  }
  if (options.split === true && (options.write === '-' || isRotated)) {
    refuse('--split writes one file a session: give -w a directory, and neither -C nor -G')
  }
  checkCaptureOutput(options.write, options.split === true ? undefined : options.format)
}

/** As tcpdump's -C: a bare number is millions; k, m and g are powers of 1024. */
function parseFileSize(text: string): number {
  const bare = /^\s*\d+(\.\d+)?\s*$/.test(text)
  return parseSize(
    bare ? `${text}MB` : text.replace(/(?<=\d\s*)[mg]$/, (unit) => unit.toUpperCase()),
  )
}
