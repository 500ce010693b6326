import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool, tshark } from '../support/tools.js'

const SAMPLES = join(import.meta.dirname, '../../samples')
const GOOGLE = join(SAMPLES, 'geneve-google.pcap')
const AMAZON = join(SAMPLES, 'geneve-gwlb.pcap')
const ENDPOINT = '0a1b2c3d4e5f6071'
const NETWORK = 0xabc_def0

async function ids(file: string): Promise<string> {
  const sql =
    'SELECT network_id, endpoint_id, count(*) AS packets FROM packets GROUP BY ALL ORDER BY ALL'
  const { code, out, err } = await runCommand('query', sql, file, '--format', 'csv')
  expect(code, err).toBe(0)
  return out
}

test('the network and the endpoint that GENEVE names are columns of packets', async () => {
  expect(await ids(GOOGLE)).toBe(`network_id,endpoint_id,packets\n${NETWORK},${ENDPOINT},49\n`)
  expect(await ids(AMAZON)).toBe(`network_id,endpoint_id,packets\n,${ENDPOINT},92\n`)
  expect(await ids(join(SAMPLES, 'vxlan-two-sessions.pcap'))).toMatch(/\n,,92\n$/)
})

test("flows of Google's packets are those of the same packets in VXLAN", async () => {
  const flows = async (name: string) => {
    const { out } = await runCommand('flows', '--json', join(SAMPLES, name))
    const all = JSON.parse(out) as Record<string, unknown>[]
    return all
      .filter(({ vni }) => vni === 0 || vni === 5_569_041)
      .map(({ srcAddr, dstAddr, srcPort, dstPort, packets, bytes }) =>
        [srcAddr, dstAddr, srcPort, dstPort, packets, bytes].join(' '),
      )
      .sort()
  }
  expect(await flows('geneve-google.pcap')).toEqual(await flows('vxlan-two-sessions.pcap'))
})

test.skipIf(!hasTool('tshark'))('in pcapng each packet has them as a comment', async () => {
  const file = join(temporaryDirectory(), 'out.pcapng')
  const { code, err } = await runCommand('capture', '--read', GOOGLE, '-w', file)
  expect(code, err).toBe(0)
  const comments = tshark(readFileSync(file), ['-T', 'fields', '-e', 'frame.comment'])
  expect(comments).toHaveLength(49)
  expect(new Set(comments)).toEqual(new Set([`network ${NETWORK}, endpoint ${ENDPOINT}`]))
})
