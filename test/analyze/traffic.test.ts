import { expect, test } from 'vitest'
import { Beacons } from '../../src/analyze/beacons.js'
import { Distribution } from '../../src/analyze/distribution.js'
import { TcpHealth } from '../../src/analyze/tcp-health.js'
import { Traffic } from '../../src/analyze/traffic.js'
import { FlowTracker } from '../../src/flow/flow-tracker.js'
import { Offline } from '../../src/offline/offline.js'
import { packetOf } from '../session/datagrams.js'
import { ethernet, mirrored, tcp4 } from '../support/frames.js'

test('the packets that an analysis counts into flows are in the ledger as such', () => {
  const duration = () => new Distribution('ns')
  const tcp = new TcpHealth(10, {
    handshake: duration(),
    synToSynAck: duration(),
    synAckToAck: duration(),
  })
  const tracker = new FlowTracker({ capacity: 10, sessions: 4 })
  const traffic = new Traffic({ tracker, tcp, beacons: new Beacons() })
  const offline = new Offline({
    decap: 'auto',
    vxlanPort: 4789,
    genevePort: 6081,
    counter: () => traffic,
    observe: (session, packet, frame, fault) => traffic.observe(session, packet, frame, fault),
  })
  const frame = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))
  const arp = ethernet(Buffer.alloc(46), { type: 0x0806 })
  for (const inner of [frame, arp]) {
    offline.accept(
      packetOf(mirrored({ source: '10.0.0.1', target: '10.9.9.9', vni: 7, frame: inner })),
    )
  }
  expect(offline.session(1).report()).toMatchObject({ accepted: 2, flowPackets: 1, untracked: 1 })
  expect(tracker.table.count).toBe(1)
})
