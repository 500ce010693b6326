import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { Namespace, whyNoNamespaces } from './namespaces.js'
import {
  Appliance,
  BIN,
  filesBelow,
  IS_BUILT,
  NEEDS_BUILD,
  Program,
  readStats,
  UNHURRIED,
  until,
} from './program.js'
import { framesOf, startTcpdump } from './tcpdump.js'

/**
 * An interface as the mirror source: alice talks to bob over eth0, and what passes there is
 * mirrored to a third host over eth1, or to bob himself. tcpdump says what the frames are.
 */

const MISSING = whyNoNamespaces()
const missing = MISSING === undefined ? '' : ` (needs ${MISSING})`
const VNI = 77

const SERVER = `
  const server = require('node:http').createServer((request, response) => {
    request.resume().on('end', () => response.end(Buffer.alloc(300_000, 'answer')))
  })
  server.listen(8080, '10.77.0.2', () => console.error('serving'))
`
/** Asks; then a datagram that goes in fragments, and one that ICMP answers: nobody listens there. */
const LAST_WORDS = 'nothing comes after this'
const CLIENT = `
  const options = { method: 'POST', body: Buffer.alloc(50_000, 'question') }
  const socket = require('node:dgram').createSocket('udp4')
  const send = (text) => new Promise((resolve) => socket.send(text, 9, '10.77.0.2', resolve))
  fetch('http://10.77.0.2:8080/', options)
    .then((response) => response.arrayBuffer())
    .then(() => send(Buffer.alloc(4000, 'in parts')))
    .then(() => send('${LAST_WORDS}'))
    .then(() => process.exit())
`

class Hosts {
  readonly alice = new Namespace()
  readonly bob = new Namespace()
  readonly sensor = new Namespace()
  readonly directory = temporaryDirectory()
  /** What tcpdump sees on alice's eth0. */
  readonly seen = join(this.directory, 'tcpdump.pcap')
  readonly #captured = join(this.directory, 'captures')
  readonly stats = join(this.directory, 'stats.json')

  constructor({ mtu = 1500 } = {}) {
    const { alice, sensor } = this
    this.join(mtu)
    alice.cable('eth1', sensor, 'eth0')
    alice.ip('addr add 10.88.0.1/24 dev eth1')
    sensor.ip('addr add 10.88.0.2/24 dev eth0')
    // Else the kernel would keep packets until it knows an address, and lose some.
    alice.ip(`neigh replace 10.88.0.2 lladdr ${macOf(sensor)} dev eth1 nud permanent`)
  }

  /** Alice's eth0 and bob's, on one cable. */
  join(mtu = 1500): void {
    const { alice, bob } = this
    alice.cable('eth0', bob, 'eth0')
    for (const [host, address] of [
      [alice, '10.77.0.1'],
      [bob, '10.77.0.2'],
    ] as const) {
      host.withoutOffloads('eth0')
      host.ip(`link set eth0 mtu ${mtu}`)
      host.ip(`addr add ${address}/24 dev eth0`)
    }
    alice.neighbourIsPermanent('eth0', bob, '10.77.0.2')
    bob.neighbourIsPermanent('eth0', alice, '10.77.0.1')
  }

  /** `mirror --interface eth0` at alice's; resolves when it does. */
  async mirror(...args: string[]): Promise<Program> {
    const command = [process.execPath, BIN, 'mirror', '--interface', 'eth0', '--json']
    const program = new Program([...this.alice.within, ...command, ...args] as [
      string,
      ...string[],
    ])
    await program.says(/^mirroring eth0$/m)
    return program
  }

