import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../src/doctor/finding.js'
import { bufferFor } from '../../src/doctor/host-receiving.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { runMain } from './run-main.js'

const SAMPLES = join(import.meta.dirname, '../../samples')

async function find(...args: string[]): Promise<{ code: number; found: Finding[]; err: string }> {
  const { code, out, err } = await runMain('doctor', '--json', ...args)
  return { code, found: JSON.parse(out) as Finding[], err }
}

describe('doctor', () => {
  test('looks at this host, and says of all that is not well why and what to do', async () => {
    const dir = temporaryDirectory()
    const { found } = await find('--bind', '127.0.0.1', '--port', '0', '--rate', '10', '--dir', dir)
    const checks = new Set(found.map(({ check }) => check))
    for (const check of ['port', 'receiver', 'buffer', 'capabilities', 'files', 'clock', 'speed']) {
      expect([...checks]).toContain(check)
    }
    for (const { level, why, fix } of found) {
      if (level !== 'ok') expect([why, fix]).toEqual([expect.any(String), expect.any(String)])
    }
  })

  test('a port that is taken is a problem, and says by whom', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    onTestFinished(() => void socket.close())
    const { port } = socket.address()
    const { code, found, err } = await find('--bind', '127.0.0.1', '--port', String(port))
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: there (?:is a problem|are \d+ problems)\n$/)
    expect(found.find(({ check }) => check === 'port')).toMatchObject({
      level: 'problem',
      what: expect.stringContaining(`UDP port ${port} is taken by`),
    })
  })

  test('needs a larger buffer for more packets', () => {
    expect(bufferFor(200_000)).toBe(2 * bufferFor(100_000))
    expect(bufferFor(300_000)).toBeLessThan(64 * 1024 * 1024)
  })

  test('looks at a capture of what a mirror target receives', async () => {
    const two = await find(join(SAMPLES, 'vxlan-two-sessions.pcap'))
    expect(two.found).toContainEqual(expect.objectContaining({ check: 'vnis', level: 'ok' }))
    expect(two.found).toContainEqual(expect.objectContaining({ check: 'cut', level: 'ok' }))
    const cut = await find(join(SAMPLES, 'cut-by-packet-length.pcap'))
    expect(cut.found.find(({ check }) => check === 'cut')).toMatchObject({
      what: expect.stringContaining('as a PacketLength of the session does'),
      fix: expect.stringContaining('--remove-fields packet-length'),
    })
    const none = await find(join(SAMPLES, 'web-and-dns.pcap'))
    expect(none.code).toBe(1)
    expect(none.found[0]).toMatchObject({ check: 'capture', level: 'problem' })
  })

  test.each([
    {
      args: ['x.pcap', '--api', 'http://127.0.0.1:1'],
      says: 'a capture file and --api cannot be checked together',
    },
    { args: ['--aws', '--terraform'], says: 'cannot both write to standard output' },
    { args: ['--api', 'localhost:4780'], says: 'Give a URL such as http://127.0.0.1:4780.' },
  ])('refuses $args', async ({ args, says }) => {
    const { code, out, err } = await runMain('doctor', ...args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toContain(says)
  })

  test('an appliance that is not there is one line', async () => {
    const { code, err } = await runMain('doctor', '--api', 'http://127.0.0.1:1')
    expect(code).toBe(1)
    expect(err).toMatch(/^mirrortap: http:\/\/127\.0\.0\.1:1 does not answer: [^\n]+\n$/)
  })

  const SETUP = ['--source', 'eni-0aa11bb22cc33dd44', '--source', 'eni-0bb11bb22cc33dd44']

  test('prints AWS CLI commands that a shell takes', async () => {
    const { out } = await runMain(
      'doctor',
      '--aws',
      ...SETUP,
      '--vni',
      '7',
      '--region',
      'eu-west-1',
    )
    expect(out.match(/create-traffic-mirror-filter-rule/g)).toHaveLength(4)
    expect(out).toContain('--network-interface-id eni-0bb11bb22cc33dd44 --session-number 1')
    expect(out).toContain('--virtual-network-id 8')
    const { status, stderr } = spawnSync('sh', ['-n'], { input: out, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('prints the same for Terraform', async () => {
    const { out } = await runMain('doctor', '--terraform', ...SETUP)
    const resources = [...out.matchAll(/^resource "(\w+)"/gm)].map(([, type]) => type)
    expect(resources).toEqual([
      'aws_vpc_security_group_ingress_rule',
      'aws_ec2_traffic_mirror_target',
      'aws_ec2_traffic_mirror_filter',
      ...Array.from({ length: 4 }, () => 'aws_ec2_traffic_mirror_filter_rule'),
      ...Array.from({ length: 2 }, () => 'aws_ec2_traffic_mirror_session'),
    ])
  })

  test.skipIf(!hasTool('terraform'))('as terraform fmt has it (needs terraform)', async () => {
    const { out } = await runMain('doctor', '--terraform', ...SETUP, '--region', 'eu-west-1')
    const path = join(temporaryDirectory(), 'main.tf')
    writeFileSync(path, out)
    const { status, stdout } = spawnSync('terraform', ['fmt', '-check', '-diff', path], {
      encoding: 'utf8',
    })
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  })
})
