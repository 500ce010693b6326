import { type Command, InvalidArgumentError, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { PACKET_LENGTH_MAX } from '../../mirror/resources.js'
import type { Endpoint } from '../../source/mirror-plan.js'
import type { Speed } from '../../source/pace.js'
import { cloudWatchOption } from '../cloudwatch-option.js'
import {
  integerBetween,
  parseControl,
  parseDestination,
  parseDuration,
  parseInterfaceId,
  parseSize,
  parseVni,
} from '../options.js'
import type { MirrorOptions } from './options.js'

/** What EC2 accepts as PacketLength of a session. */
const parsePacketLength = integerBetween(1, PACKET_LENGTH_MAX)

/** `mirrortap mirror`: be a mirror source. */
export function addMirror(program: Command): void {
  program
    .command('mirror')
    .summary('be a mirror source: send the frames of a capture or an interface as VXLAN')
    .description(
      'Sends frames from capture files or from a Linux interface to mirror targets, as AWS Traffic ' +
        'Mirroring does: cut to the packet length and wrapped in VXLAN over UDP. With --to and --vni, ' +
        'every frame is sent. With --session or --control, the mirror sessions of an interface and ' +
        'their filter rules decide. The flow of a frame selects one of sixteen UDP source ports. ' +
        'IP packets without an Ethernet header (raw, cooked, loopback, tunnels) get one; other packets ' +
        'without one are left out. An interface is mirrored in both directions until SIGINT, SIGTERM or ' +
        'SIGHUP, except for what this host sends to the targets. Turn off the offloads that join packets ' +
        '(ethtool -K IF gro off gso off tso off); otherwise frames may be larger than the MTU.',
    )
    .optionsGroup('What is mirrored:')
    .option('-r, --read <file...>', 'capture files (pcap, pcapng, gzip, zstd; - is standard input)')
    .addOption(
      new Option(
        '--interface <name>',
        'mirror this Linux interface; needs root or CAP_NET_RAW',
      ).conflicts(['read', 'speed', 'rate', 'loop']),
    )
    .addOption(
      new Option(
        '--receive-buffer <size>',
        'receive buffer to request from the kernel for --interface',
      )
        .argParser(parseSize)
        .default(64 * 2 ** 20, '64MiB'),
    )
    .optionsGroup('By mirror sessions:')
    .option('--session <file>', 'YAML file with interfaces, mirror sessions, filters and targets')
    .option(
      '--control <url>',
      'EC2 API of an appliance or of AWS: follow the mirror sessions of --network-interface-id there. ' +
        '--session FILE may still give the addresses of the interface and of targets, but no sessions',
      parseControl,
    )
    .option(
      '--network-interface-id <eni>',
      'with --control: the interface whose sessions to follow',
      parseInterfaceId,
    )
    .option(
      '--target <id=host:port>',
      'with --control: the address of a target; may be repeated (default: --to, else the host of ' +
        '--control and port 4789, or 6081 for a Gateway Load Balancer endpoint)',
      collectTarget,
    )
    .addOption(
      new Option('--control-interval <time>', 'how often to ask --control for changes')
        .argParser(parseDuration)
        .default(5, '5s'),
    )
    .option(
      '--credentials <file>',
      "with --control: access keys in AWS's shared format (default: those that every AWS client finds)",
    )
    .option(
      '--profile <name>',
      "with --control: the profile in --credentials, else in AWS's own files (default: default)",
    )
    .option(
      '--region <name>',
      'with --control: the region to sign for (default: that in the host name, else AWS_REGION, else us-east-1)',
    )
    .optionsGroup('Where to, and what is sent:')
    .addOption(
      new Option(
        '--to <host:port>',
        'the mirror target. With --session: used for targets without an Address. With --control: for those without --target',
      ).argParser(parseDestination),
    )
    .addOption(
      new Option('--vni <number>', 'the VXLAN network identifier to send, with --to')
        .argParser(parseVni)
        .conflicts(['session', 'control']),
    )
    .addOption(
      new Option(
        '--packet-length <bytes>',
        'send at most this many bytes of each frame (default: all)',
      )
        .argParser(parsePacketLength)
        .conflicts(['session', 'control']),
    )
    .option(
      '--gateway',
      'wrap as a Gateway Load Balancer does, in GENEVE; with --session also for targets that ' +
        'are endpoints of one',
    )
    .addOption(
      new Option(
        '--never-mirrored <what>',
        'what to do with traffic that AWS never mirrors (ARP, DHCP, instance metadata, time service, ' +
          'Windows activation) ' +
          '(default: leave-out with --session, else mirror)',
      ).choices(['leave-out', 'mirror']),
    )
    .optionsGroup('How fast:')
    .addOption(
      new Option(
        '--speed <speed>',
        'original keeps the time between packets, 10 is ten times as fast, max does not wait',
      )
        .argParser(parseSpeed)
        .default({ kind: 'original', factor: 1 }, 'original'),
    )
    .addOption(
      new Option('--rate <packets>', 'send this many packets per second, whatever their times')
        .argParser(parseRate)
        .conflicts('speed'),
    )
    .option(
      '--loop <times>',
      'how many times to read the files; 0 is for ever',
      integerBetween(0, 1e9),
      1,
    )
    .optionsGroup('Summary:')
    .option('--json', 'print the summary as JSON')
    .addOption(cloudWatchOption())
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  mirrortap mirror --read web.pcap --to 10.0.0.5:4789 --vni 7 --speed 10\n' +
        '  mirrortap mirror --read web.pcap --session samples/session-dns.yaml --to 10.0.0.5:4789\n' +
        '  mirrortap mirror --interface eth0 --to 10.0.0.5:6081 --vni 7 --gateway\n' +
        '  mirrortap mirror --interface eth0 --control http://10.0.0.5:4780 --credentials keys \\\n' +
        '    --network-interface-id eni-0a1b2c3d4e5f60718',
    )
    .action(async (options: MirrorOptions) => {
      check(options)
      const { runMirror } = await import('./run.js')
      await runMirror(options)
    })
}

