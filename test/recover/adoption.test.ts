import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { constants, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { compareCaptureNames, parseCaptureName } from '../../src/pcap/capture-name.js'
import type { CaptureFormat } from '../../src/pcap/capture-writer.js'
import { RotatingCapture } from '../../src/pcap/rotation.js'
import { adoptParts } from '../../src/recover/adoption.js'
import { BlockPool } from '../../src/sink/block-pool.js'
import { DirectoryLock, LOCK_NAME } from '../../src/sink/directory-lock.js'
import { FileSink } from '../../src/sink/file-sink.js'
import { openPartSync } from '../../src/sink/part-file.js'
import { captureSurroundings } from '../support/capture-surroundings.js'
import { lentPacket } from '../support/lent-packet.js'
import { put } from '../support/put.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { readWritten } from '../support/written-captures.js'

const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0
const hasGzip = spawnSync('gzip', ['--version']).status === 0
const hasProc = existsSync('/proc/self/fd')

const FORMATS = ['pcap', 'pcapng'] as const
const ROOT = join(import.meta.dirname, '../..')

/** A finished file of `count` small packets, as bytes. */
async function captureBytes(format: CaptureFormat, count: number, seed = 1): Promise<Buffer> {
  const directory = temporaryDirectory()
  const random = new Random(seed)
  const forever = Number.POSITIVE_INFINITY
  const capture = new RotatingCapture(
    {
      directory,
      format,
      snaplen: 0,
      rotateBytes: forever,
      rotateSeconds: forever,
      keepFiles: forever,
      keepBytes: forever,
      suffix: '',
    },
    { name: 's', linkType: 1, comment: '' },
    captureSurroundings(),
  )
  for (let run = 0; run < count; run++) {
    const frame = random.bytes(random.below(40))
    const time = { seconds: 1_795_199_640 + run, nanoseconds: run }
    capture.write(lentPacket(frame, time), frame.length, 60, undefined)
  }
  await capture.close()
  const [name] = readdirSync(join(directory, 's'))
  return readFileSync(join(directory, 's', name!))
}

describe('adoptParts', () => {
  test.each(FORMATS)(
    'keeps exactly the whole packets of every prefix of a %s file',
    async (format) => {
      const bytes = await captureBytes(format, 5)
      const directory = temporaryDirectory()
      for (let length = 0; length <= bytes.length; length++) {
        writeFileSync(join(directory, `${length}.${format}.part`), bytes.subarray(0, length))
      }
      const { adopted, removed, lostBytes, lines } = await adoptParts(directory)

      const whole = join(directory, `${bytes.length}.${format}`)
      const packets = readWritten(whole)
      expect(packets).toHaveLength(5)
      expect(readFileSync(whole).equals(bytes)).toBe(true)
      let last = 0
      let lost = 0
      for (let length = 0; length <= bytes.length; length++) {
        const path = join(directory, `${length}.${format}`)
        expect(existsSync(`${path}.part`)).toBe(false)
        if (!existsSync(path)) {
          expect(last).toBe(0)
          lost += length
          continue
        }
        const kept = readWritten(path)
        expect(kept).toEqual(packets.slice(0, kept.length))
        expect(kept.length - last === 0 || kept.length - last === 1).toBe(true)
        expect(length - statSync(path).size).toBeLessThan(140)
        last = kept.length
        lost += length - statSync(path).size
      }
      expect(last).toBe(5)
      expect(adopted + removed).toBe(bytes.length + 1)
      expect(adopted).toBe(readdirSync(directory).length)
      expect(lostBytes).toBe(lost)
      expect(lines).toHaveLength(bytes.length + 1)
      for (const line of lines) expect(line).toMatch(/^(adopted|removed) [^\n]*$/)
    },
  )

  test.each(FORMATS)('ends a %s file where a power failure left zeros', async (format) => {
    const bytes = await captureBytes(format, 7)
    const directory = temporaryDirectory()
    writeFileSync(join(directory, `x.${format}.part`), bytes)
    appendFileSync(join(directory, `x.${format}.part`), Buffer.alloc(4096 * 3 + 5))
    expect(await adoptParts(directory)).toEqual({
      adopted: 1,
      removed: 0,
      lostBytes: 4096 * 3 + 5,
      lines: [
        `adopted ${join(directory, `x.${format}`)}: 7 packets, 12293 bytes of a cut packet removed`,
      ],
    })
    expect(readFileSync(join(directory, `x.${format}`)).equals(bytes)).toBe(true)
  })

  test('takes the next free name and overwrites nothing', async () => {
    const bytes = await captureBytes('pcap', 1)
    const directory = temporaryDirectory()
    const taken = ['20260101T000000Z.w2.pcap', '20260101T000000Z-1.pcap', 'host-7.pcap']
    for (const name of taken) {
      writeFileSync(join(directory, name), 'mine')
      writeFileSync(join(directory, `${name}.part`), bytes)
    }
    expect((await adoptParts(directory)).adopted).toBe(3)
    expect(readdirSync(directory).sort()).toEqual(
      [...taken, '20260101T000000Z-1.w2.pcap', '20260101T000000Z-2.pcap', 'host-7-1.pcap'].sort(),
    )
    for (const name of taken) expect(readFileSync(join(directory, name), 'utf8')).toBe('mine')
  })

  test('leaves alone what it does not understand, and says so', async () => {
    const directory = temporaryDirectory()
    const strange = ['film.mp4.part', 'text.pcap.part', 'text.pcapng.gz.part', 'text.log.gz.part']
    for (const name of strange)
      writeFileSync(join(directory, name), 'not a capture at all\n'.repeat(9))
    symlinkSync(join(directory, 'film.mp4.part'), join(directory, 'link.pcap.part'))
    mkdirSync(join(directory, 'folder.pcap.part'))
    const before = readdirSync(directory).sort()
    const adoption = await adoptParts(directory)
    expect(adoption).toMatchObject({ adopted: 0, removed: 0, lostBytes: 0 })
    expect(adoption.lines).toHaveLength(strange.length)
    for (const line of adoption.lines) expect(line).toMatch(/^left [^\n]* alone: [^\n]*$/)
    expect(readdirSync(directory).sort()).toEqual(before)
  })

  test('finds nothing in a directory that is not there', async () => {
    expect(await adoptParts(join(temporaryDirectory(), 'none'))).toEqual({
      adopted: 0,
      removed: 0,
      lostBytes: 0,
      lines: [],
    })
  })

  test.skipIf(!hasProc)('leaves alone what a live process writes (needs /proc)', async () => {
    const directory = temporaryDirectory()
    const sink = new FileSink(openPartSync(join(directory, 'x.pcap'), 'refuse'), {
      pool: new BlockPool(Number.POSITIVE_INFINITY),
      limitBytes: Number.POSITIVE_INFINITY,
      onFailure: 'keep-whole',
      durable: true,
      headerUnits: 1,
    })
    const bytes = await captureBytes('pcap', 3)
    put(sink, bytes)
    put(sink, bytes)
    await sink.drained()
    expect((await adoptParts(directory)).lines).toEqual([
      `left ${join(directory, 'x.pcap.part')} alone: a process is writing it`,
    ])
    await sink.close()
    expect(statSync(join(directory, 'x.pcap')).size).toBe(2 * bytes.length)
  })

  test('leaves a directory alone that another process has locked, not one of its own', async () => {
    const directory = temporaryDirectory()
    const bytes = await captureBytes('pcap', 3)
    writeFileSync(join(directory, 'x.pcap.part'), bytes)
    const lock = new DirectoryLock(directory)
    const own = readFileSync(join(directory, LOCK_NAME), 'utf8')
    const other = spawn('sleep', ['60'])
    try {
      await once(other, 'spawn')
      const stat = existsSync('/proc/self/stat')
        ? readFileSync(`/proc/${other.pid}/stat`, 'utf8')
        : ''
      const started = stat.split(' ')[21] ?? ''
      const foreign = { ...JSON.parse(own), pid: other.pid, started }
      writeFileSync(join(directory, LOCK_NAME), JSON.stringify(foreign))
      expect((await adoptParts(directory)).lines).toEqual([
        `left ${directory} alone: process ${other.pid} is using it`,
      ])
    } finally {
      other.kill('SIGKILL')
    }
    writeFileSync(join(directory, LOCK_NAME), own)
    expect((await adoptParts(directory)).adopted).toBe(1)
    lock.release()
  })
})

describe('adoptParts of compressed files', () => {
  const LOG = Array.from({ length: 5000 }, (_, line) => `2 123456789012 eni-${line * 7919}\n`).join(
    '',
  )

  test.each([
    { name: 'x.log.gz', whole: async () => Buffer.from(LOG) },
    { name: 'x.pcap.gz', whole: () => captureBytes('pcap', 2000) },
    { name: 'x.pcapng.gz', whole: () => captureBytes('pcapng', 2000) },
  ])('compresses anew what is whole of $name', async ({ name, whole }) => {
    const text = await whole()
    const bytes = gzipSync(text)
    const directory = temporaryDirectory()
    const cut = Math.floor(bytes.length * 0.6)
    writeFileSync(join(directory, `${name}.part`), bytes.subarray(0, cut))
    writeFileSync(join(directory, `${name}.part.new`), 'of an adoption that was interrupted')
    const adoption = await adoptParts(directory)
    expect(readdirSync(directory)).toEqual([name])
    const kept = gunzipSync(readFileSync(join(directory, name)))
    const finishFlush = constants.Z_SYNC_FLUSH
    const readable = gunzipSync(bytes.subarray(0, cut), { finishFlush })
    expect(readable.length).toBeGreaterThan(text.length / 3)
    expect(adoption.lostBytes).toBe(readable.length - kept.length)
    expect(text.subarray(0, kept.length).equals(kept)).toBe(true)
    if (name.endsWith('.log.gz')) expect(kept.at(-1)).toBe(0x0a)
    expect(adoption.adopted).toBe(1)
    expect(adoption.lostBytes).toBeLessThan(100)
    if (hasGzip) execFileSync('gzip', ['-t', join(directory, name)])
  })

  test('loses nothing of a file that only lacked its name', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'x.log.gz.part'), gzipSync(LOG))
    expect(await adoptParts(directory)).toMatchObject({ adopted: 1, lostBytes: 0 })
    expect(gunzipSync(readFileSync(join(directory, 'x.log.gz'))).toString()).toBe(LOG)
  })

  test.each([
    ['conn.log.gz', '#separator \\x09\n#path\tconn\n1.5\tC1\n2.5\tC2\n3.5', 2],
    ['conn.log.gz', '#separator \\x09\n#path\tconn\n', 0],
    ['eve.json.gz', '{"event_type":"dns"}\n{"event_', 1],
    ['eve.json.gz', '{"event_', 0],
  ])('keeps the whole rows of an event log: %s', async (name, text, rows) => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, `${name}.part`), gzipSync(text))
    const { adopted, removed, lines } = await adoptParts(directory)
    expect([adopted, removed]).toEqual(rows > 0 ? [1, 0] : [0, 1])
    if (rows > 0) expect(lines[0]).toContain(`${name}: ${rows} record`)
  })

  test('removes a log without a record behind its first line', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'x.log.gz.part'), gzipSync('version account-id\n2 1234'))
    expect(await adoptParts(directory)).toMatchObject({ adopted: 0, removed: 1, lostBytes: 25 })
    expect(readdirSync(directory)).toEqual([])
  })
})

