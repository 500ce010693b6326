import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addMetadataOptions, metadataOf } from '../flow-log/metadata-options.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import {
  collect,
  integerBetween,
  parseControl,
  parseDuration,
  parseInterfaceId,
  parseSize,
  parseWholeSeconds,
} from '../options.js'
import { LEVELS, print, setLines } from '../process/console.js'
import {
  addPartitionOptions,
  addReceivingOptions,
  aggregationOption,
  controlIntervalOption,
  duplicatesOption,
  durationOption,
  logFormatOption,
  maxFlowsOption,
  statsOption,
} from '../shared-options.js'
import { addApiOptions, addHealthOptions } from './api-options.js'
import type { Chosen, ListenOptions } from './options.js'

const WORKERS_MAX = 64

/** Options that say how something is done, by the one that has it done. */
const MEANT_FOR: readonly (readonly [name: string, of: readonly string[]])[] = [
  [
    '--capture-dir',
    [
      '--capture-format',
      '--snaplen',
      '--rotate-size',
      '--rotate-interval',
      '--keep-files',
      '--keep-bytes',
      '--index',
      '--deliver-captures',
    ],
  ],
  [
    '--flow-log-dir',
    [
      '--log-format',
      '--max-aggregation-interval',
      '--file-format',
      '--hive-compatible-partitions',
      '--per-hour-partition',
    ],
  ],
  ['--event-log-dir', ['--event-log-format', '--event-log-interval', '--no-names']],
  ['--api', ['--credentials', '--no-auth', '--audit-log']],
  ['--control', ['--targets', '--network-interface-id', '--control-interval']],
]

/** `mirrortap listen`: the appliance. */
export function addListen(program: Command): void {
  const command = program
    .command('listen')
    .summary('run the appliance: receive mirrored traffic, write captures and flow logs')
    .description(
      'Receives mirrored traffic until it is stopped. Each mirror session, identified by its outer ' +
        'source address and VNI, has its own capture files (--capture-dir) and flow logs ' +
        '(--flow-log-dir); --event-log-dir adds logs in the formats of Zeek and Suricata. SIGINT and SIGTERM finish all files and print the ledger, which counts what ' +
        'became of every packet; a second signal stops at once. SIGUSR1 and SIGUSR2 print the ledger and ' +
        'go on; SIGHUP reads --config again.',
    )
  addOptions(command)
  command
    .addHelpText(
      'after',
      '\nExample:\n  mirrortap listen --capture-dir captures --flow-log-dir logs --rotate-interval 5m',
    )
    .action(async (options: ListenOptions & Record<string, unknown>) => {
      const chosen = await choose(command)
      if (options['printConfig']) {
        const { formatConfig } = await import('./print-config.js')
        print(`${formatConfig(command, chosen.origins).join('\n')}\n`)
        return
      }
      const { listen } = await import('./run.js')
      applyFileMode(chosen.options.fileMode)
      setLines(chosen.options.logLevel, chosen.options.logJson === true)
      await listen(chosen, program.version()!, () => choose(asAsked(command)))
    })
}

function addOptions(command: Command): Command {
  addReceiving(command)
  addSessions(command)
  addLifetimeOptions(command)
  addCaptures(command)
  addFlowLogs(command)
  addEventLogs(command)
  addForwarding(command)
  addApiOptions(command)
  addHealthOptions(command)
  addFollowing(command)
  addMetadataOptions(command)
  return command
    .optionsGroup('Running:')
    .addOption(fileModeOption())
    .option(
      '--keep-total <size>',
      'bytes to keep of captures, logs and files that wait for delivery, all together; above this, the ' +
        'oldest files are removed, first those that need not be delivered any more (default: 90 % of the sum of ' +
        'these files and the free space of the disk at the start)',
      parseSize,
    )
    .option(
      '--keep-free <size>',
      'bytes of the disk to keep free, by removing the oldest files as --keep-total does (default: none)',
      parseSize,
    )
    .option(
      '--state <file>',
      'file that keeps what is created with the API across restarts (default: in memory only)',
    )
    .option(
      '--config <file>',
      'YAML file of options and mirror resources; options on the command line take precedence (default: none)',
    )
    .option('--print-config', 'print the options in effect and where each was set, and exit')
    .addOption(durationOption())
    .addOption(statsOption())
    .addOption(
      new Option('--log-level <level>', 'print lines of this level and above on standard error')
        .choices(LEVELS)
        .default('info'),
    )
    .option('--log-json', 'print each line on standard error as JSON, with time, level and message')
}

