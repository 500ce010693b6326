import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { ethernet, geneve, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { Appliance, filesBelow, IS_BUILT, NEEDS_BUILD, readStats, sumOf } from './program.js'

const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const IS_LINUX = process.platform === 'linux'
const HOST = '127.0.0.1'

const DESCRIPTORS = 512
/** LONG_TESTS=1 goes on for longer, with files that are open for longer. */
const IS_LONG = process.env['LONG_TESTS'] !== undefined
const SPRAYED_A_SECOND = 2000
const SECONDS = IS_LONG ? 10 : 4
const ROTATE_INTERVAL = IS_LONG ? '3s' : '1s'
/** Of each session that is meant. */
const MEANT_A_SECOND = 20
const STEP_MS = 50
const GOOD_VNI = 0xffff01
const REGISTERED_VNI = 0xffff02

const CONFIG = `
TrafficMirrorTargets: [{ TrafficMirrorTargetId: tmt-here, NetworkInterfaceId: eni-here }]
TrafficMirrorFilters:
  - TrafficMirrorFilterId: tmf-all
    IngressFilterRules: &all
      - { RuleNumber: 1, RuleAction: accept, SourceCidrBlock: 0.0.0.0/0, DestinationCidrBlock: 0.0.0.0/0 }
    EgressFilterRules: *all
TrafficMirrorSessions:
  - TrafficMirrorSessionId: tms-registered
    NetworkInterfaceId: eni-elsewhere
    TrafficMirrorTargetId: tmt-here
    TrafficMirrorFilterId: tmf-all
    SessionNumber: 1
    VirtualNetworkId: ${REGISTERED_VNI}
`

/** A packet of a session; its flow is the session's own. */
function packetOf(vni: number): Buffer {
  const flow = { src: '10.1.0.1', dst: '10.1.0.2', sport: 1000 + (vni % 50_000), dport: 53 }
  return vxlan(vni, ethernet(udp4({ ...flow, payload: Buffer.alloc(40) })))
}

/** The same as a Gateway Load Balancer hands it on: its session has the source inside GENEVE. */
function packetFrom(source: string, vni: number): Buffer {
  const mirrored = { src: source, dst: HOST, sport: 60_000, dport: 4789 }
  return geneve(udp4({ ...mirrored, payload: packetOf(vni), checksum: false }))
}

const madeUp = {
  VNIs: (number: number) => packetFrom('10.2.0.1', number),
  sources: (number: number) =>
    packetFrom(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, 5),
}

/** Packets of flow log records whose flow has that port at the one end. */
function loggedPackets(directory: string, port: number): number {
  return filesBelow(directory)
    .filter((name) => name.endsWith('.gz'))
    .flatMap((name) =>
      gunzipSync(readFileSync(join(directory, name)))
        .toString()
        .split('\n'),
    )
    .map((line) => line.split(' '))
    .filter(([srcport]) => srcport === String(port))
    .reduce((sum, [, packets]) => sum + Number(packets), 0)
}

function packetsIn(directory: string, session: string): number {
  return filesBelow(join(directory, session)).reduce(
    (sum, name) => sum + readWritten(join(directory, session, name)).length,
    0,
  )
}

const CASES = [
  { made: 'VNIs', workers: 1 },
  { made: 'sources', workers: 1 },
  { made: 'VNIs', workers: 2 },
] as const

describe.skipIf(!IS_BUILT || !IS_LINUX)(
  `senders who make up sessions${NEEDS_BUILD}, on Linux`,
  { timeout: 240_000 },
  () => {
    test.for(CASES)(
      'take nothing from a registered session or one in use: $made, $workers workers',
      async ({ made, workers }, { skip }) => {
        if (workers > 1 && !HAS_RECVMMSG) skip('needs recvmmsg')
        const dir = temporaryDirectory()
        const [captures, logs, stats, config] = ['captures', 'logs', 'stats', 'config.yaml'].map(
          (name) => join(dir, name),
        ) as [string, string, string, string]
        writeFileSync(config, CONFIG)
        const appliance = new Appliance(
          [
            ...['--config', config, '--stats', stats, '--workers', String(workers)],
            ...[
              '--geneve-port',
              '0',
              '--capture-dir',
              captures,
              '--rotate-interval',
              ROTATE_INTERVAL,
            ],
            ...['--flow-log-dir', logs, '--log-format', '${srcport} ${packets}'],
          ],
          ['sh', '-c', `ulimit -n ${DESCRIPTORS}; exec "$@"`, 'sh'],
        )
        await appliance.port()
        const port = Number((await appliance.says(/and port (\d+) \(GENEVE\)/))[1])
        await appliance.says(new RegExp(`^${DESCRIPTORS} files may be open at a time`, 'm'))

        const sender = await UdpSender.open(HOST)
        const send = (bytes: Buffer): Promise<void> => sender.send(bytes, port, HOST)
        let sprayed = 0
        let meant = 0
        let descriptors = 0
        const sendMeant = async (): Promise<void> => {
          await send(packetFrom('10.2.0.1', GOOD_VNI))
          await send(packetFrom('10.2.0.2', REGISTERED_VNI))
          meant++
        }
        // It has been there for a while when the others come.
        for (let step = 0; step < MEANT_A_SECOND; step++) {
          await sendMeant()
          await delay(STEP_MS)
        }
        const began = performance.now()
        while (sprayed < SPRAYED_A_SECOND * SECONDS) {
          const due = ((performance.now() - began) / 1000) * SPRAYED_A_SECOND
          while (sprayed < due) await send(madeUp[made](sprayed++))
          await sendMeant()
          descriptors = Math.max(descriptors, readdirSync(`/proc/${appliance.pid}/fd`).length)
          await delay(STEP_MS)
        }
        await sender.close()
        expect(await appliance.stop(), appliance.stderr).toBe(0)

        const report = readStats(stats)
        expect(report).toMatchObject({ received: sprayed + 2 * meant, kernelLost: 0 })
        expect(sumOf(report)).toBe(report.received)
        const { totals, captureLosses } = report
        expect(totals.received + report.noRoom).toBe(report.received)
        expect(totals.captured + totals.captureLost).toBe(totals.accepted)
        const lost = Object.values(captureLosses).reduce((sum, count) => sum + count, 0)
        expect(lost).toBe(totals.captureLost)
        expect(captureLosses.disk, appliance.stderr).toBeUndefined()

        for (const [session, vni] of [
          [`vni-${GOOD_VNI}_10.2.0.1`, GOOD_VNI],
          ['tms-registered', REGISTERED_VNI],
        ] as const) {
          const counts = report.sessions.find((one) => one.session === session)
          expect(counts).toMatchObject({ received: meant, captured: meant, flowPackets: meant })
          expect(packetsIn(captures, session)).toBe(meant)
          expect(loggedPackets(logs, 1000 + (vni % 50_000))).toBe(meant)
        }
        expect(descriptors).toBeLessThan(DESCRIPTORS)
        expect(readdirSync(captures).length).toBeLessThan(600 * workers)
        expect(appliance.stderr.split('\n').length).toBeLessThan(400)
      },
    )
  },
)
