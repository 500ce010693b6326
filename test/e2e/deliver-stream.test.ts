import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { NatsServers } from '../support/nats-servers.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { Appliance, filesBelow, IS_BUILT, mirrortap, UNHURRIED, until } from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

const running: NatsServers[] = []
afterEach(() => {
  for (const servers of running.splice(0)) servers.stop()
})

async function lines(...args: string[]): Promise<string[]> {
  const program = mirrortap(args)
  expect(await program.ended()).toBe(0)
  return program.stdout.toString().split('\n').slice(0, -1)
}

/** The records of the flow log's own files, with these fields. */
function logged(directory: string, fields: string): Promise<string[]> {
  const files = filesBelow(directory)
    .filter((name) => name.startsWith('AWSLogs/') && name.endsWith('.log.gz'))
    .map((name) => join(directory, name))
  return lines('query', `SELECT ${fields} FROM records ORDER BY ALL`, ...files, '--format', 'csv')
}

test.skipIf(!IS_BUILT || !hasTool('nats-server'))(
  'a stream has each record once when the appliance is killed amid a delivery, and is read back',
  UNHURRIED,
  async () => {
    const servers = await NatsServers.start(1)
    running.push(servers)
    const logs = join(temporaryDirectory(), 'logs')
    const args = ['--flow-log-dir', logs, '--deliver', servers.url]
    args.push('--max-aggregation-interval=60')
    const before = new Appliance(args)
    const sender = mirrortap([
      ...['mirror', '--read', SAMPLE, '--to', `127.0.0.1:${await before.port()}`],
      ...['--vni', '7', '--speed', 'max'],
    ])
    expect(await sender.ended()).toBe(0)
    servers.cutOff(0)
    before.signal('SIGTERM')
    await until(() => filesBelow(logs).some((name) => name.endsWith('.queue.gz')))
    before.signal('SIGKILL')
    await before.ended()
    servers.letGo(0)
    const after = new Appliance(args)
    await after.port()
    const waiting = () => filesBelow(logs).filter((name) => /\.queue\.gz/.test(name))
    await until(() => isDeepStrictEqual(waiting(), []))
    expect(await after.stop()).toBe(0)
    const fields = 'srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes'
    const expected = await logged(logs, fields)
    expect(expected.length).toBeGreaterThan(5)
    const sql = `SELECT ${fields} FROM records ORDER BY ALL`
    expect(await lines('query', '--from', servers.url, sql, '--format', 'csv')).toEqual(expected)
    const format = `\${${fields.replaceAll(', ', '} ${')}}`
    const text = await lines('flow-log', '--from', servers.url, '--log-format', format)
    expect(text.map((line) => line.replaceAll(' ', ',')).sort()).toEqual(expected.sort())
  },
)
