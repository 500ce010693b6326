import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ExpressionFilter } from '../../src/filter/expression-filter.js'
import { type CaptureFile, capturesIn } from '../../src/search/capture-files.js'
import { buildIndex, indexPathOf } from '../../src/search/index-file.js'
import { PacketSearch, type SearchOptions } from '../../src/search/packet-search.js'
import { EXPRESSIONS } from '../filter/expressions.js'
import { sampleFrames } from '../filter/frame-collection.js'
import { SampleCapture } from '../pcap/sample-capture.js'
import {
  ethernet,
  fragments6,
  gwlbGeneve,
  mirrored,
  mpls,
  tcp4,
  tcp6,
  udp4,
  udp6,
  vlan,
} from '../support/frames.js'
import { INDEX_STATES } from '../support/packet-search.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { readWrittenBytes } from '../support/written-captures.js'

/** LONG_TESTS=1 tries thousands, from another seed each time, and has tcpdump judge all of them. */
const IS_LONG = process.env['LONG_TESTS'] !== undefined
const SEEDS = IS_LONG
  ? Array.from({ length: 10 }, (_, turn) => (Date.now() + turn * 7919) % 1e7)
  : [1]
const EXPRESSIONS_EACH = IS_LONG ? 300 : 75
const JUDGED_EACH = IS_LONG ? EXPRESSIONS_EACH : 4

const START = 1_600_000_000
/** Some blocks of an index each. */
const SHOTS_A_FILE = 400
const BLOCK_PAYLOAD = 1400

function ordinary(random: Random): Buffer {
  const host = 1 + random.below(30)
  const ports = { sport: 40_000 + host, dport: random.pick([22, 53, 80, 443]) }
  const payload = Buffer.alloc(random.below(BLOCK_PAYLOAD))
  const ends = { src: `10.0.0.${host}`, dst: '10.0.0.2', ...ports, payload }
  const ends6 = { src: `2001:db8::${host}`, dst: 'fe80::1', ...ports, payload }
  switch (random.below(8)) {
    case 0:
      return vlan(random.pick([[7], [8], [7, 100]]), ethernet(tcp4(ends)))
    case 1:
      return ethernet(random.pick([tcp6, udp6])(ends6))
    case 2:
      return ethernet(mpls([random.below(4) + 16], tcp4(ends)), { type: 0x8847 })
    case 3:
      return ethernet(random.pick(fragments6(udp6(ends6), 1280, host)))
    default:
      return ethernet(random.pick([tcp4, udp4])(ends))
  }
}

function shots(random: Random, from: number): Shot[] {
  const kinds = sampleFrames()
  return Array.from({ length: SHOTS_A_FILE }, (_, index) => {
    let frame = random.below(8) === 0 ? random.pick(kinds) : ordinary(random)
    if (random.below(30) === 0) frame = frame.subarray(0, 14 + random.below(frame.length - 14))
    return { seconds: from + index, nanoseconds: random.below(1e9), frame }
  })
}

/** A mirror's own packets, in VXLAN and in GENEVE. */
function mirrorShots(random: Random, from: number): Shot[] {
  return shots(random, from).map((shot) => {
    const vni = 9 + random.below(3)
    const of = { source: '198.51.100.9', target: '198.51.100.2', vni, frame: shot.frame }
    const way = random.below(3)
    if (way === 0) return shot
    if (way === 1) return { ...shot, frame: mirrored(of) }
    return { ...shot, frame: gwlbGeneve({ ...of, balancer: '10.8.0.1', appliance: '10.8.0.2' }) }
  })
}

