import { type Command, InvalidArgumentError, Option } from 'commander'
import { OperatorError } from '../../errors.js'
import { PACKET_LENGTH_MAX } from '../../mirror/resources.js'
import type { Endpoint } from '../../source/mirror-plan.js'
import type { Speed } from '../../source/pace.js'
import { integerBetween, parseDestination, parseDuration, parseSize, parseVni } from '../options.js'
import type { MirrorOptions } from './options.js'

/** What EC2 accepts as PacketLength of a session. */
const parsePacketLength = integerBetween(1, PACKET_LENGTH_MAX)

/** `mirrortap mirror`: be a mirror source. */
export function addMirror(program: Command): void {
  program
    .command('mirror')
    .summary('be a mirror source: send the frames of a capture or an interface as VXLAN')
    .description(
      'Sends frames of capture files or of a Linux interface to mirror targets, as AWS Traffic ' +
        'Mirroring would: cut to the packet length, behind a VXLAN header, in a UDP datagram. With ' +
        '--session those that the mirror sessions of an interface take, by session number, ' +
        'filters and rules; with --to and --vni all. Sixteen source ports are used, chosen by the ' +
        'inner flow. IP packets without an Ethernet header (raw, cooked, loopback, tunnels) get ' +
        'one; other packets of such captures are left out. An interface is mirrored until SIGINT, ' +
        'SIGTERM or SIGHUP, both ways, but for what this host sends to the targets; frames that its ' +
        'offloads have joined are larger than the MTU (ethtool -K IF gro off gso off tso off).',
    )
    .option('-r, --read <file...>', 'capture files (pcap, pcapng, gzip, zstd; - is standard input)')
    .addOption(
      new Option('--interface <name>', 'a Linux interface; as root or with CAP_NET_RAW').conflicts([
        'read',
        'speed',
        'rate',
        'loop',
      ]),
    )
    .addOption(
      new Option(
        '--receive-buffer <size>',
        'socket receive buffer to request from the kernel for --interface',
      )
        .argParser(parseSize)
        .default(64 * 2 ** 20, '64MiB'),
    )
    .option('--session <file>', 'YAML with interfaces, sessions, filters and targets')
    .option(
      '--control <url>',
      'follow the sessions of an interface at an appliance or at AWS; addresses of interface and ' +
        'targets from --session FILE, with no sessions in it',
      parseControl,
    )
    .option('--network-interface-id <eni>', 'with --control: the mirrored interface', parseEni)
    .option(
      '--target <id=host:port>',
      'with --control: where a target is, once for each (default: --to, else the host of --control, ' +
        'port 4789, for a Gateway Load Balancer endpoint 6081)',
      collectTarget,
    )
    .addOption(
      new Option('--control-interval <time>', 'ask --control so often')
        .argParser(parseDuration)
        .default(5, '5s'),
    )
    .option(
      '--credentials <file>',
      "with --control: access keys in AWS's shared format (default: AWS_ACCESS_KEY_ID, " +
        'AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN)',
    )
    .option('--profile <name>', "of --credentials, else of AWS's own file (default: default)")
    .option('--region <name>', 'with --control (default: of its name, AWS_REGION, us-east-1)')
    .addOption(
      new Option(
        '--to <host:port>',
        'the mirror target; with --session, of targets without an Address; with --control, of those without --target',
      ).argParser(parseDestination),
    )
    .addOption(
      new Option('--vni <number>', 'VXLAN network identifier')
        .argParser(parseVni)
        .conflicts(['session', 'control']),
    )
    .addOption(
      new Option('--packet-length <octets>', 'octets kept of each frame (default: all)')
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
        'ARP, DHCP, instance metadata, time service, Windows activation: leave-out or mirror ' +
          '(default: leave-out with --session, else mirror)',
      ).choices(['leave-out', 'mirror']),
    )
    .addOption(
      new Option('--speed <speed>', 'original, max, or a factor: 10 is ten times as fast')
        .argParser(parseSpeed)
        .default({ kind: 'original', factor: 1 }, 'original'),
    )
    .addOption(
      new Option('--rate <packets>', 'packets per second, whatever their times')
        .argParser(parseRate)
        .conflicts('speed'),
    )
    .option('--loop <times>', 'read the files so many times, 0 for ever', integerBetween(0, 1e9), 1)
    .option('--json', 'the summary as JSON on standard output')
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

function parseControl(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\//i.test(text)) {
    throw new InvalidArgumentError(
      'Give a URL such as http://10.0.0.5:4780 or https://ec2.us-east-1.amazonaws.com.',
    )
  }
  return text
}

function parseEni(text: string): string {
  if (/^eni-[0-9A-Za-z-]{1,64}$/.test(text)) return text
  throw new InvalidArgumentError('Give an id such as eni-0a1b2c3d4e5f60718.')
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
