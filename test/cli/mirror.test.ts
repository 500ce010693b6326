import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../src/cli/main.js'
import { ethernet, tcp4, udp4, vxlan } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { UdpTarget } from '../support/udp-target.js'

const FLOW = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1234, dport: 80 }
const FRAMES = [
  ethernet(tcp4(FLOW)),
  ethernet(udp4({ ...FLOW, payload: Buffer.alloc(1000, 7) })),
  ethernet(tcp4({ ...FLOW, dport: 443 })),
]

let dir: string
let file: string
let target: UdpTarget
let out: string
let err: string

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mirrortap-mirror-'))
  file = join(dir, 'in.pcap')
  writeFileSync(file, pcapFile(FRAMES.map((frame) => ({ frame }))))
  target = await UdpTarget.open()
  out = ''
  err = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text
    return true
  })
})

afterEach(async () => {
  vi.restoreAllMocks()
  await target.close()
  rmSync(dir, { recursive: true })
})

function mirror(...args: string[]): Promise<number> {
  return main(['mirror', '--to', `127.0.0.1:${target.port}`, '--vni', '42', ...args])
}

function payloads(): string[] {
  return target.datagrams.map(({ payload }) => payload.toString('hex')).sort()
}

function expected(length = 65_535): string[] {
  return FRAMES.map((frame) => vxlan(42, frame.subarray(0, length)).toString('hex')).sort()
}

describe('mirror', () => {
  test('sends every frame of a file and says how many', async () => {
    expect(await mirror('--read', file, '--speed', 'max')).toBe(0)
    await target.received(3)
    expect(payloads()).toEqual(expected())
    const octets = FRAMES.reduce((sum, frame) => sum + 8 + frame.length, 0)
    expect(err).toMatch(new RegExp(`^3 of 3 packets sent, ${octets} bytes in [\\d.]+ s\\n$`))
    expect(out).toBe('')
  })

  test('cuts to the packet length and counts it, as JSON', async () => {
    expect(await mirror('--read', file, '--speed', '1000', '--packet-length', '60', '--json')).toBe(
      0,
    )
    await target.received(3)
    expect(payloads()).toEqual(expected(60))
    expect(JSON.parse(out)).toEqual({
      packets: 3,
      sent: 3,
      octets: 54 + 60 + 54 + 3 * 8,
      cut: 1,
      filtered: 0,
      neverMirrored: 0,
      passing: 0,
      // A file does not tell, and nothing said which interface it was.
      unknownDirection: 3,
      notSent: {},
      NetworkMirrorIn: 0,
      NetworkMirrorOut: 0,
      NetworkPacketsMirrorIn: 0,
      NetworkPacketsMirrorOut: 0,
      NetworkSkipMirrorIn: 0,
      NetworkSkipMirrorOut: 0,
      NetworkPacketsSkipMirrorIn: 0,
      NetworkPacketsSkipMirrorOut: 0,
      sessions: [
        {
          session: 'vni-42',
          vni: 42,
          target: `127.0.0.1:${target.port}`,
          packets: 3,
          sent: 3,
          cut: 1,
        },
      ],
      seconds: expect.any(Number),
    })
    expect(err).toBe('')
  })

  test('sends a file several times at a rate', async () => {
    expect(await mirror('--read', file, '--rate', '2000', '--loop', '4', '--json')).toBe(0)
    await target.received(12)
    expect(JSON.parse(out)).toMatchObject({ packets: 12, sent: 12 })
  })

  test('sends what is before the damage, names it and fails', async () => {
    const whole = pcapFile(FRAMES.map((frame) => ({ frame })))
    writeFileSync(file, whole.subarray(0, whole.length - 10))
    expect(await mirror('--read', file, '--speed', 'max')).toBe(1)
    await target.received(2)
    const offset = 24 + 16 + FRAMES[0]!.length + 16 + FRAMES[1]!.length
    expect(err).toMatch(/^2 of 2 packets sent, /)
    expect(err).toContain(`mirrortap: ${file}: damaged at byte ${offset}: `)
    expect(err.split('\n')).toHaveLength(3)
  })

  test('counts frames that no header can be made for', async () => {
    writeFileSync(file, pcapFile([{ frame: FRAMES[0]! }, { frame: FRAMES[1]! }], 105))
    expect(await mirror('--read', file, '--speed', 'max')).toBe(1)
    expect(err).toMatch(
      /^0 of 2 packets sent, .*; not sent: 2 not-ethernet\nmirrortap: nothing was sent: [^\n]+\n$/,
    )
  })

  test.each([
    { name: 'a file that is not there', args: ['--read', '/no/such.pcap'], code: 1 },
    { name: 'a file that is no capture', args: ['--read', import.meta.filename], code: 1 },
    { name: 'a speed of nothing', args: ['--read', 'x', '--speed', '0'], code: 2 },
    { name: 'a rate and a speed', args: ['--read', 'x', '--speed', '2', '--rate', '5'], code: 2 },
    {
      name: 'a packet length that EC2 refuses',
      args: ['--read', 'x', '--packet-length', '8501'],
      code: 2,
    },
    { name: 'a second pass over a pipe', args: ['--read', '-', '--loop', '2'], code: 2 },
    { name: 'no input', args: [], code: 2 },
    { name: 'a VNI of 25 bits', args: ['--read', 'x', '--vni', '16777216'], code: 2 },
  ])('refuses $name in one line', async ({ args, code }) => {
    expect(await mirror(...args)).toBe(code)
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(out).toBe('')
  })

  test('stops at Ctrl-C, counts what is left and succeeds', async () => {
    writeFileSync(
      file,
      pcapFile(FRAMES.map((frame, index) => ({ frame, seconds: index < 2 ? 0 : 86_400 }))),
    )
    const done = mirror('--read', file, '--json')
    await target.received(2)
    process.emit('SIGINT')
    expect(await done).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ packets: 3, sent: 2, notSent: { interrupted: 1 } })
    expect(process.listenerCount('SIGINT')).toBe(0)
  })
})