/** The same command as the command line had it, before a configuration was read. */
function asAsked(command: Command): Command {
  const fresh = addOptions(new Command(command.name()))
  for (const option of command.options) {
    const attribute = option.attributeName()
    if (command.getOptionValueSource(attribute) !== 'cli') continue
    fresh.setOptionValueWithSource(attribute, command.getOptionValue(attribute), 'cli')
  }
  return fresh
}

/** Reads the configuration, and checks all of it. Throws OperatorError. */
async function choose(command: Command): Promise<Chosen> {
  const config = command.getOptionValue('config') as string | undefined
  const { declared, origins } =
    config === undefined
      ? { declared: undefined, origins: new Map<string, string>() }
      : await read(command, config)
  if (Array.isArray(command.getOptionValue('deliver'))) giveDirectory(command)
  const options = command.opts<ListenOptions & Record<string, unknown>>()
  checkMeaning(command)
  checkFollowing(options)
  checkKeeping(options)
  return { options, metadata: metadataOf(options), declared, origins }
}

/**
 * Records are on the disk before they are delivered: where nobody names a directory, below that of
 * the service (systemd.exec(5), StateDirectory) or of the user (XDG Base Directory Specification).
 * Throws OperatorError.
 */
function giveDirectory(command: Command): void {
  if (command.getOptionValue('flowLogDir') !== undefined) return
  const { STATE_DIRECTORY: service, XDG_STATE_HOME: user } = process.env
  let directory: string
  if (service !== undefined) directory = join(service.split(':', 1)[0]!, 'flow-logs')
  else {
    try {
      const state = user?.startsWith('/') ? user : join(homedir(), '.local', 'state')
      directory = join(state, 'mirrortap', 'flow-logs')
    } catch {
      throw new OperatorError('there is no home directory for flow logs: give --flow-log-dir DIR')
    }
  }
  command.setOptionValueWithSource('flowLogDir', directory, 'implied')
}

/** Takes the options of a configuration, and answers with the resources it declares. */
async function read(command: Command, path: string): Promise<Pick<Chosen, 'declared' | 'origins'>> {
  const { applyConfig } = await import('./config.js')
  const { FILTERS_KEY, filtersIn, RESOURCE_KEYS, resourcesIn } = await import(
    './config-resources.js'
  )
  const { YamlFile } = await import('../../control/yaml-file.js')
  const config = YamlFile.read('the configuration', path)
  const origins = applyConfig(command, config, [...RESOURCE_KEYS, FILTERS_KEY])
  command.setOptionValueWithSource('filters', filtersIn(config), 'config')
  return { declared: resourcesIn(config), origins }
}

/** Refuses options that would be ignored: who gives them believes otherwise. Throws OperatorError (exit code 2). */
function checkMeaning(command: Command): void {
  const attributeOf = (name: string) =>
    command.options.find(({ long }) => long === name)!.attributeName()
  for (const [name, others] of MEANT_FOR) {
    const value: unknown = command.getOptionValue(attributeOf(name))
    // There is an API unless nobody wants one.
    const isApi = name === '--api'
    if (isApi ? value !== false : value !== undefined) continue
    for (const other of others) {
      const source = command.getOptionValueSource(attributeOf(other))
      if (source === undefined || source === 'default') continue
      throw new OperatorError(
        isApi
          ? `${other} has no effect with --no-api: leave one of them out`
          : `${other} has no effect without ${name}: give that too, or leave it out`,
        { exitCode: 2 },
      )
    }
  }
}

