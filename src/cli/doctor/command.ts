import { type Command, InvalidArgumentError } from 'commander'
import { VXLAN_PORT } from '../../wire/vxlan.js'
import { collect, integerBetween, parsePort, parseSize, parseVni } from '../options.js'
import type { DoctorOptions } from './options.js'

/** `mirrortap doctor`: what stands in the way of the job, and what to do about it. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check this host, an appliance or a capture, and say what to mend')
    .description(
      'Looks at what mirroring needs: the port, receiver and buffer, MTU, clock, permissions and disk of\n' +
        'this host; with --api at a running appliance, with a FILE at a capture of what a mirror target\n' +
        'receives, outer headers included. Each finding says what is the case, why it matters and the\n' +
        'command that mends it. Exit code 1 when one of them is a problem.',
    )
    .argument('[file]', 'capture file of mirrored packets, to look at in place of this host')
    .optionsGroup('What this host is to do:')
    .option('--bind <address>', 'address to receive on', '0.0.0.0')
    .option('--port <number>', 'UDP port of VXLAN', parsePort, VXLAN_PORT)
    .option('--rate <packets>', 'packets a second', integerBetween(1, 1e8), 100_000)
    .option(
      '--packet-size <bytes>',
      'bytes of a packet, on average',
      integerBetween(60, 65_535),
      600,
    )
    .option(
      '--mirrored-mtu <bytes>',
      'MTU of mirrored interfaces',
      integerBetween(68, 65_535),
      1500,
    )
    .option('--receive-buffer <size>', 'what listen asks for', parseSize, parseSize('64MiB'))
    .option('--dir <directory>', 'where captures or flow logs go; may be repeated', collect)
    .optionsGroup('A running appliance:')
    .option('--api <url>', 'address of its API, such as http://127.0.0.1:4780', parseUrl)
    .option(
      '--credentials <file>',
      'access keys as listen has them; without it, requests are not signed',
    )
    .option('--profile <name>', 'profile of that file', 'default')
    .option('--region <region>', 'its region, and that of --aws and --terraform')
    .optionsGroup('Setting mirroring up:')
    .option('--aws', 'print AWS CLI commands that mirror towards this host')
    .option('--terraform', 'print the same as resources of Terraform')
    .option('--network-interface-id <eni>', 'interface of this host')
    .option('--security-group-id <sg>', 'security group of that interface')
    .option('--source <eni>', 'interface to mirror; may be repeated', collect)
    .option('--source-cidr <cidr>', 'addresses that mirror', '10.0.0.0/8')
    .option('--vni <number>', 'VNI of the first session, the others follow', parseVni)
    .optionsGroup('What comes out:')
    .option('--json', 'print the findings as a JSON array')
    .addHelpText(
      'after',
      '\nExamples:\n  mirrortap doctor --rate 300000 --dir /var/lib/mirrortap\n' +
        '  mirrortap doctor --api http://127.0.0.1:4780 --credentials ~/.config/mirrortap/credentials\n' +
        '  mirrortap doctor outer.pcap\n  mirrortap doctor --terraform --source eni-0aa11bb22cc33dd44',
    )
    .action(async (file: string | undefined, options: DoctorOptions) => {
      const { doctor } = await import('./run.js')
      await doctor(file, options)
    })
}

function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:/.test(text)) {
    throw new InvalidArgumentError('Give a URL such as http://127.0.0.1:4780.')
  }
  return text
}
