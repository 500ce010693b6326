import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { mirroringClassifier, Namespace, whyNoNamespaces } from './namespaces.js'
import {
  Appliance,
  BIN,
  filesBelow,
  IS_BUILT,
  NEEDS_BUILD,
  readStats,
  UNHURRIED,
  until,
} from './program.js'
import { framesOf, startTcpdump } from './tcpdump.js'

/**
 * The kernel's own VXLAN at the other end: as the source that mirrors real traffic of two
 * hosts to us, and as the target of what we mirror. tcpdump says what the frames are.
 */

const MISSING = whyNoNamespaces()
const CLASSIFIER = MISSING === undefined ? mirroringClassifier() : undefined
const VNI = 0xabcdef
const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')
const NO_TC = MISSING ?? (CLASSIFIER === undefined ? 'a tc classifier of the kernel' : undefined)
const WAYS = [
  { command: 'listen', way: 'tc', needs: NO_TC },
  { command: 'listen', way: 'a bridge that floods', needs: MISSING },
  { command: 'capture', way: 'a bridge that floods', needs: MISSING },
] as const

const SERVER = `
  const server = require('node:http').createServer((request, response) => {
    request.resume().on('end', () => response.end(Buffer.alloc(300_000, 'answer')))
  })
  server.listen(8080, '10.77.0.2', () => console.error('serving'))
`
/** Asks twice; then a datagram that goes in fragments, and one that is answered by ICMP: nobody listens there. */
const CLIENT = `
  const ask = async () => {
    const options = { method: 'POST', body: Buffer.alloc(50_000, 'question') }
    const response = await fetch('http://10.77.0.2:8080/', options)
    if ((await response.arrayBuffer()).byteLength !== 300_000) throw new Error('cut short')
  }
  const socket = require('node:dgram').createSocket('udp4')
  const send = (text) => new Promise((resolve) => socket.send(text, 9, '10.77.0.2', resolve))
  ask().then(ask)
    .then(() => send(Buffer.alloc(4000, 'in parts')))
    .then(() => send('to nobody'))
    .then(() => process.exit())
`
const LAST_WORDS = 'nothing comes after this'
const GOODBYE = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.send('${LAST_WORDS}', 9, '10.77.0.2', () => socket.close())
`

/** Two hosts on a bridge, all of whose traffic goes to a third as VXLAN too. */
function mirroredHosts(way: string) {
  const [alice, bob, bridge, target] = Array.from({ length: 4 }, () => new Namespace()) as [
    Namespace,
    Namespace,
    Namespace,
    Namespace,
  ]
  for (const [host, port, address] of [
    [alice, 'alice', '10.77.0.1/24'],
    [bob, 'bob', '10.77.0.2/24'],
  ] as const) {
    host.cable('eth0', bridge, port)
    host.withoutOffloads('eth0')
    bridge.withoutOffloads(port)
    host.ip(`addr add ${address} dev eth0`)
  }
  bridge.cable('target', target, 'eth0')
  // Room for 1500 bytes with their Ethernet, VXLAN, UDP and IP headers.
  bridge.ip('link set target mtu 1600')
  target.ip('link set eth0 mtu 1600')
  bridge.ip('addr add 10.88.0.1/24 dev target')
  target.ip('addr add 10.88.0.2/24 dev eth0')

  const tunnel = `id ${VNI} local 10.88.0.1 remote 10.88.0.2 dstport 4789`
  bridge.ip(`link add mirror mtu 1500 type vxlan ${tunnel}`)
  bridge.ip('link set mirror up')
  // A bridge that snoops speaks IGMP itself.
  if (way === 'tc') {
    bridge.ip('link add bridge type bridge mcast_snooping 0')
    bridge.tc('qdisc add dev alice clsact')
    const copy = `${CLASSIFIER} action mirred egress mirror dev mirror`
    for (const side of ['ingress', 'egress']) {
      bridge.tc(`filter add dev alice ${side} protocol all ${copy}`)
    }
  } else {
    // It learns no address, so every frame leaves through every port.
    bridge.ip('link add bridge type bridge mcast_snooping 0 ageing_time 0')
    bridge.ip('link set mirror master bridge')
  }
  bridge.ip('link set alice master bridge')
  bridge.ip('link set bob master bridge')
  bridge.ip('link set bridge up')
  return { alice, bob, bridge, target }
}

const lastWords = Buffer.from(LAST_WORDS).toString('hex')
/** The last datagram has come, and the ICMP message that quotes it. */
const isComplete = (file: string): boolean =>
  framesOf(file)?.filter((frame) => frame.includes(lastWords)).length === 2

describe.skipIf(!IS_BUILT)(`the kernel's VXLAN${NEEDS_BUILD}`, UNHURRIED, () => {
  for (const { command, way, needs } of WAYS) {
    const missing = needs === undefined ? '' : ` (needs ${needs})`
    test.skipIf(needs !== undefined)(
      `brings ${command} every frame of two hosts, mirrored by ${way}${missing}`,
      async () => {
        const { alice, bob, bridge, target } = mirroredHosts(way)
        const dir = temporaryDirectory()
        const captures = join(dir, 'captures')
        const seen = join(dir, 'tcpdump.pcap')
        const stats = join(dir, 'ledger.json')
        const into = {
          listen: ['--capture-dir', captures, '--rotate-interval', '30d'],
          capture: ['-w', join(captures, 'all.pcap')],
        }
        mkdirSync(captures)
        const appliance = new Appliance(
          ['--bind', '10.88.0.2', '--port', '4789', '--stats', stats, ...into[command]],
          target.within,
          command,
        )
        await appliance.port()
        const tcpdump = await startTcpdump(bridge, 'alice', seen)

        const server = bob.start(process.execPath, '-e', SERVER)
        await server.says(/serving/)
        alice.run(process.execPath, '-e', CLIENT)
        server.signal('SIGTERM')
        await server.ended()
        // Or the kernel would ask for addresses again, whenever it likes.
        alice.neighbourIsPermanent('eth0', bob, '10.77.0.2')
        bob.neighbourIsPermanent('eth0', alice, '10.77.0.1')
        alice.run(process.execPath, '-e', GOODBYE)

        await until(() => isComplete(seen))
        tcpdump.signal('SIGINT')
        await tcpdump.ended()
        const part = await until(() => filesBelow(captures).find((name) => name.includes('.pcap')))
        await until(() => isComplete(join(captures, part)))
        expect(await appliance.stop()).toBe(0)

        const expected = framesOf(seen)!
        const [file, ...others] = filesBelow(captures)
        expect(others).toEqual([])
        expect(framesOf(join(captures, file!))).toEqual(expected)
        // What went by: ARP, TCP in full-sized segments, fragments, ICMP.
        expect(expected.length).toBeGreaterThan(500)
        const types = new Set(expected.map((frame) => frame.slice(24, 28)))
        expect([...types].sort()).toEqual(['0800', '0806'])
        const protocols = new Set(
          expected.filter((frame) => frame.startsWith('0800', 24)).map((f) => f.slice(46, 48)),
        )
        expect([...protocols].sort()).toEqual(['01', '06', '11'])
        expect(Math.max(...expected.map((frame) => frame.length / 2))).toBe(1514)

        const report = readStats(stats)
        expect(report).toMatchObject({ received: expected.length, kernelLost: 0, malformed: {} })
        expect(report.sessions).toMatchObject([
          { vni: VNI, source: '10.88.0.1', captured: expected.length, cut: 0 },
        ])
      },
    )
  }

  const missing = MISSING === undefined ? '' : ` (needs ${MISSING})`
  test.skipIf(MISSING !== undefined)(`unwraps what mirrortap mirror sends${missing}`, async () => {
    const [source, target] = [new Namespace(), new Namespace()]
    source.cable('eth0', target, 'eth0')
    source.ip('addr add 10.88.0.1/24 dev eth0')
    target.ip('addr add 10.88.0.2/24 dev eth0')
    target.ip(`link add vxlan type vxlan id ${VNI} local 10.88.0.2 dstport 4789`)
    target.ip('link set vxlan up')
    // Or it would join segments before tcpdump sees them.
    for (const device of ['eth0', 'vxlan']) target.withoutOffloads(device)
    // Or packets would wait for its address, of which the kernel keeps but a hundred.
    source.neighbourIsPermanent('eth0', target, '10.88.0.2')
    const seen = join(temporaryDirectory(), 'tcpdump.pcap')
    const tcpdump = await startTcpdump(target, 'vxlan', seen)

    const to = ['--to', '10.88.0.2:4789', '--vni', String(VNI), '--speed', 'max']
    source.run(process.execPath, BIN, 'mirror', '--read', SAMPLE, ...to)
    const sent = framesOf(SAMPLE)!
    await until(() => framesOf(seen)?.length === sent.length)
    tcpdump.signal('SIGINT')
    await tcpdump.ended()
    expect(framesOf(seen)).toEqual(sent)
  })
})