/** Two interfaces that count time in units of their own. */
function pcapng(random: Random, of: readonly Shot[]): Buffer {
  const little = random.below(2) === 0
  const capture = new SampleCapture(little).section().interface(1, 0, [[9, Buffer.of(9)]])
  capture.interface(1, 0, [[9, Buffer.of(3)]])
  for (const { seconds = 0, nanoseconds = 0, frame } of of) {
    const id = random.below(2)
    const units =
      id === 0
        ? BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)
        : BigInt(seconds) * 1000n + BigInt(Math.floor(nanoseconds / 1e6))
    capture.enhanced(id, units, frame, frame.length)
  }
  return capture.finish()
}

/** Two sessions of ours, one file still being written, and captures of others in every form. */
async function captureDirectory(random: Random): Promise<CaptureFile[]> {
  const directory = temporaryDirectory()
  const write = (name: string, bytes: Buffer): void => writeFileSync(join(directory, name), bytes)
  for (const session of ['vni-7_198.51.100.1', 'tms-0123456789abcdef0']) {
    mkdirSync(join(directory, session))
    write(`${session}/20200913T122640Z.pcap`, pcapFile(shots(random, START)))
  }
  const part = pcapFile(shots(random, START + 400))
  write('vni-7_198.51.100.1/20200913T130640Z.pcap.part', part.subarray(0, -3))
  write('others.pcap.gz', gzipSync(pcapFile(shots(random, START + 300)), { level: 1 }))
  write('others.pcapng', pcapng(random, shots(random, START + 200)))
  write('mirror.pcap', pcapFile(mirrorShots(random, START + 100)))
  // Where Node cannot decompress it well, each search starts a program.
  if (IS_LONG && hasTool('zstd')) {
    const input = pcapFile(shots(random, START + 250))
    write('others.pcap.zst', spawnSync('zstd', ['-c', '-q'], { input, maxBuffer: 2 ** 24 }).stdout)
  }
  return capturesIn(directory)
}

/** Of the kinds that people type, and of all that the language has. */
function expression(random: Random, depth = random.below(4)): string {
  if (depth > 0) {
    const [one, other] = [expression(random, depth - 1), expression(random, random.below(depth))]
    return random.pick([
      `(${one}) and (${other})`,
      `(${one}) or (${other})`,
      `not (${one})`,
      `(${one}) and not (${other})`,
    ])
  }
  const host = 1 + random.below(32)
  return random.pick([
    () => random.pick(EXPRESSIONS.slice(1)),
    () => `host 10.0.0.${host}`,
    () => `host 10.0.0.${host} and host 10.0.0.2 and tcp port ${40_000 + host} and port 443`,
    () => `src net 10.0.0.${host & 28}/30`,
    () => `ip6 host 2001:db8::${host}`,
    () => `net 2001:db8::/${random.pick([32, 47, 64])}`,
    () =>
      `${random.pick(['tcp', 'udp', 'src', 'dst'])} port ${random.pick([22, 53, 40_000 + host])}`,
    () => `portrange ${40_000 + host}-${40_002 + host}`,
    () => `${random.pick(['less', 'greater'])} ${random.below(1500)}`,
    () => `tcp[13] & ${1 << random.below(6)} != 0`,
    () => `ip[8] < ${random.below(255)} and ip[2:2] > ${random.below(1500)}`,
    () => `ether[${random.below(40)}] = ${random.below(256)}`,
    () => `vlan ${random.pick([7, 8])} and ${random.pick(['ip', 'tcp', `host 10.0.0.${host}`])}`,
    () => `vlan and vlan and port ${random.pick([80, 443])}`,
    () => `mpls ${16 + random.below(4)} and host 10.0.0.${host}`,
    () => `ip6 proto 44 or ip6[6] = 0`,
  ])()
}

function isAccepted(text: string): boolean {
  try {
    new ExpressionFilter(text)
    return true
  } catch {
    return false
  }
}

interface Question {
  readonly text: string
  readonly decap: 'auto' | 'none'
  readonly session: string | undefined
  readonly since: number
  readonly until: number
}

interface Found {
  readonly seconds: number
  readonly nanoseconds: number
  readonly frame: Buffer
}

