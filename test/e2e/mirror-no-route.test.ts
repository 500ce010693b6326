import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ethernet, tcp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Namespace, whyNoNamespaces } from './namespaces.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

const MISSING = whyNoNamespaces()
const missing = MISSING === undefined ? NEEDS_BUILD : ` (needs ${MISSING})`
const TO = '10.88.0.2'
const FRAME = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))

/** Sends one datagram in each way there is, and says what became of it. */
const SEND = `
  const { openOuterSockets } = await import(process.argv[1])
  for (const how of ['batches', 'singly']) {
    const sockets = await openOuterSockets('${TO}', 4789, how)
    sockets.send(Buffer.alloc(50), 0, 50, 3, 7)
    await sockets.settled()
    console.log(JSON.stringify([how, sockets.localHost, sockets.sent, [...sockets.notSent], sockets.lost]))
    sockets.close()
  }
`

/** Datagrams that the kernel had no way for. */
function noRoutes(host: Namespace): number {
  const lines = host.run('cat', '/proc/net/snmp').split('\n')
  const [names, counts] = lines
    .filter((line) => line.startsWith('Ip: '))
    .map((line) => line.split(' '))
  return Number(counts![names!.indexOf('OutNoRoutes')])
}

describe.skipIf(MISSING !== undefined || !IS_BUILT)(
  `a target without a route${missing}`,
  UNHURRIED,
  () => {
    test('is opened, and what is sent there is counted', async () => {
      const host = new Namespace()
      const open = join(BIN, '../../source/open.js')
      const sending = host.start(process.execPath, '--input-type=module', '-e', SEND, open)
      expect(await sending.ended()).toBe(0)
      const said = sending.stdout.toString().trimEnd().split('\n')
      expect(said.map((line) => JSON.parse(line))).toEqual(
        ['batches', 'singly'].map((how) => [how, '0.0.0.0', 0, [['ENETUNREACH', 1]], [7]]),
      )
    })

    test('gets what is mirrored as soon as there is one', async () => {
      const host = new Namespace()
      const read = join(temporaryDirectory(), 'in.pcap')
      writeFileSync(read, pcapFile([{ frame: FRAME }]))
      const args = ['--read', read, '--loop', '0', '--rate', '1000', '--json']
      const to = ['--to', `${TO}:4789`, '--vni', '1']
      const source = host.start(process.execPath, BIN, 'mirror', ...args, ...to)
      // Opening the sockets asks for a way too.
      await until(() => noRoutes(host) > 20)
      host.ip(`address add ${TO}/32 dev lo`)
      const received = host.start('tcpdump', '-Z', 'root', '-ni', 'lo', '-c', '20', 'udp port 4789')
      expect(await received.ended()).toBe(0)
      source.signal('SIGINT')
      const code = await source.ended()
      const summary = JSON.parse(source.stdout.toString())
      // Where nobody listens, every datagram may come back as refused.
      expect(code).toBe(summary.sent > 0 ? 0 : 1)
      expect(summary.notSent['ENETUNREACH']).toBeGreaterThan(0)
      expect(summary.sent + Object.values<number>(summary.notSent).reduce((a, b) => a + b)).toBe(
        summary.packets,
      )
    })
  },
)
