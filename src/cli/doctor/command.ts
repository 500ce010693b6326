import { type Command, InvalidArgumentError } from 'commander'
import { collect, integerBetween, parseVni } from '../options.js'
import { bindOption, portOption, receiveBufferOption } from '../shared-options.js'
import type { DoctorOptions } from './options.js'

/** `mirrortap doctor`: what stands in the way of the job, and what to do about it. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check this host, an appliance or a capture, and say how to mend it')
    .description(
      'Checks what mirroring needs on this host: port, receiver, receive buffer, MTU, clock, permissions ' +
        'and disk. With --api it checks a running appliance. With FILE it checks a capture of what a ' +
        'mirror target receives, outer headers included. Each finding says what is wrong, why it ' +
        'matters and which command mends it. The exit code is 1 if any of them is a problem.',
    )
    .argument('[file]', 'capture file of mirrored packets to check instead of this host')
    .optionsGroup('What this host will receive:')
    .addOption(bindOption())
    .addOption(portOption())
    .option('--rate <packets>', 'packets per second to expect', integerBetween(1, 1e8), 100_000)
    .option(
      '--packet-size <bytes>',
      'average size to expect of a packet, in bytes',
      integerBetween(60, 65_535),
      600,
    )
    .option(
      '--mirrored-mtu <bytes>',
      'MTU of the interfaces that are mirrored',
      integerBetween(68, 65_535),
      1500,
    )
    .addOption(receiveBufferOption())
    .option(
      '--dir <directory>',
      'directory for captures or flow logs, whose disk and permissions to check; may be repeated (default: none)',
      collect,
    )
    .optionsGroup('A running appliance:')
    .option(
      '--api <url>',
      'check the appliance whose API is at this URL, such as http://127.0.0.1:4780 (default: this host)',
      parseUrl,
    )
    .option(
      '--credentials <file>',
      "with --api: file of access keys in AWS's shared format, such as listen makes (default: none, and requests are not signed)",
    )
    .option('--profile <name>', 'with --api: the profile to use of --credentials', 'default')
    .option(
      '--region <region>',
      'region of the appliance, and the one that --aws and --terraform write out (default: us-east-1 for the appliance, none for the others)',
    )
    .optionsGroup('Setting up mirroring:')
    .option('--aws', 'print AWS CLI commands that mirror interfaces to this host')
    .option('--terraform', 'print Terraform resources that mirror interfaces to this host')
    .option(
      '--network-interface-id <eni>',
      'with --aws or --terraform: interface of this host, the mirror target (default: eni-FILL-IN)',
    )
    .option(
      '--security-group-id <sg>',
      'with --aws or --terraform: security group of that interface (default: sg-FILL-IN)',
    )
    .option(
      '--source <eni>',
      'with --aws or --terraform: interface to mirror; may be repeated (default: eni-FILL-IN)',
      collect,
    )
    .option(
      '--source-cidr <cidr>',
      'with --aws or --terraform: addresses that may send mirrored packets to this host',
      '10.0.0.0/8',
    )
    .option(
      '--vni <number>',
      'with --aws or --terraform: VNI of the first session; each further session has the next number (default: AWS chooses)',
      parseVni,
    )
    .optionsGroup('Output:')
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
