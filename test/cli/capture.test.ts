import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../src/cli/main.js'
import { readCapture } from '../../src/pcap/reader.js'
import type { LedgerReport } from '../../src/session/ledger.js'
import { until } from '../e2e/program.js'
import { FailingDisk } from '../support/failing-disk.js'
import { ethernet, geneve, gwlbGeneve, mirrored, tcp4, udp4, vxlan } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { UdpSender } from '../support/udp-sender.js'

const HOST = '127.0.0.1'
const TARGET = '10.9.9.9'
const FLOW = { src: '10.0.0.1', dst: '10.0.0.2', sport: 1234, dport: 80 }
const PLAIN = ethernet(tcp4({ ...FLOW, payload: Buffer.from('plain') }))
const FIRST = ethernet(tcp4({ ...FLOW, payload: Buffer.from('first') }))
const SECOND = ethernet(udp4({ ...FLOW, payload: Buffer.alloc(700, 2) }))
const RAW = udp4({ ...FLOW, dport: 5353, payload: Buffer.from('raw') })

let dir: string
let err: string
let onErr: () => void

beforeEach(() => {
  dir = temporaryDirectory()
  err = ''
  onErr = () => undefined
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text
    onErr()
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  expect(process.listenerCount('SIGINT')).toBe(0)
  expect(process.listenerCount('SIGTERM')).toBe(0)
  expect(process.listenerCount('SIGHUP')).toBe(0)
})

const at = (name: string): string => join(dir, name)

/** Resolves with the match when stderr holds it. */
async function says(pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const match = pattern.exec(err)
    if (match !== null) return match
    await new Promise<void>((resolve) => {
      onErr = resolve
    })
  }
}

function shots(frames: readonly Buffer[]): Shot[] {
  return frames.map((frame, index) => ({ frame, nanoseconds: 123_456_789 + index }))
}

function input(frames: readonly Buffer[], linkType = 1): string {
  writeFileSync(at('in.pcap'), pcapFile(shots(frames), linkType))
  return at('in.pcap')
}

interface Read {
  frame: string
  time: string
  original: number
  linkType: number
}

async function read(path: string): Promise<Read[]> {
  const packets: Read[] = []
  const summary = await readCapture(path, ({ bytes, start, end, ...packet }) => {
    packets.push({
      frame: Buffer.from(bytes.subarray(start, end)).toString('hex'),
      time: `${packet.seconds}.${String(packet.nanoseconds).padStart(9, '0')}`,
      original: packet.originalLength,
      linkType: packet.linkType,
    })
  })
  expect(summary.damage).toBeUndefined()
  return packets
}

async function frames(path: string): Promise<string[]> {
  return (await read(path)).map(({ frame }) => frame)
}

async function interfaces(path: string) {
  return (await readCapture(path, () => undefined)).interfaces
}

const hex = (some: readonly Buffer[]): string[] => some.map((frame) => frame.toString('hex'))

const mirrorOf = (vni: number, frame: Buffer, source = '10.1.1.1'): Buffer =>
  mirrored({ source, target: TARGET, vni, frame })

