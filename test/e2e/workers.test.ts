import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  readStats,
  UNHURRIED,
} from './program.js'

const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const HOST = '127.0.0.1'
const CONNECTIONS = 100

/** Both directions of a connection of its own. */
function connection(number: number): Buffer[] {
  const client = { src: '10.0.0.1', sport: 1000 + number }
  const server = { dst: '10.0.0.2', dport: 53 }
  const query = udp4({ ...client, ...server, payload: Buffer.from('query') })
  const back = { src: server.dst, dst: client.src, sport: server.dport, dport: client.sport }
  return [query, udp4({ ...back, payload: Buffer.from('answer') })].map((packet) =>
    ethernet(packet),
  )
}

const frames = Array.from({ length: CONNECTIONS }, (_, number) => connection(number)).flat()

/** Sends from several outer ports, so that the kernel's own hash would spread every session. */
async function send(port: number, vnis: readonly number[]): Promise<void> {
  const senders = await Promise.all(Array.from({ length: 7 }, () => UdpSender.open(HOST)))
  for (const [index, frame] of frames.entries()) {
    for (const vni of vnis) {
      await senders[index % senders.length]!.send(vxlan(vni, frame), port, HOST)
    }
  }
  for (const sender of senders) await sender.close()
}

function framesOf(path: string): string[] {
  return readWritten(path).map(({ frame }) => frame.toString('hex'))
}

/** What tells a connection from others, whichever way its packets go. */
function connectionOf(frame: string): number {
  const bytes = Buffer.from(frame, 'hex')
  return Math.max(bytes.readUInt16BE(34), bytes.readUInt16BE(36))
}

const sorted = (list: readonly string[]): string[] => [...list].sort()
const sent = frames.map((frame) => frame.toString('hex'))
const missing = HAS_RECVMMSG ? '' : ' (needs Linux and koffi)'

describe.skipIf(!IS_BUILT)(`mirrortap listen --workers 2${NEEDS_BUILD}`, UNHURRIED, () => {
  test.skipIf(!HAS_RECVMMSG)(`keeps each session in one worker by VNI${missing}`, async () => {
    const dir = temporaryDirectory()
    const stats = join(dir, 'ledger.json')
    const captures = join(dir, 'captures')
    const vnis = [10, 11, 12, 13]
    const appliance = new Appliance([
      ...['--workers', '2', '--capture-dir', captures, '--stats', stats],
      // One file a session, were it not that two workers had it.
      ...['--rotate-interval', '30d'],
    ])
    await send(await appliance.port(), vnis)
    expect(await appliance.stop()).toBe(0)

    const report = readStats(stats)
    expect(report).toMatchObject({ received: sent.length * 4, kernelLost: 0 })
    expect(report.sessions.map(({ vni, captured }) => [vni, captured]).sort()).toEqual(
      vnis.map((vni) => [vni, sent.length]),
    )
    const files = filesBelow(captures)
    expect(files.map((name) => name.split('_')[0])).toEqual([
      'vni-10',
      'vni-11',
      'vni-12',
      'vni-13',
    ])
    for (const file of files) expect(framesOf(join(captures, file))).toEqual(sent)
  })

  test.skipIf(!HAS_RECVMMSG)(
    `keeps both directions of a flow in one worker, whose files carry its mark${missing}`,
    async () => {
      const dir = temporaryDirectory()
      const stats = join(dir, 'ledger.json')
      const captures = join(dir, 'captures')
      const appliance = new Appliance([
        ...['--workers', '2', '--steer', 'flow', '--capture-dir', captures, '--stats', stats],
        ...['--rotate-interval', '30d'],
      ])
      await send(await appliance.port(), [10])
      expect(await appliance.stop()).toBe(0)

      expect(readStats(stats).sessions).toMatchObject([{ vni: 10, captured: sent.length }])
      const files = filesBelow(captures)
      expect(files).toEqual([
        expect.stringMatching(/^vni-10_127\.0\.0\.1\/\d{8}T\d{6}Z\.w0\.pcap$/),
        expect.stringMatching(/^vni-10_127\.0\.0\.1\/\d{8}T\d{6}Z\.w1\.pcap$/),
      ])
      const [first, second] = files.map((file) => framesOf(join(captures, file)))
      expect(sorted([...first!, ...second!])).toEqual(sorted(sent))
      const ofFirst = new Set(first!.map(connectionOf))
      expect(second!.map(connectionOf).filter((number) => ofFirst.has(number))).toEqual([])
      // The hash is fixed; a fair coin would stay within 30 of 50.
      expect(Math.abs(ofFirst.size - CONNECTIONS / 2)).toBeLessThan(30)
    },
  )

  test('says in one line that dgram cannot share a port', async () => {
    const args = ['listen', '--bind', HOST, '--port', '0', '--workers', '2', '--receiver', 'dgram']
    const program = mirrortap(args)
    expect(await program.ended()).toBe(1)
    expect(program.stderr).toMatch(/^mirrortap: only the receiver recvmmsg [^\n]+\n$/)
  })
})