/** Writes numbered packets for ever, and says how many of them the system has. */
const WRITER = `
import { BlockPool } from './sink/block-pool.js'
import { FileBudget } from './sink/file-budget.js'
import { RotatingCapture } from './pcap/rotation.js'
import { Packet } from './wire/packet.js'

const [directory, format] = process.argv.slice(2)
const capture = new RotatingCapture(
  { directory, format, snaplen: 0, rotateBytes: 300_000, rotateSeconds: 60,
    keepFiles: Infinity, keepBytes: Infinity, suffix: '' },
  { name: 'killed', linkType: 1, comment: '' },
  { pool: new BlockPool(64), files: new FileBudget(64), share: () => 1, patience: () => Infinity,
    mayMakeDirectory: () => true, onProblem: console.error,
    onTakenBack: () => undefined, onLost: () => undefined })
const frame = Buffer.alloc(1400)
const packet = new Packet()
packet.bytes = frame
packet.originalLength = 1500
for (let number = 0; ; number++) {
  frame.writeUInt32BE(number)
  packet.end = 60 + (number * 7919) % 1340
  packet.seconds = 1_795_199_640 + (number >> 10)
  packet.nanoseconds = number & 1023
  if (!capture.write(packet, packet.end, packet.originalLength)) throw new Error('refused')
  if (number % 100 === 99) {
    await capture.drained()
    process.stdout.write(\`\${number + 1}\\n\`)
  }
}
`