describe('capture --read', () => {
  test('takes one mirror layer off and leaves other packets as they are', async () => {
    const twice = mirrorOf(9, FIRST, '10.7.7.7')
    const gateway = gwlbGeneve({
      source: '10.2.2.2',
      target: TARGET,
      vni: 8,
      frame: SECOND,
      balancer: '10.3.3.3',
      appliance: TARGET,
    })
    const file = input([mirrorOf(7, FIRST), PLAIN, gateway, mirrorOf(7, twice)])
    expect(await main(['capture', '--read', file, '-w', at('out.pcap')])).toBe(0)
    expect(await frames(at('out.pcap'))).toEqual(hex([FIRST, PLAIN, SECOND, twice]))
    expect((await read(at('out.pcap')))[1]!.time).toBe('1600000001.123456790')
    expect(err).toBe(`4 packets written to ${at('out.pcap')}\n`)
    expect(readdirSync(dir).sort()).toEqual(['in.pcap', 'out.pcap'])
  })

  test('makes each session and link type an interface of a pcapng file', async () => {
    const raw = udp4({ ...FLOW, sport: 50_000, dport: 6081, payload: geneve(RAW, { vni: 3 }) })
    const file = input([
      mirrorOf(7, FIRST),
      PLAIN,
      mirrorOf(8, SECOND),
      ethernet(raw),
      mirrorOf(7, SECOND, '10.1.1.2'),
      mirrorOf(7, SECOND),
    ])
    expect(await main(['capture', '--read', file, '-w', at('out.pcapng')])).toBe(0)
    expect(await interfaces(at('out.pcapng'))).toEqual([
      { linkType: 1, snaplen: 262_144, name: 'vni-7_10.1.1.1' },
      { linkType: 1, snaplen: 262_144, name: 'not-mirrored' },
      { linkType: 1, snaplen: 262_144, name: 'vni-8_10.1.1.1' },
      { linkType: 101, snaplen: 262_144, name: 'vni-3_10.0.0.1' },
      { linkType: 1, snaplen: 262_144, name: 'vni-7_10.1.1.2' },
    ])
    expect((await read(at('out.pcapng'))).map(({ linkType }) => linkType)).toEqual([
      1, 1, 1, 101, 1, 1,
    ])
  })

  test('gives unwrapped packets the length of their IP header, others their own', async () => {
    const cut = mirrorOf(7, SECOND.subarray(0, 60))
    writeFileSync(
      at('in.pcap'),
      pcapFile([{ frame: cut }, { frame: PLAIN.subarray(0, 40), originalLength: 999 }]),
    )
    expect(await main(['capture', '--read', at('in.pcap'), '-w', at('o.pcap')])).toBe(0)
    expect((await read(at('o.pcap'))).map(({ original }) => original)).toEqual([SECOND.length, 999])
  })

  test('filters by VNI, cuts, and stops at a number of packets', async () => {
    const file = input([PLAIN, mirrorOf(7, FIRST), mirrorOf(8, SECOND), mirrorOf(9, SECOND), FIRST])
    const args = ['capture', '--read', file, '-s', '30']
    expect(await main([...args, '--vni', '7', '--vni', '9', '-w', at('a.pcap')])).toBe(0)
    expect(await frames(at('a.pcap'))).toEqual(hex([FIRST.subarray(0, 30), SECOND.subarray(0, 30)]))
    expect((await read(at('a.pcap')))[1]!.original).toBe(SECOND.length)
    expect(await main([...args, '-c', '2', '-w', at('b.pcap'), '--stats', at('stats')])).toBe(0)
    expect(err).toContain(`the ledger was written to ${at('stats')}\n`)
    expect(await frames(at('b.pcap'))).toEqual(hex([PLAIN, FIRST]).map((f) => f.slice(0, 60)))
    const stats = JSON.parse(readFileSync(at('stats'), 'utf8')) as LedgerReport
    expect(stats).toMatchObject({ received: 2, accepted: 2, filtered: 0, kernelLost: 0 })
    expect(stats.sessions.map(({ session, captured }) => [session, captured])).toEqual([
      [null, 1],
      ['vni-7_10.1.1.1', 1],
    ])
  })

  test('takes other ports for VXLAN and GENEVE, and can leave all as it is', async () => {
    const to = (dport: number, payload: Buffer) => ethernet(udp4({ ...FLOW, dport, payload }))
    const all = [to(1111, vxlan(7, FIRST)), to(2222, geneve(RAW)), mirrorOf(7, SECOND)]
    const file = input(all)
    const ports = ['--vxlan-port', '1111', '--geneve-port', '2222']
    expect(await main(['capture', '--read', file, '-w', at('o.pcapng'), ...ports])).toBe(0)
    expect(await frames(at('o.pcapng'))).toEqual(hex([FIRST, RAW, all[2]!]))
    expect(await main(['capture', '--read', file, '-w', at('o.pcap'), '--decap', 'none'])).toBe(0)
    expect(readFileSync(at('o.pcap'))).toEqual(readFileSync(file))
  })

  test('reads several files, compresses, and keeps a name it replaces until the end', async () => {
    writeFileSync(at('a.pcap'), pcapFile(shots([FIRST])))
    writeFileSync(at('b.pcap'), pcapFile(shots([SECOND])))
    writeFileSync(at('out.pcap.gz'), 'old')
    const args = ['--read', at('a.pcap'), at('b.pcap'), '-w', at('out.pcap.gz')]
    expect(await main(['capture', ...args])).toBe(0)
    expect(gunzipSync(readFileSync(at('out.pcap.gz'))).readUInt32LE(0)).toBe(0xa1b23c4d)
    expect(await frames(at('out.pcap.gz'))).toEqual(hex([FIRST, SECOND]))
  })

  test('takes one value an option, and leaves what follows to the filter', async () => {
    writeFileSync(at('a.pcap'), pcapFile(shots([mirrorOf(7, FIRST), mirrorOf(8, SECOND)])))
    writeFileSync(at('b.pcap'), pcapFile(shots([mirrorOf(9, SECOND)])))
    const out = ['-w', at('o.pcap')]
    const wanted = 'udp'
    for (const args of [
      [...out, '-r', at('a.pcap'), '--read', at('b.pcap'), '--vni', '8,9', wanted],
      [...out, '--vni', '8', '--vni', '9', '--read', at('a.pcap'), '-r', at('b.pcap'), wanted],
      [...out, '--vni', '7,8,9', '-r', at('a.pcap'), at('b.pcap'), wanted],
    ]) {
      expect(await main(['capture', ...args])).toBe(0)
      expect(await frames(at('o.pcap'))).toEqual(hex([SECOND, SECOND]))
    }
    err = ''
    expect(await main(['capture', ...out, at('a.pcap')])).toBe(2)
    expect(err).toBe(
      `mirrortap: ${at('a.pcap')} is not a filter: to read a capture file, give --read FILE\n`,
    )
  })

  test.each([
    { how: 'by its name', args: () => ['-w', at('in.pcap')] },
    { how: 'by another name', args: () => ['-w', at('link.pcap')] },
    { how: 'with a file of a series', args: () => ['-w', at('in'), '-C', '50B'] },
    { how: 'with the file of a session', args: () => ['-w', at('.'), '--split'] },
  ])('does not replace what it reads $how', async ({ args }) => {
    const inputs = ['in.pcap', 'in1', 'not-mirrored.pcap']
    for (const name of inputs) writeFileSync(at(name), pcapFile(shots([PLAIN])))
    symlinkSync(at('in.pcap'), at('link.pcap'))
    const reads = inputs.flatMap((name) => ['--read', at(name)])
    expect(await main(['capture', ...reads, ...args()])).toBe(2)
    expect(err).toMatch(
      /^mirrortap: [^\n]+ is an input and would be overwritten: name another file to write\n$/,
    )
    for (const name of inputs) expect(await frames(at(name))).toEqual(hex([PLAIN]))
  })

  test.each(['pcap', 'pcapng'])(
    'writes a %s file that opens also without packets',
    async (format) => {
      const out = at(`out.${format}`)
      expect(await main(['capture', '--read', input([], 113), '-w', out])).toBe(0)
      expect(await read(out)).toEqual([])
      expect(await interfaces(out)).toMatchObject([{ linkType: 113 }])
    },
  )

  test('keeps link types apart that a pcap file cannot hold, and leaves nothing half-written', async () => {
    writeFileSync(at('a.pcap'), pcapFile(shots([FIRST])))
    writeFileSync(at('b.pcap'), pcapFile(shots([RAW]), 101))
    writeFileSync(at('out.pcap'), 'old')
    for (const out of [at('out.pcap'), at('out.pcap.gz')]) {
      err = ''
      const args = ['--read', at('a.pcap'), '--read', at('b.pcap'), '-w', out]
      expect(await main(['capture', ...args])).toBe(1)
      expect(err).toMatch(
        /^mirrortap: a pcap file holds one link type: [^\n]*ETHERNET \(1\)[^\n]*RAW \(101\); name a \.pcapng file to have both\n$/,
      )
    }
    expect(readFileSync(at('out.pcap'), 'utf8')).toBe('old')
    expect(readdirSync(dir).sort()).toEqual(['a.pcap', 'b.pcap', 'out.pcap'])
  })

  test('keeps packets that no parser knows, and those that are broken', async () => {
    const file = input([Buffer.from('0102', 'hex'), Buffer.alloc(0), Buffer.alloc(40, 0xff)], 220)
    expect(await main(['capture', '--read', file, '-w', at('o.pcap')])).toBe(0)
    expect(readFileSync(at('o.pcap'))).toEqual(readFileSync(file))
  })

  test('writes what is before the damage, names it and fails', async () => {
    const whole = pcapFile(shots([FIRST, PLAIN, SECOND]))
    writeFileSync(at('in.pcap'), whole.subarray(0, whole.length - 1))
    expect(await main(['capture', '--read', at('in.pcap'), '-w', at('o.pcap')])).toBe(1)
    expect(await frames(at('o.pcap'))).toEqual(hex([FIRST, PLAIN]))
    const offset = 24 + 16 + FIRST.length + 16 + PLAIN.length
    expect(err).toMatch(
      new RegExp(
        `^2 packets written to ${at('o.pcap')}\nmirrortap: ${at('in.pcap')}: damaged at byte ${offset}: [^\n]*; all before it was written\n$`,
      ),
    )
  })

  test('does not mind damage behind the packets it was asked for', async () => {
    const whole = pcapFile(shots([FIRST, PLAIN, SECOND]))
    writeFileSync(at('in.pcap'), whole.subarray(0, whole.length - 1))
    expect(await main(['capture', '--read', at('in.pcap'), '-c', '2', '-w', at('o.pcap')])).toBe(0)
    expect(err).toBe(`2 packets written to ${at('o.pcap')}\n`)
  })

  test('rotates by size, and by the time of the packets', async () => {
    const many = Array.from({ length: 30 }, (_, seconds) => ({
      frame: PLAIN,
      seconds: seconds < 20 ? 100 + seconds : 100_000 + seconds,
    }))
    writeFileSync(at('in.pcap'), pcapFile(many))
    const args = ['capture', '--read', at('in.pcap')]
    expect(await main([...args, '-w', at('s.pcap'), '-C', '500B', '-W', '20'])).toBe(0)
    const series = readdirSync(dir).filter((name) => name.startsWith('s.'))
    expect(series.slice(0, 2)).toEqual(['s.pcap00', 's.pcap01'])
    const all = await Promise.all(series.map((name) => read(at(name))))
    expect(all.flat().map(({ time }) => Number(time))).toEqual(many.map(({ seconds }) => seconds))

    expect(await main([...args, '-w', at('t-%s.pcap'), '-G', '8'])).toBe(0)
    const timed = readdirSync(dir).filter((name) => name.startsWith('t-'))
    expect(timed).toEqual([100, 108, 116, 100_020, 100_028].map((from) => `t-${from}.pcap`).sort())
    expect(await read(at('t-108.pcap'))).toHaveLength(8)

    expect(await main([...args, '-w', at('u-%s.pcap'), '-G', '8', '-W', '2'])).toBe(0)
    const ended = readdirSync(dir).filter((name) => name.startsWith('u-'))
    expect(ended).toEqual(['u-100.pcap', 'u-108.pcap'])
    expect(await read(at('u-108.pcap'))).toHaveLength(8)
    const written = err.trimEnd().split('\n')
    expect(written).toHaveLength(3)
    for (const line of written) expect(line).toMatch(/^\d+ packets written to \d files, the last /)
    expect(written[2]!.endsWith(` packets written to 2 files, the last ${at('u-108.pcap')}`)).toBe(
      true,
    )
  })

  test.skipIf(!hasTool('tcpdump'))('cuts a series where tcpdump does (needs tcpdump)', async () => {
    const sizes = [0, 300, 10_000, 9000, 60_000, 1, 40_000, 30_000, 50_000, 7]
    const big = Array.from({ length: 400 }, (_, index) => ({
      frame: Buffer.alloc(sizes[index % 10]!),
    }))
    writeFileSync(at('in.pcap'), pcapFile(big))
    mkdirSync(at('theirs'))
    mkdirSync(at('ours'))
    for (const ring of [[], ['-W', '3']]) {
      execFileSync(
        'tcpdump',
        [
          '-Z',
          'root',
          '--nano',
          '-r',
          at('in.pcap'),
          '-w',
          at('theirs/x.pcap'),
          '-C',
          '1',
          ...ring,
        ],
        { stdio: 'ignore' },
      )
      const out = ['-w', at('ours/x.pcap'), '-C', '1', ...ring, '--decap', 'none']
      expect(await main(['capture', '--read', at('in.pcap'), ...out])).toBe(0)
    }
    const theirs = readdirSync(at('theirs')).sort()
    expect(theirs.length).toBeGreaterThan(8)
    expect(readdirSync(at('ours')).sort()).toEqual(theirs)
    for (const name of theirs) {
      const records = readFileSync(at(`ours/${name}`)).subarray(24)
      expect(records.equals(readFileSync(at(`theirs/${name}`)).subarray(24)), name).toBe(true)
    }
  })

  test('keeps whole packets when the disk is full, and fails in one line', async () => {
    const file = input(Array.from({ length: 50 }, () => SECOND))
    const disk = new FailingDisk()
    disk.room = 10_000
    expect(await main(['capture', '--read', file, '-w', at('o.pcap')])).toBe(1)
    expect(await frames(at('o.pcap'))).toEqual(
      Array(Math.floor((10_000 - 24) / (SECOND.length + 16))).fill(SECOND.toString('hex')),
    )
    expect(err).toMatch(/^mirrortap: cannot write [^\n]*no space left[^\n]*\n$/)
  })
})

