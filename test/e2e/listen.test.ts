import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { chooseReceiver, RECEIVERS } from '../../src/receive/open.js'
import { ethernet, tcp4, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { burst, UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  readStats,
  sumOf,
  UNHURRIED,
  until,
} from './program.js'

const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const OPENS = { dgram: true, recvmmsg: HAS_RECVMMSG }
const HOST = '127.0.0.1'

/** A datagram of session `vni`; `sport` tells flows apart, `payload` packets. */
function mirrored(vni: number, sport: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const flow = { src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 }
  return vxlan(vni, ethernet(udp4({ ...flow, payload })))
}

function numbered(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}

async function send(port: number, datagrams: readonly Buffer[]): Promise<void> {
  const sender = await UdpSender.open(HOST)
  for (const datagram of datagrams) await sender.send(datagram, port, HOST)
  await sender.close()
}

describe.skipIf(!IS_BUILT)(`mirrortap listen${NEEDS_BUILD}`, UNHURRIED, () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'finishes its files at %s, prints the ledger and succeeds',
    async (signal) => {
      const dir = temporaryDirectory()
      // In a directory that does not exist yet.
      const stats = join(dir, 'captures/ledger.json')
      const args = ['--capture-dir', join(dir, 'captures'), '--flow-log-dir', join(dir, 'logs')]
      const appliance = new Appliance([...args, '--stats', stats])
      const port = await appliance.port()
      await send(port, [mirrored(7, 1000), mirrored(7, 1001), mirrored(8, 1000)])
      appliance.signal(signal)
      expect(await appliance.ended()).toBe(0)

      expect(appliance.stderr).toContain(
        '3 received = 3 accepted + 0 filtered + 0 unknown session + 0 duplicate + 0 malformed\n',
      )
      expect(appliance.stdout).toHaveLength(0)
      expect(readStats(stats)).toMatchObject({ received: 3, kernelLost: 0, accepted: 3 })
      const captures = filesBelow(join(dir, 'captures'))
      expect(captures).toEqual([
        'ledger.json',
        expect.stringMatching(/^vni-7_127\.0\.0\.1\/\d{8}T\d{6}Z\.pcap$/),
        expect.stringMatching(/^vni-8_127\.0\.0\.1\/\d{8}T\d{6}Z\.pcap$/),
      ])
      expect(filesBelow(join(dir, 'logs'))).toEqual([expect.stringMatching(/\.log\.gz$/)])
    },
  )

  test('leaves at once at the second signal', async () => {
    for (let attemptsLeft = 5; attemptsLeft > 0; attemptsLeft--) {
      const appliance = new Appliance([])
      await appliance.port()
      await appliance.freeze()
      appliance.signal('SIGINT')
      appliance.signal('SIGTERM')
      appliance.signal('SIGCONT')
      const end = await appliance.ended()
      // On a busy machine the thread that is to hear the second may come too late: all is finished by then.
      if (end === 0) continue
      // Its threads may hear the two in either order.
      expect(end).toMatch(/^SIG(?:INT|TERM)$/)
      expect(appliance.stderr).not.toContain('received =')
      return
    }
    expect.unreachable('it ended in order at the first signal, five times')
  })

  test('stops by itself after --duration', async () => {
    const appliance = new Appliance(['--duration', '300ms'])
    expect(await appliance.ended()).toBe(0)
    expect(appliance.stderr).toContain('0 received = 0 accepted')
  })

  test('goes on with a --duration longer than a timer of Node', async () => {
    const appliance = new Appliance(['--duration', '1000h'])
    const port = await appliance.port()
    await send(port, [mirrored(7, 1000)])
    await until(() => {
      appliance.signal('SIGUSR2')
      return appliance.stderr.includes('1 received = 1 accepted')
    })
    expect(await appliance.stop()).toBe(0)
    expect(appliance.stderr).not.toContain('Warning')
  })

  test('prints the ledger at SIGUSR2 and goes on', async () => {
    const appliance = new Appliance([])
    const port = await appliance.port()
    await send(port, [mirrored(7, 1000)])
    await until(() => {
      appliance.signal('SIGUSR2')
      return appliance.stderr.includes('1 received = 1 accepted')
    })
    await send(port, [mirrored(7, 1000)])
    expect(await appliance.stop()).toBe(0)
    expect(appliance.stderr).toContain('2 received = 2 accepted')
  })

  test.each([
    { unknown: 'accept', expected: { accepted: 3, unknownSession: 0 } },
    { unknown: 'drop', expected: { accepted: 0, unknownSession: 4 } },
  ])(
    'accounts for every datagram, sessions nobody announced: $unknown',
    async ({ unknown, expected }) => {
      const stats = join(temporaryDirectory(), 'ledger.json')
      const appliance = new Appliance(['--unknown-sessions', unknown, '--stats', stats])
      const port = await appliance.port()
      const whole = mirrored(7, 1000)
      const withoutVni = Buffer.from(whole)
      withoutVni[0] = 0
      await send(port, [
        whole,
        mirrored(7, 1000),
        vxlan(9, ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))),
        vxlan(9, Buffer.alloc(5)),
        withoutVni,
        whole.subarray(0, 7),
        Buffer.alloc(0),
      ])
      expect(await appliance.stop()).toBe(0)
      const report = readStats(stats)
      expect(report).toMatchObject({ received: 7, kernelLost: 0, filtered: 0, duplicate: 0 })
      expect(report).toMatchObject(expected)
      expect(sumOf(report)).toBe(report.received)
      expect(report.malformed).toMatchObject({ 'vxlan-no-vni': 1, 'vxlan-truncated': 2 })
    },
  )

  test('gives a file its name when its interval is over, though nothing more arrives', async () => {
    const dir = temporaryDirectory()
    const appliance = new Appliance(['--capture-dir', dir, '--rotate-interval', '1s'])
    await send(await appliance.port(), [mirrored(7, 1000, numbered(1))])
    const [file] = await until(() => {
      const files = filesBelow(dir).filter((name) => name.endsWith('.pcap'))
      return files.length > 0 && files
    })
    expect(readWritten(join(dir, file!))).toHaveLength(1)
    expect(await appliance.stop()).toBe(0)
    expect(filesBelow(dir)).toEqual([file])
  })

  test('refuses a directory that another one uses, and a taken port, in one line', async () => {
    const dir = temporaryDirectory()
    const first = new Appliance(['--capture-dir', dir])
    const port = await first.port()
    const same = new Appliance(['--flow-log-dir', dir])
    expect(await same.ended()).toBe(1)
    expect(same.stderr).toBe(
      `mirrortap: ${dir} is in use by process ${first.pid}; stop that one or name another directory\n`,
    )
    const parent = temporaryDirectory()
    const where = ['--bind', HOST, '--port', String(port), '--capture-dir', join(parent, 'a/b')]
    const taken = mirrortap(['listen', ...where])
    expect(await taken.ended()).toBe(1)
    expect(taken.stderr).toMatch(/^mirrortap: UDP port \d+ of 127\.0\.0\.1 is taken: [^\n]+\n$/)
    expect(readdirSync(parent)).toEqual([])
    expect(await first.stop()).toBe(0)
    expect(filesBelow(dir)).toEqual([])
  })
})

describe.skipIf(!IS_BUILT).each(RECEIVERS)(
  `mirrortap listen --receiver %s${NEEDS_BUILD}`,
  UNHURRIED,
  (name) => {
    const missing = OPENS[name] ? '' : ' (needs Linux and koffi)'

    test.skipIf(!OPENS[name] || process.platform !== 'linux')(
      `knows to the datagram what the kernel lost${missing}`,
      async () => {
        const stats = join(temporaryDirectory(), 'ledger.json')
        const appliance = new Appliance([
          ...['--receiver', name, '--receive-buffer', '32KiB', '--stats', stats],
        ])
        const port = await appliance.port()
        await send(port, [mirrored(7, 1000)])
        await appliance.freeze()
        burst(3000, 200, port, HOST)
        appliance.signal('SIGCONT')
        expect(await appliance.stop()).toBe(0)
        const report = readStats(stats)
        expect(report.received + report.kernelLost!).toBe(3001)
        expect(report.kernelLost).toBeGreaterThan(1000)
        expect(report.received).toBeGreaterThan(1)
        expect(sumOf(report)).toBe(report.received)
      },
    )
  },
)