/** Throws OperatorError (exit code 2). */
function checkFollowing({ control, targets, networkInterfaceId }: ListenOptions): void {
  if (control === undefined || targets !== undefined || networkInterfaceId !== undefined) return
  throw new OperatorError(
    '--control does not know whose sessions to follow: give --targets tmt-… or --network-interface-id eni-…',
    { exitCode: 2 },
  )
}

/** Throws OperatorError (exit code 2). */
function checkKeeping(options: ListenOptions): void {
  const { keepTotal, keepFree, captureDir, flowLogDir, eventLogDir } = options
  if (keepTotal === undefined && keepFree === undefined) return
  if ((captureDir ?? flowLogDir ?? eventLogDir) !== undefined) return
  throw new OperatorError(
    '--keep-total and --keep-free are for captures, flow logs and event logs, and none are written: give --capture-dir, --flow-log-dir or --event-log-dir',
    { exitCode: 2 },
  )
}

function addReceiving(command: Command): void {
  addReceivingOptions(command.optionsGroup('Receiving:'), 'off; GENEVE usually has 6081')
    .option('--workers <number>', 'number of receiving threads', integerBetween(1, WORKERS_MAX), 1)
    .addOption(
      new Option(
        '--steer <what>',
        'which packets always go to the same worker: those of a session (vni) or those of a flow',
      )
        .choices(['vni', 'flow'])
        .default('vni'),
    )
}

function addSessions(command: Command): void {
  command
    .optionsGroup('Sessions and flows:')
    .addOption(
      new Option(
        '--session-key <key>',
        'what identifies a session: the VNI, with or without the outer source address',
      )
        .choices(['source+vni', 'vni'])
        .default('source+vni'),
    )
    .addOption(
      new Option(
        '--unknown-sessions <what>',
        'what to do with packets of sessions that no API call or file declares',
      )
        .choices(['accept', 'drop'])
        .default('accept'),
    )
    .addOption(duplicatesOption())
    .option(
      '--filter <expression>',
      'keep only packets whose mirrored frame matches this pcap-filter(7) expression, which may also test vni and session (default: all packets)',
    )
    .option(
      '--max-sessions <number>',
      'number of unknown sessions that each worker has open at the same time',
      integerBetween(1, 65_000),
      1024,
    )
    .addOption(
      maxFlowsOption('the oldest flows are reported early. Each worker has a table', 262_144),
    )
    .option(
      '--max-flows-per-session <number>',
      'size of the part of the flow table that one session may use, in connections (default: all of it)',
      integerBetween(1, 16_777_216),
    )
}

function addCaptures(command: Command): void {
  command
    .optionsGroup('Packet captures:')
    .option(
      '--capture-dir <dir>',
      'write packet captures to this directory, as <session>/<UTC start>.pcap (default: no captures)',
    )
    .addOption(
      new Option('--capture-format <format>', 'format of capture files')
        .choices(['pcap', 'pcapng'])
        .default('pcap'),
    )
    .option(
      '--snaplen <bytes>',
      'bytes to keep of each frame in captures (default: all)',
      integerBetween(0, 262_144),
    )
    .addOption(
      new Option(
        '--rotate-size <size>',
        'start a new capture file before one grows larger than this',
      )
        .argParser(parseSize)
        .default(parseSize('100MB'), '100MB'),
    )
    .addOption(
      new Option(
        '--rotate-interval <time>',
        'start a new capture file whenever the UTC clock is at a multiple of this time',
      )
        .argParser(parseDuration)
        .default(parseDuration('60s'), '60s'),
    )
    .option(
      '--keep-files <number>',
      'number of finished capture files to keep of each session (default: all)',
      integerBetween(1, 1e9),
    )
    .option(
      '--keep-bytes <size>',
      'bytes of finished capture files to keep of each session (default: all)',
      parseSize,
    )
    .option(
      '--index',
      'index each finished capture file, so that mirrortap find reads only a small part of it; this has the lowest priority',
    )
    .option(
      '--deliver-captures <url>',
      'also upload finished captures to s3://bucket/prefix, as prefix/<session>/<UTC start>.pcap (default: not uploaded)',
    )
}

