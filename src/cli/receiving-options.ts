import { type Command, Option } from 'commander'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { parsePort, parseSize } from './options.js'

/** What the commands that receive share. `geneveDefault` says what goes without --geneve-port. */
export function addReceivingOptions(command: Command, geneveDefault: string): Command {
  return command
    .option('--bind <address>', 'address to receive on; :: takes IPv4 as well', '0.0.0.0')
    .option('--port <number>', 'UDP port of VXLAN, 0 picks one', parsePort, VXLAN_PORT)
    .option('--geneve-port <number>', `UDP port of GENEVE (default: ${geneveDefault})`, parsePort)
    .addOption(
      new Option(
        '--receiver <name>',
        'how to receive: recvmmsg (Linux with koffi) or dgram (everywhere)',
      )
        .choices(['auto', 'recvmmsg', 'dgram'])
        .default('auto'),
    )
    .addOption(
      new Option('--receive-buffer <size>', 'socket receive buffer to request from the kernel')
        .argParser(parseSize)
        .default(parseSize('64MiB'), '64MiB'),
    )
}
