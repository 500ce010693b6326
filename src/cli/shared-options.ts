import { type Command, Option } from 'commander'
import { OperatorError } from '../errors.js'
import type { PointInTime } from '../offline/offline.js'
import { formatInName } from '../pcap/capture-name.js'
import type { CaptureFormat } from '../pcap/capture-writer.js'
import type { DuplicateMode } from '../session/duplicates.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import {
  collect,
  collectVnis,
  integerBetween,
  parseDuration,
  parseMoment,
  parsePort,
  parseSize,
} from './options.js'

/** Options that more than one command has. Each is declared here once. */

/** What the commands that read capture files share. */
export interface OfflineCliOptions {
  dir?: string[]
  since?: PointInTime
  until?: PointInTime
  decap: 'auto' | 'none'
  vxlanPort: number
  genevePort: number
  vni?: number[]
  /** pcap-filter(7). */
  filter?: string
  /** Of the commands that count flows. */
  duplicates?: DuplicateMode
}

const parseUdpPort = integerBetween(1, 65_535)

export function addOfflineOptions(command: Command): Command {
  command
    .optionsGroup('What to read:')
    .option(
      '--dir <directory>',
      'also read the finished captures in this directory and below it; may be repeated (default: none)',
      collect,
    )
  return addTimeOptions(command)
    .addOption(vniOption())
    .option(
      '--filter <expression>',
      'take only packets whose mirrored frame matches this pcap-filter(7) expression, which may also test vni and session (default: all packets)',
    )
    .addOption(decapOption())
    .addOption(vxlanPortOption())
    .addOption(genevePortOption())
}

export function addTimeOptions(command: Command): Command {
  return command
    .option(
      '--since <time>',
      "leave out packets before this time: '10m ago', 2026-11-30T12:00:00Z or seconds since 1970; an index (mirrortap index) saves reading them (default: the first packet)",
      parseMoment,
    )
    .option(
      '--until <time>',
      'leave out packets after this time (default: the last packet)',
      parseMoment,
    )
}

/** Throws OperatorError (exit code 2) where no time is between the two. */
export function checkTimes(since: PointInTime | undefined, until: PointInTime | undefined): void {
  if (since === undefined || until === undefined) return
  const seconds = until.seconds - since.seconds
  if (seconds > 0 || (seconds === 0 && until.nanoseconds >= since.nanoseconds)) return
  throw wrong('--until is before --since, so no packet can match: change one of them')
}

export function decapOption(): Option {
  return new Option(
    '--decap <how>',
    'auto removes one mirror layer (VXLAN or GENEVE) from packets that have one; none leaves all packets as they are',
  )
    .choices(['auto', 'none'])
    .default('auto')
}

export function vxlanPortOption(): Option {
  return new Option('--vxlan-port <number>', 'UDP destination port of VXLAN in the files')
    .argParser(parseUdpPort)
    .default(VXLAN_PORT)
}

export function genevePortOption(): Option {
  return new Option('--geneve-port <number>', 'UDP destination port of GENEVE in the files')
    .argParser(parseUdpPort)
    .default(GENEVE_PORT)
}

export function vniOption(): Option {
  return new Option(
    '--vni <numbers>',
    'take only packets with these VXLAN network identifiers, such as 7 or 7,8; may be repeated (default: all packets)',
  ).argParser(collectVnis)
}

/** What the commands that receive share. `geneveDefault` says what goes without --geneve-port. */
export function addReceivingOptions(command: Command, geneveDefault: string): Command {
  return command
    .addOption(bindOption())
    .addOption(portOption())
    .option(
      '--geneve-port <number>',
      `UDP port to receive GENEVE on; 0 picks a free one (default: ${geneveDefault})`,
      parsePort,
    )
    .addOption(
      new Option(
        '--receiver <name>',
        'how to receive: recvmmsg is faster and needs Linux and koffi, dgram works everywhere, auto takes recvmmsg where it works',
      )
        .choices(['auto', 'recvmmsg', 'dgram'])
        .default('auto'),
    )
    .addOption(receiveBufferOption())
}