function addForwarding(command: Command): void {
  command
    .optionsGroup('Packets to other tools:')
    .option(
      '--pcap-over-ip <place>',
      'send the unwrapped packets, as a pcap stream, to every reader that connects to ADDR:PORT. A port alone is on ' +
        '127.0.0.1. With ADDR:PORT=EXPRESSION only packets that match the pcap-filter(7) expression are sent, such as ' +
        "'57012=vni 7'. May be repeated (default: none)",
      collect,
    )
    .option(
      '--tap <name>',
      'also put the unwrapped packets on a Linux tap device of this name, which other tools can listen on; needs ' +
        'root or CAP_NET_ADMIN (default: none)',
    )
}

function addFollowing(command: Command): void {
  command
    .optionsGroup('Following AWS:')
    .option(
      '--control <url>',
      'follow the mirror sessions that the EC2 API at this URL, of AWS or of another appliance, has for --targets or ' +
        '--network-interface-id; credentials are found as by every AWS client (default: none are followed)',
      parseControl,
    )
    .option(
      '--targets <ids>',
      'with --control: ids of the mirror targets whose traffic this appliance receives, such as tmt-0a1b2c3d4e5f60718; may be repeated',
      collectTargets,
    )
    .option(
      '--network-interface-id <id>',
      'with --control: id of the network interface that is the mirror target; may be repeated',
      (text, before: readonly string[] = []) => [...before, parseInterfaceId(text)],
    )
    .addOption(controlIntervalOption('30s'))
}

/** `tmt-0a1b2c3d4e5f60718,tmt-00112233445566778`. */
function collectTargets(text: string, before: readonly string[] = []): readonly string[] {
  const ids = text.split(',')
  if (ids.every((id) => /^tmt-[0-9A-Za-z-]{1,64}$/.test(id))) return [...before, ...ids]
  throw new InvalidArgumentError(
    'Give ids such as tmt-0a1b2c3d4e5f60718, with commas between them.',
  )
}

function addFlowLogs(command: Command): void {
  command
    .optionsGroup('Flow logs:')
    .option(
      '--flow-log-dir <dir>',
      "write flow logs to this directory, in AWS's key layout (default: no flow logs)",
    )
    .addOption(logFormatOption())
    .addOption(aggregationOption())
    .addOption(
      new Option('--file-format <format>', 'format of flow log files')
        .choices(['plain-text', 'parquet'])
        .default('plain-text'),
    )
  addPartitionOptions(command)
    .option(
      '--deliver <url>',
      'also send the flow log of --flow-log-dir to s3://bucket/prefix, cloudwatch-logs://group, firehose://stream, nats://host:port/stream, ipfix+udp://host:port or ipfix+tcp://host:port; may be repeated (default: none)',
      collect,
    )
    .option(
      '--no-deliver',
      'keep the flow logs that are created with the API in --flow-log-dir, instead of sending them to the destinations that they name',
    )
}

function addEventLogs(command: Command): void {
  command
    .optionsGroup('Event logs:')
    .option(
      '--event-log-dir <dir>',
      'directory for event logs (finished connections, and what packets say of DNS, TLS and others) in the formats of Zeek or Suricata: ' +
        'DIR/<day>/<log>.<UTC start>_<id>.log.gz (default: none)',
    )
    .addOption(
      new Option(
        '--event-log-format <format>',
        "format of event logs: Zeek's conn.log, dns.log, ssl.log, http.log and others as tab-separated values or JSON, or " +
          "Suricata's EVE JSON with a netflow event per direction (eve) or a flow event per connection (eve-flow)",
      )
        .choices(['zeek', 'zeek-json', 'eve', 'eve-flow'])
        .default('zeek'),
    )
    .addOption(
      new Option('--event-log-interval <time>', 'time that one event log file covers, in UTC')
        .argParser(parseWholeSeconds)
        .default(parseWholeSeconds('5m'), '5m'),
    )
    .option(
      '--no-names',
      'write only connections to the event logs, nothing of DNS, TLS and others',
    )
}
