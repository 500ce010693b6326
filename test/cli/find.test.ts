import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { EXPRESSIONS } from '../filter/expressions.js'
import { sampleFrames } from '../filter/frame-collection.js'
import { ethernet, mirrored, tcp4, udp4 } from '../support/frames.js'
import { INDEX_STATES } from '../support/packet-search.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { runCommand, runInPieces } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { readWritten, readWrittenBytes, type WrittenPacket } from '../support/written-captures.js'

const STATES: typeof INDEX_STATES = {
  ...INDEX_STATES,
  gone: (index) => rmSync(index, { force: true }),
}

const START = 1_600_000_000
const OUR_DIRECTORY = 'vni-7_198.51.100.1'

/** Traffic of some hosts that come and go, and of each kind once in a while. */
function traffic(random: Random, count: number, from: number): Shot[] {
  const kinds = sampleFrames()
  let host = 1
  return Array.from({ length: count }, (_, index) => {
    if (random.below(60) === 0) host = 1 + random.below(40)
    const frame =
      random.below(12) === 0
        ? random.pick(kinds)
        : ethernet(
            random.pick([tcp4, udp4])({
              src: `10.0.0.${host}`,
              dst: '10.0.0.2',
              sport: 40_000 + host,
              dport: random.pick([53, 80, 443]),
              payload: Buffer.alloc(random.below(1400)),
            }),
          )
    return { seconds: from + index, nanoseconds: random.below(1e9), frame }
  })
}

/** A capture directory: two sessions of ours whose files overlap, one still being written, and others' captures. */
function captureDirectory(random: Random): string {
  const directory = temporaryDirectory()
  const write = (name: string, bytes: Buffer): void => writeFileSync(join(directory, name), bytes)
  for (const session of [OUR_DIRECTORY, 'tms-0123456789abcdef0']) {
    mkdirSync(join(directory, session))
    for (const [index, name] of ['20200913T122640Z', '20200913T124640Z'].entries()) {
      const shots = traffic(random, 1200, START + 1200 * index)
      write(`${session}/${name}.pcap`, pcapFile(shots))
    }
  }
  const part = pcapFile(traffic(random, 300, START + 2400))
  write(`${OUR_DIRECTORY}/20200913T130640Z.pcap.part`, part.subarray(0, -3))
  write('others.pcap.gz', gzipSync(pcapFile(traffic(random, 900, START + 500))))
  return directory
}

const captures = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => !name.endsWith('.idx') && statSync(join(directory, name)).isFile())
    .sort()
    .map((name) => join(directory, name))

/** What tcpdump selects of each file, in the order of time, and of files. */
function tcpdumpFinds(directory: string, text: string, [since, until]: number[]): string[] {
  const found: WrittenPacket[] = []
  for (const path of captures(directory)) {
    const bytes = readFileSync(path)
    const args = ['-n', '--time-stamp-precision=nano', '-r', '-', '-w', '-', '--', text]
    const input = path.endsWith('.gz') ? execFileSync('gzip', ['-dc'], { input: bytes }) : bytes
    try {
      const options = { input, stdio: 'pipe', maxBuffer: 2 ** 28 } as const
      found.push(...readWrittenBytes(execFileSync('tcpdump', args, options)))
    } catch (error) {
      // What is still being written ends inside a packet; or no packet can match.
      const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer }
      if (/rejects all packets/.test(stderr.toString())) continue
      expect(stderr.toString()).toMatch(/truncated dump file/)
      found.push(...readWrittenBytes(stdout))
    }
  }
  return found
    .filter(({ seconds }) => seconds >= since! && seconds < until!)
    .sort((a, b) => a.seconds - b.seconds || a.nanoseconds - b.nanoseconds)
    .map(lineOf)
}

function lineOf({ seconds, nanoseconds, originalLength, frame }: WrittenPacket): string {
  return `${seconds}.${nanoseconds} ${originalLength} ${frame.toString('hex')}`
}

async function found(directory: string, text: string, [since, until]: number[]): Promise<string[]> {
  const output = join(temporaryDirectory(), 'found.pcap')
  const times = ['--since', `${since}`, '--until', `${until! - 1}.999999999`]
  const args = ['find', '--dir', directory, '--decap', 'none', ...times, '-w', output, text]
  const outcome = await runCommand(...args)
  expect(outcome).toMatchObject({ code: 0, out: '' })
  return readWritten(output).map(lineOf)
}

