import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { Ec2House, furnish, SOURCE } from '../../api/ec2/ec2-house.js'
import { ALICE, startApi } from '../../api/running-api.js'
import { ethernet, tcp4, vxlan } from '../../support/frames.js'
import { pcapFile } from '../../support/pcap-file.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { UdpTarget } from '../../support/udp-target.js'
import { runMain } from '../run-main.js'

const FRAME = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))

function written(text: string | Buffer, name: string): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, text)
  return path
}

/** A control plane with one session, keys for it in the environment, and a capture of one frame. */
async function rig() {
  const house = await Ec2House.open()
  const { sessionId, targetId, ...more } = await furnish(house)
  await house.must('ModifyTrafficMirrorSession', {
    TrafficMirrorSessionId: sessionId,
    VirtualNetworkId: '77',
  })
  const { url } = await startApi({ ec2: ec2Actions(house.plane) })
  vi.stubEnv('AWS_ACCESS_KEY_ID', ALICE.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', ALICE.secretAccessKey)
  vi.stubEnv('AWS_SESSION_TOKEN', '')
  const udp = await UdpTarget.open()
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await udp.close()
  })
  const file = written(pcapFile([{ frame: FRAME }]), 'in.pcap')
  const mirror = (...args: string[]) =>
    runMain(
      'mirror',
      '--read',
      file,
      '--json',
      '--control',
      url,
      '--network-interface-id',
      SOURCE,
      ...args,
    )
  return { house, sessionId, targetId, udp, mirror, ...more }
}

const inventory = (
  targets: string,
  rest = 'TrafficMirrorFilters: []\nTrafficMirrorSessions: []',
  address = '10.0.0.2',
) =>
  written(
    `NetworkInterfaces: [{ NetworkInterfaceId: ${SOURCE}, PrivateIpAddress: ${address} }]\nTrafficMirrorTargets: [${targets}]\n${rest}\n`,
    'inventory.yaml',
  )

