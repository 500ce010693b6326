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
  parseInterfaceId,
  parseVni,
} from '../options.js'
import { controlIntervalOption, receiveBufferOption } from '../shared-options.js'
import type { MirrorOptions } from './options.js'

/** What EC2 accepts as PacketLength of a session. */
const parsePacketLength = integerBetween(1, PACKET_LENGTH_MAX)

/** `mirrortap mirror`: be a mirror source. */
export function addMirror(program: Command): void {
  program
    .command('mirror')
    .summary('be a mirror source: send packets of files or an interface as VXLAN')
    .description(
      'Sends frames from capture files or from a Linux interface to mirror targets as AWS Traffic ' +
        'Mirroring does: cut to the packet length and wrapped in VXLAN over UDP. With --to and --vni, ' +
        'every frame is sent. With --session or --control, the filter rules of mirror sessions decide ' +
        'which frames are sent. All frames of a flow have the same UDP source port, one of sixteen. IP ' +
        'packets without an Ethernet header (raw, cooked, loopback, tunnels) get one; other packets ' +
        'without one are skipped. An interface is mirrored in both directions, except for packets from ' +
        'this host to the targets, until SIGINT, SIGTERM or SIGHUP. Turn off the offloads that merge its ' +
        'packets (ethtool -K IF gro off gso off tso off), or frames may be larger than the MTU.',
    )
    .optionsGroup('What to mirror:')
    .option(
      '-r, --read <file...>',
      'mirror the packets of these capture files (pcap, pcapng, gzip, zstd; - is standard input) (required unless --interface is given)',
    )
    .addOption(
      new Option(
        '--interface <name>',
        'mirror the packets of this Linux interface; needs root or CAP_NET_RAW (required unless --read is given)',
      ).conflicts(['read', 'speed', 'rate', 'loop']),
    )
    .addOption(receiveBufferOption())
    .optionsGroup('Mirror sessions:')
    .option(
      '--session <file>',
      'send what the mirror sessions, filters, targets and interfaces of this YAML file ask for (default: every frame, with --vni)',
    )
    .option(
      '--control <url>',
      'send what the mirror sessions ask for that the EC2 API at this URL, of an appliance or of AWS, has for ' +
        '--network-interface-id, and follow their changes. The file of --session may then have the addresses of the interface ' +
        'and of targets, but no sessions (default: no sessions are followed)',
      parseControl,
    )
    .option(
      '--network-interface-id <eni>',
      'with --control: id of the interface whose mirror sessions to follow (required)',
      parseInterfaceId,
    )
    .option(
      '--target <id=host:port>',
      'with --control: address to send the packets for a mirror target to, such as tmt-0a1b2c=10.0.0.5:4789; may be ' +
        'repeated (default: --to, else the host of --control and port 4789, or 6081 for a Gateway Load Balancer endpoint)',
      collectTarget,
    )
    .addOption(controlIntervalOption('5s'))
    .option(
      '--credentials <file>',
      "with --control: file of access keys in AWS's shared format (default: found as by every AWS client)",
    )
    .option(
      '--profile <name>',
      "with --control: profile to use of --credentials, or of AWS's own files (default: default)",
    )
    .option(
      '--region <name>',
      'with --control: region to sign requests for (default: the one in the host name, else AWS_REGION, else us-east-1)',
    )
    .optionsGroup('What to send, and where:')
    .addOption(
      new Option(
        '--to <host:port>',
        'address of the mirror target; with --session, of targets without an Address; with --control, of those without --target (default: none)',
      ).argParser(parseDestination),
    )
    .addOption(
      new Option(
        '--vni <number>',
        'with --to: VXLAN network identifier of the packets sent (required unless a session has one)',
      )
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
      'wrap packets in GENEVE too, as a Gateway Load Balancer does; with --session, targets that are Gateway Load ' +
        'Balancer endpoints always get this',
    )
    .addOption(
      new Option(
        '--never-mirrored <what>',
        'what to do with traffic that AWS never mirrors: ARP, DHCP, instance metadata, time service, Windows ' +
          'activation (default: leave-out with --session, else mirror)',
      ).choices(['leave-out', 'mirror']),
    )
    .optionsGroup('How fast:')
    .addOption(
      new Option(
        '--speed <speed>',
        'original keeps the time between packets, 10 sends them ten times as fast, max sends them without waiting',
      )
        .argParser(parseSpeed)
        .default({ kind: 'original', factor: 1 }, 'original'),
    )
    .addOption(
      new Option(
        '--rate <packets>',
        'send this many packets per second, instead of --speed (default: as --speed says)',
      )
        .argParser(parseRate)
        .conflicts('speed'),
    )
    .option(
      '--loop <times>',
      'how many times to send the files; 0 repeats them until interrupted',
      integerBetween(0, 1e9),
      1,
    )
    .optionsGroup('Summary:')
    .option('--json', 'print the summary at the end as JSON instead of text')
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
    refuse('nothing to mirror: give --read FILE or --interface NAME')
  }
  if (read.includes('-') && (loop !== 1 || read.indexOf('-') !== read.lastIndexOf('-'))) {
    refuse('standard input can be read only once: name a file to repeat')
  }
  if (control === undefined) {
    const vain = (['networkInterfaceId', 'target', 'credentials', 'profile', 'region'] as const)
      .filter((name) => options[name] !== undefined)
      .map((name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`))
    if (vain.length > 0) refuse(`--${vain[0]} is for --control URL: give that too`)
    if (session === undefined && (to === undefined || vni === undefined)) {
      refuse(
        'no mirror target: give --to HOST:PORT and --vni NUMBER, or --session FILE, or --control URL',
      )
    }
  } else if (options.networkInterfaceId === undefined) {
    refuse('--control does not know whose sessions to follow: give --network-interface-id eni-…')
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
