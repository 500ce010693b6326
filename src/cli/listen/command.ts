import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { applyFileMode, fileModeOption } from '../file-mode.js'
import { addMetadataOptions, LOG_FORMAT, metadataOf } from '../flow-log/metadata-options.js'
import { addLifetimeOptions } from '../lifetime-options.js'
import {
  collect,
  duplicatesOption,
  integerBetween,
  parseControl,
  parseDuration,
  parseInterfaceId,
  parseSize,
} from '../options.js'
import { LEVELS, print, setLines } from '../process/console.js'
import { addReceivingOptions } from '../receiving-options.js'
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
  ['--api', ['--credentials', '--no-auth', '--audit-log']],
  ['--control', ['--targets', '--network-interface-id', '--control-interval']],
]

/** `mirrortap listen`: the appliance. */
export function addListen(program: Command): void {
  const command = program
    .command('listen')
    .summary('the appliance: receive, demultiplex, track, write')
    .description(
      'Receives mirrored traffic until it is stopped. Every mirror session, known by its outer ' +
        'source address and VNI, gets capture files (--capture-dir) and flow logs ' +
        '(--flow-log-dir) of its own. SIGINT and SIGTERM finish every file and print the ledger; ' +
        'a second one leaves at once. SIGUSR1 and SIGUSR2 print the ledger as it stands; SIGHUP reads --config again.',
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
      'bytes of captures, flow logs and what waits for delivery, all together; beyond it the oldest files ' +
        'go, those first that need not be delivered any more (default: 90 % of what the disk has free or ' +
        'holds of them at the start)',
      parseSize,
    )
    .option('--keep-free <size>', 'the same, so that the disk has so much left', parseSize)
    .option('--state <file>', 'keep what the API creates across restarts (default: in memory only)')
    .option(
      '--config <file>',
      'read options and mirror resources from YAML; the command line takes precedence',
    )
    .option('--print-config', 'print the options in effect, each with its origin, and end')
    .option('--duration <time>', 'stop after this time, such as 10m', parseDuration)
    .option('--stats <file>', 'write the final ledger as JSON; - is standard output')
    .addOption(
      new Option('--log-level <level>', 'the least important lines on standard error')
        .choices(LEVELS)
        .default('info'),
    )
    .option(
      '--log-json',
      'each line on standard error as JSON with time, level and message (default: text)',
    )
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
  const { RESOURCE_KEYS, resourcesIn } = await import('./config-resources.js')
  const { FILTERS_KEY, filtersIn } = await import('./config-filters.js')
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
          ? `${other} means nothing with --no-api: leave one of them out`
          : `${other} means nothing without ${name}: give that too, or leave it out`,
        { exitCode: 2 },
      )
    }
  }
}

/** Throws OperatorError (exit code 2). */
function checkFollowing({ control, targets, networkInterfaceId }: ListenOptions): void {
  if (control === undefined || targets !== undefined || networkInterfaceId !== undefined) return
  throw new OperatorError(
    'whose sessions? Give --targets tmt-… or --network-interface-id eni-… with --control',
    { exitCode: 2 },
  )
}

/** Throws OperatorError (exit code 2). */
function checkKeeping({ keepTotal, keepFree, captureDir, flowLogDir }: ListenOptions): void {
  if (keepTotal === undefined && keepFree === undefined) return
  if (captureDir !== undefined || flowLogDir !== undefined) return
  throw new OperatorError(
    'nothing is kept that --keep-total or --keep-free could bound: give --capture-dir or --flow-log-dir',
    { exitCode: 2 },
  )
}

function addReceiving(command: Command): void {
  addReceivingOptions(command.optionsGroup('Receiving:'), 'off; usual: 6081')
    .option('--workers <number>', 'number of receiving threads', integerBetween(1, WORKERS_MAX), 1)
    .addOption(
      new Option('--steer <what>', 'what stays within one worker: a session (vni) or a flow')
        .choices(['vni', 'flow'])
        .default('vni'),
    )
}

function addSessions(command: Command): void {
  command
    .optionsGroup('Sessions and flows:')
    .addOption(
      new Option('--session-key <key>', 'what identifies a session')
        .choices(['source+vni', 'vni'])
        .default('source+vni'),
    )
    .addOption(
      new Option(
        '--unknown-sessions <what>',
        'what to do with sessions that no API call or file declares',
      )
        .choices(['accept', 'drop'])
        .default('accept'),
    )
    .addOption(duplicatesOption())
    .option(
      '--filter <expression>',
      'keep only packets that match this pcap-filter(7) expression; vni and session work too',
    )
    .option(
      '--max-sessions <number>',
      'sessions open at the same time in each worker, besides registered ones',
      integerBetween(1, 65_000),
      1024,
    )
    .option(
      '--max-flows <number>',
      'connections in the flow table of each worker',
      integerBetween(1, 16_777_216),
      262_144,
    )
    .option(
      '--max-flows-per-session <number>',
      'connections one session may hold (default: all)',
      integerBetween(1, 16_777_216),
    )
}