describe('mirror --control', () => {
  test.each([
    {
      name: 'to --target',
      args: (id: string, at: string) => ['--target', `${id}=${at}`, '--to', '127.0.0.1:1'],
    },
    {
      name: 'to --to',
      args: (_: string, at: string) => ['--target', 'tmt-other=127.0.0.1:1', '--to', at],
    },
    {
      name: 'to the Address of the session file',
      args: (id: string, at: string) => [
        '--session',
        inventory(`{ TrafficMirrorTargetId: ${id}, Address: '${at}' }`),
        '--to',
        '127.0.0.1:1',
      ],
    },
    {
      name: 'to --target before that',
      args: (id: string, at: string) => [
        '--session',
        inventory(`{ TrafficMirrorTargetId: ${id}, Address: '127.0.0.1:1' }`),
        '--target',
        `${id}=${at}`,
      ],
    },
  ])('sends $name', async ({ args }) => {
    const { mirror, targetId, sessionId, udp } = await rig()
    const { code, out, err } = await mirror(...args(targetId, `127.0.0.1:${udp.port}`))
    expect([code, err]).toEqual([
      0,
      `sessions of ${SOURCE}: ${sessionId} (number 1, VNI 77) to 127.0.0.1 port ${udp.port}\n`,
    ])
    await udp.received(1)
    expect(udp.datagrams[0]!.payload).toEqual(vxlan(77, FRAME))
    expect(JSON.parse(out)).toMatchObject({ packets: 1, sent: 1 })
  })

  test('sends, unless told, to the host of the control plane', async () => {
    const { mirror } = await rig()
    // What it would send leaves the interface, and is not asked for.
    const { err, out } = await mirror('--session', inventory('', undefined, '10.0.0.1'))
    expect(JSON.parse(out).sent).toBe(0)
    expect(err).toMatch(/ to 127\.0\.0\.1 port 4789\nmirrortap: nothing was sent: [^\n]+\n$/)
  })

  test('wraps for a Gateway Load Balancer endpoint, to GENEVE by default', async () => {
    const { mirror, house, sessionId, udp } = await rig()
    const target = await house.must('CreateTrafficMirrorTarget', {
      GatewayLoadBalancerEndpointId: 'vpce-0a1b2c3d4e5f60718',
    })
    await house.must('ModifyTrafficMirrorSession', {
      TrafficMirrorSessionId: sessionId,
      TrafficMirrorTargetId: target.trafficMirrorTarget.trafficMirrorTargetId,
    })
    const { err } = await mirror('--session', inventory('', undefined, '10.0.0.1'))
    expect(err).toMatch(/ to 127\.0\.0\.1 port 6081\nmirrortap: nothing was sent: [^\n]+\n$/)
    const { out } = await mirror('--to', `127.0.0.1:${udp.port}`)
    expect(JSON.parse(out).octets).toBe(68 + 8 + FRAME.length)
  })

  test('takes the direction from the addresses of the session file', async () => {
    const { mirror, udp } = await rig()
    const to = ['--to', `127.0.0.1:${udp.port}`]
    const { out } = await mirror('--session', inventory(''), ...to)
    expect(JSON.parse(out)).toMatchObject({ NetworkPacketsMirrorIn: 1, unknownDirection: 0 })
    expect(JSON.parse((await mirror(...to)).out)).toMatchObject({
      NetworkPacketsMirrorIn: 0,
      unknownDirection: 1,
    })
  })

  const eni = ['--network-interface-id', SOURCE]
  test.each([
    {
      name: 'a control plane without an interface',
      args: ['--control', 'http://h'],
      says: '--network-interface-id eni-…',
    },
    {
      name: 'an interface without a control plane',
      args: eni,
      says: '--network-interface-id is for --control',
    },
    {
      name: 'a target without a control plane',
      args: ['--target', 'tmt-1=h:1'],
      says: '--target is for --control',
    },
    { name: 'what is no interface', args: ['--network-interface-id', 'eth0'], says: 'eni-0a1b' },
    { name: 'what is no URL', args: ['--control', 'h:4780'], says: 'http://10.0.0.5:4780' },
    {
      name: 'a URL with a path',
      args: ['--control', 'http://h/x', '--profile', 'x', ...eni],
      says: 'must not be followed by a path',
    },
    { name: 'a target without an address', args: ['--target', 'tmt-1'], says: 'TARGET=HOST:PORT' },
    { name: 'a VNI', args: ['--control', 'http://h', '--vni', '7'], says: '--vni' },
  ])('refuses $name in one line', async ({ args, says }) => {
    const { code, out, err } = await runMain('mirror', '--read', 'x', '--to', 'h:1', ...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })

  test('refuses a session file with sessions of its own', async () => {
    const { mirror } = await rig()
    const filter = '{ TrafficMirrorFilterId: tmf-1 }'
    const file = inventory('', `TrafficMirrorFilters: [${filter}]\nTrafficMirrorSessions: []`)
    const { code, err } = await mirror('--session', file)
    expect([code, err]).toEqual([
      2,
      `mirrortap: ${file}: with --control, sessions and filters come from there; leave those two lists empty\n`,
    ])
  })

  test('says once that it waits, and can be told to stop', async () => {
    const { mirror } = await rig()
    // Nobody listens where this target is.
    const gone = await UdpTarget.open()
    const { port } = gone
    await gone.close()
    const args = ['--control', `http://127.0.0.1:${port}`, '--control-interval', '10ms']
    const done = mirror(...args)
    while (process.listenerCount('SIGINT') === 0) await new Promise(setImmediate)
    setImmediate(() => process.emit('SIGINT'))
    const { code, err } = await done
    expect(code).toBe(1)
    expect(err).toMatch(
      /^(?:http:\S+ does not answer \(ECONNREFUSED\); waiting for it\n)?mirrortap: nothing was sent: [^\n]+\n$/,
    )
  })
})