function check(options: MirrorOptions): void {
  const { read = [], loop, session, control, to, vni } = options
  if (read.length === 0 && options.interface === undefined) {
    refuse('what to mirror? Give --read FILE or --interface NAME')
  }
  if (read.includes('-') && (loop !== 1 || read.indexOf('-') !== read.lastIndexOf('-'))) {
    refuse('standard input can be read only once; give --loop a file')
  }
  if (control === undefined) {
    const vain = (['networkInterfaceId', 'target', 'credentials', 'profile', 'region'] as const)
      .filter((name) => options[name] !== undefined)
      .map((name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`))
    if (vain.length > 0) refuse(`--${vain[0]} is for --control URL: give that too`)
    if (session === undefined && (to === undefined || vni === undefined)) {
      refuse('where to? Give --to HOST:PORT and --vni NUMBER, or --session FILE, or --control URL')
    }
  } else if (options.networkInterfaceId === undefined) {
    refuse('whose sessions? Give --network-interface-id eni-… with --control')
  }
}

function refuse(message: string): never {
  throw new OperatorError(message, { exitCode: 2 })
}

/** `original`, `max`, `10`, `0.5`. */
function parseSpeed(text: string): Speed {
  if (text === 'max') return { kind: 'max' }
  if (text === 'original') return { kind: 'original', factor: 1 }
  const factor = /^\d+(\.\d+)?x?$/.test(text) ? Number.parseFloat(text) : 0
  if (factor === 0) throw new InvalidArgumentError('Give original, max or a factor such as 10.')
  return { kind: 'original', factor }
}

function parseRate(text: string): number {
  const rate = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0
  if (rate === 0) throw new InvalidArgumentError('Give packets per second, such as 1000.')
  return rate
}

/** `tmt-0a1b2c3d4e5f60718=10.0.0.5:4789`. */
function collectTarget(
  text: string,
  before: ReadonlyMap<string, Endpoint> | undefined,
): Map<string, Endpoint> {
  const [, id, address] = /^(tmt-[0-9A-Za-z-]{1,64})=(.*)$/.exec(text) ?? []
  if (id === undefined || address === undefined) {
    throw new InvalidArgumentError('Give TARGET=HOST:PORT, such as tmt-0a1b2c=10.0.0.5:4789.')
  }
  return new Map([...(before ?? []), [id, parseDestination(address)]])
}