export function bindOption(): Option {
  return new Option(
    '--bind <address>',
    'local address to receive on; :: receives IPv6 and IPv4',
  ).default('0.0.0.0')
}

export function portOption(): Option {
  return new Option('--port <number>', 'UDP port to receive VXLAN on; 0 picks a free one')
    .argParser(parsePort)
    .default(VXLAN_PORT)
}

export function receiveBufferOption(): Option {
  return new Option(
    '--receive-buffer <size>',
    'socket receive buffer to request from the kernel, which may grant less',
  )
    .argParser(parseSize)
    .default(parseSize('64MiB'), '64MiB')
}

/** `whenFull`: what becomes of the oldest flows. */
export function maxFlowsOption(whenFull: string, usual: number): Option {
  return new Option(
    '--max-flows <number>',
    `size of the flow table, in connections; when it is full, ${whenFull}`,
  )
    .argParser(integerBetween(1, 16_777_216))
    .default(usual)
}

export function duplicatesOption(): Option {
  return new Option(
    '--duplicates <what>',
    'what to do with the second copy of a packet that was mirrored at both ends: keep treats it like any other, mark keeps it out of flows and marks it in pcapng files, drop discards it',
  )
    .choices(['keep', 'mark', 'drop'])
    .default('keep')
}

export function namesOption(): Option {
  return new Option(
    '--no-names',
    'do not name addresses; by default they have the names that DNS, TLS, QUIC and HTTP in the same packets give them',
  )
}

export function captureFormatOption(): Option {
  return new Option(
    '--format <format>',
    'format of the capture file (default: pcapng if its name says so, else pcap)',
  ).choices(['pcap', 'pcapng'])
}

/** Throws OperatorError (exit code 2) for a terminal, and for a name of another format. */
export function checkCaptureOutput(write: string, format: CaptureFormat | undefined): void {
  if (write === '-' && process.stdout.isTTY) {
    throw wrong('standard output is a terminal: pipe it into a program, or name a file with -w')
  }
  const named = formatInName(write)
  if (format === undefined || named === undefined || format === named) return
  throw wrong(`${write} is called ${named}: leave out --format, or name the file differently`)
}

export function snaplenOption(): Option {
  return new Option('-s, --snaplen <bytes>', 'bytes to keep of each frame; 0 keeps all')
    .argParser(integerBetween(0, 262_144))
    .default(0)
}

export function statsOption(): Option {
  return new Option(
    '--stats <file>',
    'write the final ledger to this file as JSON; - is standard output (default: not written)',
  )
}

export function durationOption(): Option {
  return new Option(
    '--duration <time>',
    'stop after this time, such as 10m (default: when interrupted)',
  ).argParser(parseDuration)
}

export function aggregationOption(): Option {
  return new Option(
    '--max-aggregation-interval <seconds>',
    'longest time that one flow log record covers',
  )
    .choices(['60', '600'])
    .default('600')
}

export function logFormatOption(): Option {
  return new Option(
    '--log-format <format>',
    "fields of flow log records, spelled as AWS does, such as '${srcaddr} ${dstaddr} ${bytes}' (default: those of version 2)",
  )
}

export function addPartitionOptions(command: Command): Command {
  return command
    .option(
      '--hive-compatible-partitions',
      'name the directories of flow logs as Hive does: year=2026/month=11/…',
    )
    .option('--per-hour-partition', 'put the flow logs of each hour in a directory of its own')
}

export function controlIntervalOption(usual: string): Option {
  return new Option(
    '--control-interval <time>',
    'with --control: how often to ask for changes of the sessions',
  )
    .argParser(parseDuration)
    .default(parseDuration(usual), usual)
}

function wrong(message: string): OperatorError {
  return new OperatorError(message, { exitCode: 2 })
}