describe('find', () => {
  test.skipIf(!hasTool('tcpdump')).each([1, 2])(
    'finds what tcpdump does in every file, whatever became of the indexes, seed %i (needs tcpdump)',
    async (seed) => {
      const random = new Random(seed)
      const directory = captureDirectory(random)
      expect(await runCommand('index', directory)).toMatchObject({ code: 0 })
      const indexes = captures(directory).flatMap((path) =>
        path.endsWith('.part') ? [] : [`${path}.idx`],
      )
      const expressions = [
        'host 10.0.0.17',
        'host 10.0.0.5 and host 10.0.0.2 and udp and port 40005 and port 53',
        'net 10.0.0.16/28 and not tcp port 443',
        ...Array.from({ length: 3 }, () => random.pick(EXPRESSIONS)),
        `(${random.pick(EXPRESSIONS.slice(1))}) and (${random.pick(EXPRESSIONS.slice(1))})`,
        `host 10.0.0.${random.below(40)} or (${random.pick(EXPRESSIONS.slice(1))})`,
      ]
      const asked = expressions.map((text) => {
        const since = START + random.below(1500)
        const window = random.pick([
          [0, START + 10_000],
          [since, since + random.below(1200)],
        ])
        return { text, window, expected: tcpdumpFinds(directory, text, window) }
      })
      expect(asked.some(({ expected }) => expected.length > 0)).toBe(true)
      for (const [state, change] of Object.entries(STATES)) {
        for (const [turn, index] of indexes.entries()) change(index, turn, random)
        for (const { text, window, expected } of asked) {
          const lines = await found(directory, text, window)
          expect(lines, `"${text}" in ${window}, indexes ${state}`).toEqual(expected)
        }
      }
    },
  )

  test('reads only the parts of indexed files that can match', async () => {
    const directory = captureDirectory(new Random(3))
    await runCommand('index', directory)
    const args = ['find', '--dir', directory, '--json']
    const { out } = await runCommand(...args, 'host 10.0.0.17 and host 10.0.0.2 and udp')
    const { packets, files } = JSON.parse(out) as {
      packets: number
      files: { index: string; blocks?: number; candidates?: number }[]
    }
    expect(packets).toBeGreaterThan(0)
    const used = files.filter(({ index }) => index === 'used')
    expect(used).toHaveLength(files.length - 1)
    const sum = (of: 'blocks' | 'candidates'): number =>
      used.reduce((total, file) => total + file[of]!, 0)
    expect(sum('candidates')).toBeLessThan(sum('blocks') / 2)
    const nowhere = await runCommand(...args, '--since', '2021-01-01T00:00:00Z')
    expect(JSON.parse(nowhere.out)).toMatchObject({ packets: 0, firstSeen: null })
  })

  test('knows the session of a file that listen wrote, and of mirrored packets in others', async () => {
    const directory = captureDirectory(new Random(4))
    const frame = ethernet(udp4({ src: '192.0.2.9', dst: '192.0.2.8', sport: 53, dport: 53 }))
    const outer = { source: '198.51.100.9', target: '198.51.100.2', frame }
    const shots = [9, 10, 9].map((vni) => ({ frame: mirrored({ ...outer, vni }) }))
    writeFileSync(join(directory, 'outer.pcap'), pcapFile(shots))
    for (const isIndexed of [false, true]) {
      if (isIndexed) await runCommand('index', directory)
      const count = async (...args: string[]): Promise<string> =>
        (await runCommand('find', '--dir', directory, '--count', ...args)).out
      const ours = await count('--session', OUR_DIRECTORY)
      expect(Number(ours)).toBeGreaterThan(2600)
      expect(await count('vni 7')).toBe(ours)
      expect(await count(`session ${OUR_DIRECTORY}`)).toBe(ours)
      expect(await count('vni 9')).toBe('2\n')
      expect(await count('--session', 'vni-10_198.51.100.9')).toBe('1\n')
      expect(await count('host 192.0.2.9')).toBe('3\n')
      expect(await count('--decap', 'none', 'host 192.0.2.9')).toBe('0\n')
      expect(await count('vni 11')).toBe('0\n')
    }
  })

  test('lists the flows of what it finds as flows does of the same packets', async () => {
    const directory = captureDirectory(new Random(6))
    const frames = [7, 8].flatMap((sport) => [
      ethernet(tcp4({ src: '198.51.100.9', dst: '192.0.2.8', sport, dport: 80 })),
      ethernet(tcp4({ src: '192.0.2.8', dst: '198.51.100.9', sport: 80, dport: sport })),
    ])
    const outer = { source: '198.51.100.9', target: '198.51.100.2' }
    const shots = frames.flatMap((frame) =>
      [9, 10].map((vni) => ({ frame: mirrored({ ...outer, vni, frame }) })),
    )
    writeFileSync(join(directory, 'outer.pcap'), pcapFile(shots))
    const others = ['outer.pcap', 'others.pcap.gz'].map((name) => join(directory, name))
    await runCommand('index', directory)
    for (const text of ['tcp port 80', 'host 10.0.0.7 or vni 10']) {
      const { out } = await runCommand('find', ...others, '--flows', '--json', text)
      const flows = await runCommand('flows', ...others, '--no-names', '--json', '--filter', text)
      const rows = (json: string): unknown[] =>
        (JSON.parse(json) as object[]).map((row) => ({ ...row, ageSeconds: 0 }))
      expect(rows(out).length, text).toBeGreaterThan(3)
      expect(rows(out), text).toEqual(rows(flows.out))
    }
    const table = await runCommand('find', '--dir', directory, '--flows', 'port 80 and not udp')
    const [heading, ...lines] = table.out.trimEnd().split('\n')
    expect(heading).toMatch(/^session +source +destination +protocol +packets +bytes/)
    expect(lines.some((line) => line.startsWith(`${OUR_DIRECTORY} `))).toBe(true)
    expect(lines.some((line) => line.startsWith('tms-0123456789abcdef0 '))).toBe(true)
    expect(lines.some((line) => line.startsWith('vni-9_198.51.100.9 '))).toBe(true)
  })

  test('stops after so many packets, the first in time', async () => {
    const directory = captureDirectory(new Random(5))
    const output = join(temporaryDirectory(), 'found.pcapng')
    const args = ['find', '--dir', directory, '-c', '5', '-w', output, 'ip']
    expect(await runCommand(...args)).toMatchObject({
      code: 0,
      err: `5 packets written to ${output}\n`,
    })
    const seconds = readWritten(output).map((packet) => packet.seconds)
    expect(seconds).toHaveLength(5)
    expect(Math.max(...seconds)).toBeLessThan(START + 10)
  })

  test.each([
    [['host 10.0.0.1', '--count'], /nothing to search: give --dir/],
    [
      ['x.pcap', 'host 10.0.0.1'],
      /what to do with the packets found: give -w FILE, --count, --flows or --json/,
    ],
    [
      ['x.pcap', '--count', '--flows'],
      /--flows shows how many packets each flow has: leave out --count/,
    ],
    [['x.pcap', '--flows', '-w', '-'], /-w - and --flows cannot both write to standard output/],
    [['x.pcap', '--count', 'hots 10.0.0.1'], /hots/],
    [['x.pcap', '--count', '--since', 'yesterday'], /Give a time such as 10m ago/],
    [['x.pcap', '--count', '--since', '1m ago', '--until', '2m ago'], /--until is before --since/],
    [['x.pcap', '-w', 'x.pcap'], /x\.pcap/],
  ])('says in one line what is wrong with %s', async (args, says) => {
    const { code, out, err } = await runCommand('find', ...args)
    expect({ code: code > 0, out }).toEqual({ code: true, out: '' })
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
    expect(err).toMatch(says)
  })
})

test('what is found goes to standard output before the rest is read', async () => {
  const dns = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 40_000, dport: 53 }))
  const web = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 40_000, dport: 80 }))
  const frames = [dns, ...Array.from({ length: 20_000 }, () => web), dns]
  const path = join(temporaryDirectory(), 'x.pcap')
  writeFileSync(path, pcapFile(frames.map((frame, seconds) => ({ seconds, frame }))))
  const { code, pieces } = await runInPieces('find', path, 'port 53', '-w', '-')
  expect(code).toBe(0)
  expect(pieces.map((piece) => piece.length)).toEqual([24 + 16 + dns.length, 16 + dns.length])
})