describe('a process that is killed while it writes', () => {
  test.each(FORMATS)(
    'leaves every packet that the system had in whole %s files',
    async (format) => {
      const built = temporaryDirectory()
      writeFileSync(join(built, 'package.json'), '{"type":"module"}')
      writeFileSync(join(built, 'writer.js'), WRITER)
      const compile = '--ignoreConfig --target es2023 --module nodenext --types node --skipLibCheck'
      execFileSync(
        join(ROOT, 'node_modules/.bin/tsc'),
        [...compile.split(' '), '--rootDir', 'src', '--outDir', built, 'src/pcap/rotation.ts'],
        { cwd: ROOT },
      )

      const directory = temporaryDirectory()
      const child = spawn(process.execPath, [join(built, 'writer.js'), directory, format], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const closed = once(child, 'close')
      let flushed = 0
      for await (const line of createInterface(child.stdout)) {
        flushed = Number(line)
        if (flushed >= 2000 && !child.killed) child.kill('SIGKILL')
      }
      await closed
      expect(flushed).toBeGreaterThanOrEqual(2000)

      const at = join(directory, 'killed')
      // A closing file and the next one, as a rule one of them.
      const parts = readdirSync(at).filter((name) => name.endsWith('.part'))
      // What a kill in the midst of a write leaves, which is too rare to wait for.
      for (const part of parts) {
        if (statSync(join(at, part)).size > 0) appendFileSync(join(at, part), Buffer.alloc(5, 1))
      }
      const adoption = await adoptParts(directory)
      expect(adoption.adopted + adoption.removed, adoption.lines.join()).toBe(parts.length)

      const files = readdirSync(at).sort((a, b) =>
        compareCaptureNames(parseCaptureName(a)!, parseCaptureName(b)!),
      )
      const numbers = files.flatMap((name) =>
        readWritten(join(at, name)).map(({ frame }) => frame.readUInt32BE(0)),
      )
      expect(numbers.length).toBeGreaterThanOrEqual(flushed)
      expect(numbers).toEqual(numbers.map((_, index) => index))
      if (hasTcpdump) {
        for (const name of files) {
          const judged = spawnSync('tcpdump', ['-nn', '-r', join(at, name)])
          expect(judged.stderr.toString()).not.toMatch(/truncated|error|bad/)
          expect(judged.status).toBe(0)
        }
      }
    },
  )
})