  /** `listen` at the sensor's, or another's. */
  async listen(at: Namespace, address: string): Promise<Appliance> {
    const to = ['--geneve-port', '6081', '--capture-dir', this.#captured, '--stats', this.stats]
    const bind = ['--bind', address, '--port', '4789', '--rotate-interval', '30d']
    const appliance = new Appliance([...bind, ...to], at.within)
    await appliance.port()
    return appliance
  }

  /** The frames of what is captured so far, sorted; undefined while they are being written. */
  received(): string[] | undefined {
    const files = filesBelow(this.#captured).filter((name) => /\.pcap(\.part)?$/.test(name))
    const frames = files.map((name) => framesOf(join(this.#captured, name)))
    return frames.includes(undefined) ? undefined : frames.flatMap((some) => some!).sort()
  }

  /** When all of `talk` is in `seen`, resolves as soon as as many as `expected` are received. */
  async allReceived(expected: () => readonly string[], seen = expected): Promise<void> {
    const last = Buffer.from(LAST_WORDS).toString('hex')
    await until(() => {
      // The last datagram, and the ICMP message that quotes it.
      const isOver = seen().filter((frame) => frame.includes(last)).length === 2
      return isOver && this.received()?.length === expected().length
    })
  }

  async talk(): Promise<void> {
    const server = this.bob.start(process.execPath, '-e', SERVER)
    await server.says(/serving/)
    this.alice.run(process.execPath, '-e', CLIENT)
    server.signal('SIGTERM')
    await server.ended()
  }

  /** A datagram of so many bytes to where nobody listens. */
  say(octets: number): void {
    const script = `
      const socket = require('node:dgram').createSocket('udp4')
      socket.send(Buffer.alloc(${octets}, 'say'), 9, '10.77.0.2', () => socket.close())
    `
    this.alice.run(process.execPath, '-e', script)
  }
}

function macOf(host: Namespace): string {
  return host.run('cat', '/sys/class/net/eth0/address').trim()
}

interface Summary {
  packets: number
  sent: number
  overMtu: number
  kernelLost: number
  notSent: Record<string, number>
  NetworkPacketsMirrorIn: number
  NetworkPacketsMirrorOut: number
}

/** What a mirror source that is told to stop has counted. */
async function summaryOf(mirror: Program): Promise<Summary> {
  mirror.signal('SIGINT')
  expect(await mirror.ended()).toBe(0)
  return JSON.parse(mirror.stdout.toString()) as Summary
}

/** Frames but those of mirroring: UDP to port 4789, fragments of it, and ICMP that quotes either. */
function apartFromCopies(frames: readonly string[]): string[] {
  const ours = (packet: Buffer): boolean => {
    const fragment = packet.readUInt16BE(6) & 0x1fff
    const toTarget = packet[9] === 17 && packet.subarray(16, 20).equals(Buffer.of(10, 77, 0, 2))
    return toTarget && (fragment > 0 || packet.readUInt16BE(22) === 4789)
  }
  return frames.filter((frame) => {
    const packet = Buffer.from(frame, 'hex').subarray(14)
    return !ours(packet) && !(packet[9] === 1 && ours(packet.subarray(28)))
  })
}

describe.skipIf(!IS_BUILT)(`mirror --interface${NEEDS_BUILD}`, UNHURRIED, () => {
  test.skipIf(MISSING !== undefined).each([
    { way: 'VXLAN', to: ['--to', '10.88.0.2:4789', '--vni', `${VNI}`] },
    { way: 'a gateway', to: ['--to', '10.88.0.2:6081', '--vni', `${VNI}`, '--gateway'] },
  ])(`brings every frame, byte for byte, by $way${missing}`, async ({ to }) => {
    const hosts = new Hosts()
    const { alice, sensor, seen, stats } = hosts
    const appliance = await hosts.listen(sensor, '10.88.0.2')
    const tcpdump = await startTcpdump(alice, 'eth0', seen)
    const mirror = await hosts.mirror(...to)
    await hosts.talk()
    await hosts.allReceived(() => framesOf(seen) ?? [])
    const summary = await summaryOf(mirror)
    tcpdump.signal('SIGINT')
    await tcpdump.ended()
    expect(await appliance.stop()).toBe(0)

    const frames = framesOf(seen)!
    expect(hosts.received()).toEqual(frames)
    // TCP both ways in full-sized segments, fragments, ICMP.
    const protocols = new Set(frames.map((frame) => frame.slice(46, 48)))
    expect([...protocols].sort()).toEqual(['01', '06', '11'])
    expect(Math.max(...frames.map((frame) => frame.length / 2))).toBe(1514)
    const fromAlice = frames.filter(
      (frame) => frame.slice(12, 24) === macOf(alice).replaceAll(':', ''),
    )
    expect(summary).toMatchObject({
      packets: frames.length,
      sent: frames.length,
      kernelLost: 0,
      overMtu: 0,
      notSent: {},
      NetworkPacketsMirrorOut: fromAlice.length,
      NetworkPacketsMirrorIn: frames.length - fromAlice.length,
    })
    const report = readStats(stats)
    expect(report).toMatchObject({ received: frames.length, kernelLost: 0, malformed: {} })
    expect(report.sessions).toMatchObject([{ vni: VNI, source: '10.88.0.1', cut: 0 }])
  })

  test.skipIf(MISSING !== undefined)(
    `never mirrors its copies, whole, in fragments or refused, to a target on the same cable${missing}`,
    async () => {
      const hosts = new Hosts()
      const { alice, bob, seen } = hosts
      // Or copies and datagrams would share what ICMP there may be.
      bob.run('sh', '-c', 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit')
      const appliance = await hosts.listen(bob, '10.77.0.2')
      const tcpdump = await startTcpdump(alice, 'eth0', seen)
      const mirror = await hosts.mirror('--to', '10.77.0.2:4789', '--vni', `${VNI}`)
      await hosts.talk()
      const talked = (): string[] => apartFromCopies(framesOf(seen) ?? [])
      await hosts.allReceived(talked)
      const before = talked()
      expect(hosts.received()).toEqual(before)
      expect(await appliance.stop()).toBe(0)

      // Nobody is there any more: each copy is answered by ICMP, which is no copy's beginning.
      for (let count = 0; count < 5; count++) hosts.say(100)
      await until(() => talked().length === before.length + 10)
      const summary = await summaryOf(mirror)
      tcpdump.signal('SIGINT')
      await tcpdump.ended()
      expect(summary.packets).toBe(talked().length)
      const { ECONNREFUSED: refused = 0, ...others } = summary.notSent
      expect(others).toEqual({})
      expect(refused).toBeGreaterThan(0)
      expect(summary.sent + refused).toBe(summary.packets)
    },
  )

  test.skipIf(MISSING !== undefined)(
    `goes on when the interface is down, gone, and there again${missing}`,
    async () => {
      const hosts = new Hosts()
      const { alice, sensor } = hosts
      const appliance = await hosts.listen(sensor, '10.88.0.2')
      const mirror = await hosts.mirror('--to', '10.88.0.2:4789', '--vni', `${VNI}`)
      const arrived = (octets: number): Promise<unknown> =>
        until(() => hosts.received()?.some((frame) => frame.length === 2 * (42 + octets)))
      hosts.say(500)
      await arrived(500)
      alice.ip('link set eth0 down')
      await mirror.says(/^eth0 is down: waiting until it is up$/m)
      alice.ip('link set eth0 up')
      await mirror.says(/^eth0 is up: mirroring$/m)
      alice.neighbourIsPermanent('eth0', hosts.bob, '10.77.0.2')
      hosts.say(600)
      await arrived(600)
      alice.ip('link del eth0')
      await mirror.says(/^eth0 is gone: waiting for an interface of that name$/m)
      hosts.join()
      await mirror.says(/is gone(.|\n)*^eth0 is up: mirroring$/m)
      hosts.say(700)
      await arrived(700)
      const { packets, sent } = await summaryOf(mirror)
      expect(sent).toBe(packets)
      expect(mirror.stderr.split('\n').length).toBeLessThanOrEqual(8)
      expect(await appliance.stop()).toBe(0)
    },
  )

  test.skipIf(MISSING !== undefined)(
    `sends frames of 9001 bytes over a path of 1500 in fragments${missing}`,
    async () => {
      const hosts = new Hosts({ mtu: 9001 })
      const { alice, sensor, seen } = hosts
      const appliance = await hosts.listen(sensor, '10.88.0.2')
      const tcpdump = await startTcpdump(alice, 'eth0', seen)
      const mirror = await hosts.mirror('--to', '10.88.0.2:4789', '--vni', `${VNI}`)
      for (let count = 0; count < 20; count++) hosts.say(9001 - 28)
      const whole = (frames: readonly string[] = []): number =>
        frames.filter((frame) => frame.length === 2 * 9015).length
      await until(() => whole(hosts.received()) === 20)
      const summary = await summaryOf(mirror)
      tcpdump.signal('SIGINT')
      await tcpdump.ended()
      await appliance.stop()
      expect(whole(framesOf(seen))).toBe(20)
      expect(hosts.received()).toEqual(framesOf(seen))
      expect(summary).toMatchObject({ overMtu: 0, notSent: {} })
    },
  )

  test.skipIf(MISSING !== undefined)(
    `takes what the sessions of a file take, in both directions${missing}`,
    async () => {
      const hosts = new Hosts()
      const { alice, sensor, seen, directory } = hosts
      const session = join(directory, 'session.yaml')
      writeFileSync(session, SESSION)
      const appliance = await hosts.listen(sensor, '10.88.0.2')
      const tcpdump = await startTcpdump(alice, 'eth0', seen)
      const mirror = await hosts.mirror('--session', session, '--to', '10.88.0.2:4789')
      await hosts.talk()
      // Of TCP the first 100 bytes of each frame; nothing else.
      const taken = (): string[] =>
        (framesOf(seen) ?? [])
          .filter((frame) => frame.slice(46, 48) === '06')
          .map((frame) => frame.slice(0, 2 * 100))
          .sort()
      await hosts.allReceived(taken, () => framesOf(seen) ?? [])
      expect(taken().length).toBeGreaterThan(100)
      const summary = await summaryOf(mirror)
      tcpdump.signal('SIGINT')
      await tcpdump.ended()
      await appliance.stop()
      expect(hosts.received()).toEqual(taken())
      expect(summary.sent).toBe(taken().length)
    },
  )

  test.skipIf(MISSING !== undefined)(`says what is wrong in one line${missing}`, async () => {
    const { alice, directory } = new Hosts()
    const fails = async (...command: string[]): Promise<string> => {
      const program = alice.start(...command)
      expect(await program.ended()).toBe(1)
      return program.stderr
    }
    const mirror = [process.execPath, BIN, 'mirror', '--to', '10.88.0.2:4789', '--vni', '1']
    expect(await fails(...mirror, '--interface', 'eth9')).toMatch(
      /^mirrortap: there is no interface "eth9": give one of .*eth0[^\n]*\n$/,
    )
    const powerless = ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw']
    expect(await fails(...powerless, ...mirror, '--interface', 'eth0')).toBe(
      'mirrortap: no permission to read eth0: run as root or with CAP_NET_RAW\n',
    )
    expect(filesBelow(directory)).toEqual([])
  })
})

const SESSION = `
NetworkInterfaces:
  - NetworkInterfaceId: eni-alice
    PrivateIpAddress: 10.77.0.1
TrafficMirrorTargets:
  - TrafficMirrorTargetId: tmt-sensor
    NetworkInterfaceId: eni-sensor
TrafficMirrorSessions:
  - TrafficMirrorSessionId: tms-web
    NetworkInterfaceId: eni-alice
    TrafficMirrorTargetId: tmt-sensor
    TrafficMirrorFilterId: tmf-web
    SessionNumber: 1
    VirtualNetworkId: 7
    PacketLength: 100
TrafficMirrorFilters:
  - TrafficMirrorFilterId: tmf-web
    EgressFilterRules:
      - RuleNumber: 10
        RuleAction: accept
        Protocol: 6
        DestinationPortRange: { FromPort: 8080, ToPort: 8080 }
        SourceCidrBlock: 0.0.0.0/0
        DestinationCidrBlock: 10.77.0.2/32
    IngressFilterRules:
      - RuleNumber: 10
        RuleAction: accept
        Protocol: 6
        SourcePortRange: { FromPort: 8080, ToPort: 8080 }
        SourceCidrBlock: 0.0.0.0/0
        DestinationCidrBlock: 0.0.0.0/0
`
