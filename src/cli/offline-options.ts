import { type Command, Option } from 'commander'
import type { PointInTime } from '../offline/offline.js'
import type { DuplicateMode } from '../session/duplicates.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { collect, collectVnis, integerBetween, parseMoment } from './options.js'

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
  return command
    .optionsGroup('What is read of the files:')
    .addOption(
      new Option(
        '--decap <how>',
        'auto unwraps one mirror layer (VXLAN or GENEVE); none leaves packets as they are',
      )
        .choices(['auto', 'none'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--dir <directory>',
        'read the finished captures in and below it, too; once for each directory',
      ).argParser(collect),
    )
    .option(
      '--since <time>',
      'read no earlier packets: 10m ago, 2026-11-30T12:00:00Z or seconds; of files with an index (mirrortap index) only the parts in between are read',
      parseMoment,
    )
    .option('--until <time>', 'read no later packets', parseMoment)
    .option(
      '--vni <numbers>',
      'read only packets with these VXLAN network identifiers, such as 7 or 7,8',
      collectVnis,
    )
    .option(
      '--filter <expression>',
      'read only packets that match this pcap-filter(7) expression; it sees the mirrored frame, and vni and session work too',
    )
    .option('--vxlan-port <number>', 'UDP port that carries VXLAN', parseUdpPort, VXLAN_PORT)
    .option('--geneve-port <number>', 'UDP port that carries GENEVE', parseUdpPort, GENEVE_PORT)
}