describe('capture --read --split', () => {
  test('writes one file a session, and one for the rest', async () => {
    const file = input([
      mirrorOf(7, FIRST),
      PLAIN,
      mirrorOf(7, SECOND, '10.1.1.2'),
      mirrorOf(7, SECOND),
    ])
    const args = ['capture', '--read', file, '--split', '-w', at('deep/out')]
    expect(await main(args)).toBe(0)
    expect(readdirSync(at('deep/out')).sort()).toEqual([
      'not-mirrored.pcap',
      'vni-7_10.1.1.1.pcap',
      'vni-7_10.1.1.2.pcap',
    ])
    expect(await frames(at('deep/out/vni-7_10.1.1.1.pcap'))).toEqual(hex([FIRST, SECOND]))
    expect(await frames(at('deep/out/not-mirrored.pcap'))).toEqual(hex([PLAIN]))
    expect(await main([...args, '--format', 'pcapng', '-c', '3'])).toBe(0)
    expect(await interfaces(at('deep/out/vni-7_10.1.1.2.pcapng'))).toMatchObject([
      { linkType: 1, name: 'vni-7_10.1.1.2' },
    ])
    expect(await frames(at('deep/out/vni-7_10.1.1.1.pcapng'))).toEqual(hex([FIRST]))
  })

  test('keeps hundreds of sessions apart that take turns', async () => {
    const sessions = 600
    const all = Array.from({ length: 3 * sessions }, (_, index) => ({
      frame: mirrorOf(index % sessions, FIRST),
      seconds: 1000 + index,
    }))
    writeFileSync(at('in.pcap'), pcapFile(all))
    expect(await main(['capture', '--read', at('in.pcap'), '--split', '-w', at('out')])).toBe(0)
    expect(readdirSync(at('out'))).toHaveLength(sessions)
    const last = await read(at(`out/vni-${sessions - 1}_10.1.1.1.pcap`))
    expect(last.map(({ time }) => Number(time))).toEqual([1599, 2199, 2799])
  }, 30_000)

  test('refuses a session of two link types in pcap, and leaves nothing', async () => {
    writeFileSync(at('a.pcap'), pcapFile(shots([FIRST])))
    writeFileSync(at('b.pcap'), pcapFile(shots([RAW]), 101))
    const args = ['--read', at('a.pcap'), at('b.pcap'), '--split', '-w', at('out')]
    expect(await main(['capture', ...args])).toBe(1)
    expect(err).toMatch(
      /^mirrortap: [^\n]*ETHERNET \(1\)[^\n]*RAW \(101\)[^\n]*--format pcapng[^\n]*\n$/,
    )
    expect(existsSync(at('out'))).toBe(false)
    expect(await main(['capture', ...args, '--format', 'pcapng'])).toBe(0)
    expect(await interfaces(at('out/not-mirrored.pcapng'))).toHaveLength(2)
  })
})

