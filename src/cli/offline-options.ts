import { type Command, Option } from 'commander'
import type { DuplicateMode } from '../session/duplicates.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { collectVnis, integerBetween } from './options.js'

/** What the commands that read capture files share. */
export interface OfflineCliOptions {
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
  return command
    .addOption(
      new Option('--decap <how>', 'take one mirror layer (VXLAN, GENEVE) off, or none')
        .choices(['auto', 'none'])
        .default('auto'),
    )
    .option('--vni <numbers>', 'these VXLAN network identifiers only: 7 or 7,8', collectVnis)
    .option('--filter <expression>', 'pcap-filter(7) on the mirrored frames; vni and session too')
    .option('--vxlan-port <number>', 'UDP port of VXLAN', parseUdpPort, VXLAN_PORT)
    .option('--geneve-port <number>', 'UDP port of GENEVE', parseUdpPort, GENEVE_PORT)
}