function addCaptures(command: Command): void {
  command
    .optionsGroup('Packet captures:')
    .option('--capture-dir <dir>', 'write packet captures: DIR/<session>/<UTC start>.pcap')
    .addOption(
      new Option('--capture-format <format>', 'format of capture files')
        .choices(['pcap', 'pcapng'])
        .default('pcap'),
    )
    .option(
      '--snaplen <bytes>',
      'bytes to keep of each frame (default: all)',
      integerBetween(0, 262_144),
    )
    .addOption(
      new Option('--rotate-size <size>', 'start a new file before one grows larger than this')
        .argParser(parseSize)
        .default(parseSize('100MB'), '100MB'),
    )
    .addOption(
      new Option(
        '--rotate-interval <time>',
        'start a new file at multiples of this time of the UTC clock',
      )
        .argParser(parseDuration)
        .default(parseDuration('60s'), '60s'),
    )
    .option(
      '--keep-files <number>',
      'finished capture files to keep per session (default: all)',
      integerBetween(1, 1e9),
    )
    .option(
      '--keep-bytes <size>',
      'bytes of finished capture files to keep per session (default: all)',
      parseSize,
    )
    .option(
      '--index',
      'index finished capture files at the lowest priority, so that find skips most of them',
    )
    .option(
      '--deliver-captures <url>',
      'where finished captures are delivered to, as s3://bucket/prefix/<session>/<UTC start>.pcap: s3://bucket/prefix',
    )
}

function addForwarding(command: Command): void {
  command
    .optionsGroup('Packets to other tools:')
    .option(
      '--pcap-over-ip <place>',
      'give every reader that connects to ADDR:PORT the unwrapped packets from then on, as a pcap file without an end; ' +
        'a port alone is on 127.0.0.1, and ADDR:PORT=EXPRESSION gives those that match a pcap-filter(7) expression, ' +
        'such as 57012=vni 7; may be repeated (default: none)',
      collect,
    )
    .option(
      '--tap <name>',
      'put the unwrapped packets on a tap device of this name, where other tools listen as on any interface; ' +
        'Linux, as root or with CAP_NET_ADMIN (default: none)',
    )
}

function addFollowing(command: Command): void {
  command
    .optionsGroup('Following AWS:')
    .option(
      '--control <url>',
      'EC2 API of AWS or of another appliance: follow the mirror sessions that it has for --targets or ' +
        '--network-interface-id, with the credentials that every AWS client finds',
      parseControl,
    )
    .option(
      '--targets <ids>',
      'with --control: the mirror targets that this appliance stands behind, such as tmt-0a1b2c3d4e5f60718; may be repeated',
      collectTargets,
    )
    .option(
      '--network-interface-id <id>',
      'with --control: the same by the interface that is the target; may be repeated',
      (text, before: readonly string[] = []) => [...before, parseInterfaceId(text)],
    )
    .addOption(
      new Option('--control-interval <time>', 'how often to ask --control for changes')
        .argParser(parseDuration)
        .default(30, '30s'),
    )
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
    .option('--flow-log-dir <dir>', "write flow logs below DIR, in AWS's key layout")
    .option('--log-format <format>', LOG_FORMAT)
    .addOption(
      new Option('--max-aggregation-interval <seconds>', 'longest time that one record covers')
        .choices(['60', '600'])
        .default('600'),
    )
    .addOption(
      new Option('--file-format <format>', 'format of flow log files')
        .choices(['plain-text', 'parquet'])
        .default('plain-text'),
    )
    .option('--hive-compatible-partitions', 'use Hive partitions (year=2026/month=11/…) in paths')
    .option('--per-hour-partition', 'use one directory for each hour')
    .option(
      '--deliver <url>',
      'where the default flow log is delivered to, besides --flow-log-dir: s3://bucket/prefix, cloudwatch-logs://group, firehose://stream, nats://host:port/stream, ipfix+udp://host:port or ipfix+tcp://host:port; may be repeated',
      collect,
    )
    .option(
      '--no-deliver',
      'flow logs that the API makes stay below --flow-log-dir, whatever destination they name',
    )
}
