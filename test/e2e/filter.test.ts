import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { ethernet, icmp4, tcp4, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { Appliance, IS_BUILT, NEEDS_BUILD, readStats, sumOf, UNHURRIED } from './program.js'

const HOST = '127.0.0.1'
const ENDS = { src: '10.0.0.1', dst: '10.0.0.2' }
const FRAMES = [
  ethernet(tcp4({ ...ENDS, sport: 40_000, dport: 443 })),
  ethernet(udp4({ ...ENDS, sport: 5000, dport: 53 })),
  ethernet(icmp4({ ...ENDS, type: 8 })),
]
const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const missing = HAS_RECVMMSG ? '' : ' (needs Linux and koffi)'

describe.skipIf(!IS_BUILT)(`filters of mirrortap listen${NEEDS_BUILD}`, UNHURRIED, () => {
  test.skipIf(!HAS_RECVMMSG)(`hold in every worker, session by session${missing}`, async () => {
    const dir = temporaryDirectory()
    const [stats, config] = [join(dir, 'ledger.json'), join(dir, 'mirrortap.yaml')]
    writeFileSync(
      config,
      `filter: not icmp\nfilters:\n  - { vni: 11, filter: tcp }\n  - { session: vni-12_${HOST}, filter: udp or icmp }\n`,
    )
    const appliance = new Appliance(['--workers', '2', '--config', config, '--stats', stats])
    const port = await appliance.port()
    const vnis = [10, 11, 12, 13]
    const sender = await UdpSender.open(HOST)
    for (const vni of vnis) {
      for (const frame of FRAMES) await sender.send(vxlan(vni, frame), port, HOST)
    }
    await sender.close()
    expect(await appliance.stop()).toBe(0)

    const report = readStats(stats)
    expect(sumOf(report)).toBe(report.received)
    const counts = report.sessions.map(({ vni, accepted, filtered }) => [vni, accepted, filtered])
    expect(counts.sort()).toEqual([
      [10, 2, 1],
      [11, 1, 2],
      [12, 2, 1],
      [13, 2, 1],
    ])
  })
})