async function answer(files: readonly CaptureFile[], asked: Question): Promise<Found[]> {
  const moment = (seconds: number) => ({ seconds, nanoseconds: 0 })
  const options: SearchOptions = {
    files,
    ...asked,
    since: moment(asked.since),
    until: moment(asked.until),
    vxlanPort: 4789,
    genevePort: 6081,
    onProblem: () => undefined,
  }
  const search = new PacketSearch(options)
  const found: Found[] = []
  await search.read(
    [...search.plan()],
    ({ seconds, nanoseconds, bytes, start, end }) => {
      found.push({ seconds, nanoseconds, frame: Buffer.from(bytes.subarray(start, end)) })
    },
    undefined,
  )
  return found
}

const lineOf = ({ seconds, nanoseconds, frame }: Found): string =>
  `${seconds}.${nanoseconds} ${frame.length} ${crc32(frame)}`

/** What tcpdump selects of packets, in their order. */
function tcpdumpOf(packets: readonly Found[], text: string): string[] {
  const args = ['-n', '--time-stamp-precision=nano', '-r', '-', '-w', '-', '--', text]
  const { stdout, stderr } = spawnSync('tcpdump', args, {
    input: pcapFile(packets),
    maxBuffer: 2 ** 28,
  })
  if (/rejects all packets/.test(stderr.toString())) return []
  return readWrittenBytes(stdout).map(lineOf)
}

describe('the answer to any expression', () => {
  const limit = { timeout: IS_LONG ? 3_600_000 : 120_000 }
  test.each(SEEDS)('is the same whatever became of the indexes, seed %i', limit, async (seed) => {
    const random = new Random(seed)
    const files = await captureDirectory(random)
    const everything = { text: '', session: undefined, since: START, until: START + 10_000 }
    const all = await answer(files, { ...everything, decap: 'none' })
    expect(all.length).toBe(files.length * SHOTS_A_FILE - 1)
    const asked: Question[] = []
    while (asked.length < EXPRESSIONS_EACH) {
      const text = expression(random)
      if (!isAccepted(text)) continue
      const since = START + random.below(800)
      const [from, to] = random.pick([
        [START, START + 10_000],
        [since, since + random.below(300)],
      ])
      const session = random.pick([
        undefined,
        undefined,
        'vni-7_198.51.100.1',
        'vni-10_198.51.100.9',
      ])
      const decap = random.pick(['auto', 'none'] as const)
      asked.push({ text, decap, session, since: from!, until: to! })
    }
    const expected: string[][] = []
    for (const question of asked) expected.push((await answer(files, question)).map(lineOf))
    expect(expected.filter((lines) => lines.length > 0).length).toBeGreaterThan(asked.length / 4)

    if (hasTool('tcpdump')) {
      const judged = asked.flatMap(({ decap, session }, index) =>
        decap === 'none' && session === undefined ? [index] : [],
      )
      for (const index of judged.slice(0, JUDGED_EACH)) {
        const { text, since, until } = asked[index]!
        const within = all.filter(
          ({ seconds, nanoseconds }) =>
            seconds >= since && (seconds < until || (seconds === until && nanoseconds === 0)),
        )
        expect(tcpdumpOf(within, text), `seed ${seed}: ${text}`).toEqual(expected[index])
      }
    }

    const indexed = files.filter(({ path }) => !path.endsWith('.part'))
    for (const { path } of indexed) await buildIndex(path, undefined, 200_000)
    for (const [state, change] of Object.entries(INDEX_STATES)) {
      for (const [turn, { path }] of indexed.entries()) change(indexPathOf(path), turn, random)
      for (const [index, question] of asked.entries()) {
        const lines = (await answer(files, question)).map(lineOf)
        const name = `seed ${seed}, indexes ${state}: ${JSON.stringify(question)}`
        expect(lines, name).toEqual(expected[index])
      }
    }
  })
})