describe('capture', () => {
  /** Starts a capture on a free port; resolves when it listens. */
  async function start(...args: string[]): Promise<{ ended: Promise<number>; port: number }> {
    const live = ['--bind', HOST, '--port', '0', ...args]
    const ended = main(['capture', ...live])
    const failed = ended.then((code) => Promise.reject(new Error(`exit ${code}: ${err}`)))
    failed.catch(() => undefined)
    const match = await Promise.race([says(/^listening on \S+ port (\d+) \(VXLAN\)/m), failed])
    return { ended, port: Number(match[1]) }
  }

  async function send(port: number, datagrams: readonly Buffer[]): Promise<void> {
    const sender = await UdpSender.open(HOST)
    for (const datagram of datagrams) await sender.send(datagram, port, HOST)
    await sender.close()
  }

  test.each(['SIGINT', 'SIGTERM'])(
    'writes what came when %s ends it, and sums up',
    async (signal) => {
      const stats = at('stats.json')
      const { ended, port } = await start('-w', at('o.pcap'), '--stats', stats)
      await send(port, [vxlan(7, FIRST), vxlan(8, SECOND.subarray(0, 100)), Buffer.from('bad')])
      process.emit(signal as 'SIGINT')
      expect(await ended).toBe(0)
      const got = await read(at('o.pcap'))
      expect(got.map(({ frame }) => frame)).toEqual(hex([FIRST, SECOND.subarray(0, 100)]))
      expect(got[1]!.original).toBe(SECOND.length)
      expect(err.trimEnd().split('\n').slice(-3)).toEqual([
        '2 packets captured, 3 received, 0 lost by the kernel, 1 malformed (vxlan-truncated 1)',
        `2 packets written to ${at('o.pcap')}`,
        `the ledger was written to ${stats}`,
      ])
      const report = JSON.parse(readFileSync(stats, 'utf8')) as LedgerReport
      expect(report).toMatchObject({
        received: 3,
        accepted: 2,
        malformed: { 'vxlan-truncated': 1 },
      })
      expect(report.sessions.map(({ captured, received }) => [captured, received])).toEqual([
        [1, 1],
        [1, 1],
      ])
    },
  )

  test.each(['dgram', 'auto'])(
    'takes exactly as many as it was asked for, by %s',
    async (receiver) => {
      const { ended, port } = await start('-w', at('o.pcapng'), '-c', '10', '--receiver', receiver)
      await send(port, Array(25).fill(vxlan(7, FIRST)))
      expect(await ended).toBe(0)
      expect(await read(at('o.pcapng'))).toHaveLength(10)
      expect(err).toContain('\n10 packets captured, 10 received, ')
    },
  )

  test('takes the sessions of the VNIs it was given, and stops by itself', async () => {
    const { ended, port } = await start('-w', at('o.pcapng'), '--vni', '7', '--duration', '1s')
    await send(port, [vxlan(7, FIRST), vxlan(8, SECOND)])
    expect(await ended).toBe(0)
    expect(await frames(at('o.pcapng'))).toEqual(hex([FIRST]))
    expect(await interfaces(at('o.pcapng'))).toMatchObject([{ name: `vni-7_${HOST}` }])
    expect(err).toContain(
      '1 packets captured, 2 received, 0 lost by the kernel, 0 malformed, 1 filtered',
    )
  })

  test('takes the packets that its filter wants', async () => {
    const filter = ['udp', 'and', 'vni', '8', 'or', 'tcp']
    const { ended, port } = await start('-w', at('o.pcap'), '-c', '4', '--', ...filter)
    await send(port, [vxlan(7, FIRST), vxlan(7, SECOND), vxlan(8, SECOND), vxlan(8, FIRST)])
    await send(port, [vxlan(9, FIRST)])
    expect(await ended).toBe(0)
    expect(await frames(at('o.pcap'))).toEqual(hex([FIRST, SECOND, FIRST, FIRST]))
    expect(err).toMatch(
      /\n4 packets captured, 5 received, [^\n]*, 1 filtered\n4 packets written to [^\n]+\n$/,
    )
  })

  test('says once that a pcap file cannot hold raw IP beside Ethernet, and goes on', async () => {
    const { ended, port } = await start('-w', at('o.pcap'), '--geneve-port', '0')
    const genevePort = Number((await says(/port (\d+) \(GENEVE\)/))[1])
    await send(port, [vxlan(7, FIRST)])
    // Two sockets are read in any order, and the first packet decides.
    await until(() => readFileSync(at('o.pcap.part')).length > 24)
    await send(genevePort, [geneve(RAW), geneve(RAW)])
    await send(port, [vxlan(7, SECOND)])
    await says(/left out/)
    process.emit('SIGINT')
    expect(await ended).toBe(0)
    expect(await frames(at('o.pcap'))).toEqual(hex([FIRST, SECOND]))
    expect(err.match(/packets are left out: [^\n]*RAW \(101\)[^\n]*\.pcapng/g)).toHaveLength(1)
    expect(err).toContain(
      '2 packets captured, 4 received, 0 lost by the kernel, 0 malformed, 2 of another link type',
    )
  })

  test('takes raw IP alone into a pcap file', async () => {
    const { ended } = await start('-w', at('o.pcap'), '--geneve-port', '0', '-c', '1')
    const genevePort = Number((await says(/port (\d+) \(GENEVE\)/))[1])
    await send(genevePort, [geneve(RAW)])
    expect(await ended).toBe(0)
    expect(await read(at('o.pcap'))).toMatchObject([{ linkType: 101, frame: RAW.toString('hex') }])
  })

  test('begins files by a timer, also without traffic, and ends after the last', async () => {
    const { ended, port } = await start('-w', at('%s.pcap'), '-G', '1', '-W', '2')
    await send(port, [vxlan(7, FIRST)])
    expect(await ended).toBe(0)
    const files = readdirSync(dir).sort()
    expect(files).toHaveLength(2)
    const [first, second] = files.map((name) => Number(basename(name, '.pcap')))
    expect(second! - first!).toBe(1)
    const all = await Promise.all(files.map((name) => read(at(name))))
    expect(all.flat()).toHaveLength(1)
  })

  test('keeps whole packets when the disk is full, and fails at once', async () => {
    const disk = new FailingDisk()
    disk.room = 24 + 2 * (16 + FIRST.length) + 5
    const { ended, port } = await start('-w', at('o.pcap'))
    await send(port, Array(5).fill(vxlan(7, FIRST)))
    expect(await ended).toBe(1)
    expect(await frames(at('o.pcap'))).toEqual(hex([FIRST, FIRST]))
    expect(
      err
        .split('\n')
        .slice(1)
        .filter((line) => !line.startsWith('the kernel grants')),
    ).toEqual([
      expect.stringMatching(
        /^mirrortap: cannot write .*no space left.*; 2 packets were captured before$/,
      ),
      '',
    ])
  })

  test('ends a pcapng file with what each session received', async () => {
    const { ended, port } = await start('-w', at('o.pcapng'), '-c', '3')
    await send(port, [vxlan(7, FIRST), vxlan(8, SECOND), vxlan(7, FIRST)])
    expect(await ended).toBe(0)
    const bytes = readFileSync(at('o.pcapng'))
    const received: bigint[] = []
    for (let block = 0; block < bytes.length; block += bytes.readUInt32LE(block + 4)) {
      if (bytes.readUInt32LE(block) !== 5) continue
      // Behind 20 octets: isb_starttime, isb_endtime (12 each), isb_ifrecv, isb_ifdrop.
      received.push(bytes.readBigUInt64LE(block + 48))
      expect(bytes.readBigUInt64LE(block + 60)).toBe(0n)
    }
    expect(received).toEqual([2n, 1n])
  })

  test.each([
    ['a filter that is wrong', ['-w', 'x', 'tcp', 'prot', '80'], /column 5, "prot"/],
    ['no file', [], /-w, --write <file>/],
    ['-W alone', ['-w', 'x.pcap', '-W', '3'], /give -C or -G/],
    ['-G without a time in the name', ['-w', 'x.pcap', '-G', '60'], /would replace the one before/],
    ['-G of half a second', ['-w', '%s', '-G', '500ms'], /whole seconds/],
    ['a time that is none', ['-w', '%Q', '-G', '60'], /%Q in %Q is not a conversion/],
    ['a series on standard output', ['-w', '-', '-C', '1'], /standard output is one file/],
    [
      'two outputs in one',
      ['--read', 'x', '-w', '-', '--stats', '-'],
      /cannot both write to standard output/,
    ],
    ['--split on the network', ['-w', 'x', '--split'], /--split is for capture files/],
    ['--decap on the network', ['-w', 'x', '--decap', 'none'], /--decap is for capture files/],
    ['--vxlan-port on the network', ['-w', 'x', '--vxlan-port', '1'], /--vxlan-port is for/],
    ['--split on standard output', ['--read', 'x', '-w', '-', '--split'], /give -w a directory/],
    ['--split as a series', ['--read', 'x', '-w', 'd', '--split', '-C', '1'], /neither -C nor -G/],
    ['a port of files', ['--read', 'x', '-w', 'y', '--port', '1'], /cannot be used with/],
    ['an address of files', ['--read', 'x', '-w', 'y', '--bind', '::'], /cannot be used with/],
    ['a duration of files', ['--read', 'x', '-w', 'y', '--duration', '1s'], /cannot be used with/],
    ['a receiver of files', ['--read', 'x', '-w', 'y', '--receiver', 'dgram'], /cannot be used/],
    ['a format against the name', ['-w', 'x.pcap', '--format', 'pcapng'], /is called pcap:/],
    ['no packets', ['-w', 'x', '-c', '0'], /whole number/],
    ['a VNI of 25 bits', ['-w', 'x', '--vni', '16777216'], /whole number/],
    ['a size that is none', ['-w', 'x', '-C', 'big'], /Give a size/],
  ] as const)('refuses %s in one line', async (_name, args, says) => {
    expect(await main(['capture', ...args])).toBe(2)
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toMatch(says)
    for (const name of ['x', 'y', 'x.pcap']) expect(existsSync(name)).toBe(false)
  })

  test('writes what can be read where another file cannot, and says so', async () => {
    const good = at('good.pcap')
    writeFileSync(good, pcapFile(shots([PLAIN, FIRST])))
    const tail = at('tail.pcap.gz')
    writeFileSync(tail, Buffer.concat([gzipSync(pcapFile(shots([SECOND]))), Buffer.from('tail')]))
    const args = [good, import.meta.filename, tail].flatMap((file) => ['--read', file])
    expect(await main(['capture', ...args, '--decap', 'none', '-w', at('o.pcap')])).toBe(1)
    const lengths: number[] = []
    await readCapture(at('o.pcap'), ({ start, end }) => lengths.push(end - start))
    expect(lengths).toEqual([PLAIN.length, FIRST.length, SECOND.length])
    expect(err).toContain(`${tail}: ignored the bytes after the end of the gzip data\n`)
    expect(err).toMatch(/capture\.test\.ts is not a capture file: [^\n]+\n$/)
  })

  test.each([
    ['a file that is not there', ['--read', '/no/such.pcap'], /does not exist/],
    ['a file that is no capture', ['--read', import.meta.filename], /is not a capture file/],
    ['a directory in place of a file to write', ['-w', '/tmp', '--port', '0'], /is a directory/],
    [
      'an address of another host',
      ['--bind', '192.0.2.1', '--port', '0'],
      /not an address of this/,
    ],
  ])('fails on %s in one line, and leaves no file', async (_name, args, says) => {
    expect(await main(['capture', '-w', at('o.pcap'), ...args])).toBe(1)
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toMatch(says)
    expect(readdirSync(dir)).toEqual([])
  })
})
