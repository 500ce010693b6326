import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { CaptureLoss } from '../../src/pcap/capture-loss.js'
import { compareCaptureNames, parseCaptureName } from '../../src/pcap/capture-name.js'
import type { CaptureFormat } from '../../src/pcap/capture-writer.js'
import {
  type CapturePolicy,
  type CaptureSurroundings,
  RotatingCapture,
} from '../../src/pcap/rotation.js'
import { BlockPool } from '../../src/sink/block-pool.js'
import { FileBudget } from '../../src/sink/file-budget.js'
import { captureSurroundings } from '../support/capture-surroundings.js'
import { FailingDisk } from '../support/failing-disk.js'
import { lentPacket } from '../support/lent-packet.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { readWritten, type WrittenPacket } from '../support/written-captures.js'

const hasCapinfos = spawnSync('capinfos', ['--version']).status === 0
const isRoot = process.getuid?.() === 0

const SESSION = { name: 'vni-5_192.0.2.1', linkType: 1, comment: 'VNI 5' }
const FOREVER = Number.POSITIVE_INFINITY
/** 2026-11-20 18:34:00 UTC. */
const T0 = 1795199640

function policy(directory: string, changes: Partial<CapturePolicy> = {}): CapturePolicy {
  return {
    directory,
    format: 'pcap',
    snaplen: 0,
    rotateBytes: FOREVER,
    rotateSeconds: FOREVER,
    keepFiles: FOREVER,
    keepBytes: FOREVER,
    suffix: '',
    ...changes,
  }
}

interface Rig {
  capture: RotatingCapture
  pool: BlockPool
  directory: string
  lines: string[]
  /** Packets that were taken and then lost. */
  takenBack(): number
  /** Packets that are in no file, by what kept them out. */
  losses: Partial<Record<CaptureLoss, number>>
  /** The finished files, oldest first. */
  files(): string[]
}

function rig(
  changes: Partial<CapturePolicy> = {},
  blocks = FOREVER,
  around: Partial<CaptureSurroundings> = {},
): Rig {
  const directory = changes.directory ?? temporaryDirectory()
  const pool = new BlockPool(blocks)
  const lines: string[] = []
  let takenBack = 0
  const losses: Partial<Record<CaptureLoss, number>> = {}
  const surroundings = captureSurroundings({
    pool,
    onProblem: (line) => lines.push(line),
    onTakenBack: (packets) => {
      takenBack += packets
    },
    onLost: (why, packets) => {
      losses[why] = (losses[why] ?? 0) + packets
    },
    ...around,
  })
  const capture = new RotatingCapture(policy(directory, changes), SESSION, surroundings)
  const at = join(directory, SESSION.name)
  return {
    capture,
    pool,
    directory: at,
    lines,
    losses,
    takenBack: () => takenBack,
    files: () => finished(at),
  }
}

function finished(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => parseCaptureName(name) !== undefined)
    .sort((a, b) => compareCaptureNames(parseCaptureName(a)!, parseCaptureName(b)!))
}

function parts(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith('.part'))
}

function packet(random: Random, seconds: number, length = 1 + random.below(300)): WrittenPacket {
  const frame = random.bytes(length)
  return {
    seconds,
    nanoseconds: random.below(1e9),
    originalLength: length + random.below(9),
    frame,
  }
}

function put(capture: RotatingCapture, it: WrittenPacket): boolean {
  const { frame, ...facts } = it
  return capture.write(lentPacket(frame, facts), frame.length, it.originalLength, undefined)
}

/** Frames as text: Buffers are compared byte by byte, slowly. */
function plain(packets: readonly WrittenPacket[]): unknown[] {
  return packets.map((it) => ({ ...it, frame: it.frame.toString('hex') }))
}

function readAll(directory: string): WrittenPacket[] {
  return finished(directory).flatMap((name) => readWritten(join(directory, name)))
}

describe('RotatingCapture', () => {
  test('writes into a directory that another worker makes at the same moment', async () => {
    const random = new Random(1)
    const directory = temporaryDirectory()
    const workers = ['.w0', '.w1', '.w2', '.w3'].map((suffix) => rig({ directory, suffix }))
    for (const { capture } of workers) expect(put(capture, packet(random, T0))).toBe(true)
    await Promise.all(workers.map(({ capture }) => capture.close()))
    expect(workers[0]!.files()).toHaveLength(workers.length)
    expect(workers.flatMap(({ lines }) => lines)).toEqual([])
  })

  test.each(
    [11, 12, 13, 14, 15, 16, 17, 18].map((seed) => ({
      seed,
      format: seed % 2 === 0 ? 'pcap' : 'pcapng',
    })),
  )(
    'loses nothing, keeps sizes and intervals whatever the settings, seed $seed, $format',
    async ({ seed, format }) => {
      const random = new Random(seed)
      const rotateBytes = random.pick([FOREVER, 200, 3000, 20_000])
      const rotateSeconds = random.pick([FOREVER, 1, 7, 60])
      const snaplen = random.pick([0, 100])
      const { capture, directory, lines } = rig({
        format: format as CaptureFormat,
        rotateBytes,
        rotateSeconds,
        snaplen,
      })
      const written: WrittenPacket[] = []
      let now = T0 + random.below(100)
      for (let run = 0; run < 400; run++) {
        now += random.below(10) === 0 ? random.below(30) : random.below(2)
        const it = packet(random, now)
        expect(put(capture, it)).toBe(true)
        if (snaplen > 0) it.frame = it.frame.subarray(0, snaplen)
        written.push(it)
        if (random.below(4) === 0) capture.tick(now)
        // Files are opened faster here than any disk closes them.
        if (random.below(6) === 0 || rotateBytes < 3000) await capture.drained()
      }
      await capture.close()

      expect(plain(readAll(directory))).toEqual(plain(written))
      const names = finished(directory)
      for (const name of names) {
        const packets = readWritten(join(directory, name))
        const size = statSync(join(directory, name)).size
        expect(packets.length).toBeGreaterThan(0)
        if (packets.length > 1) expect(size).toBeLessThanOrEqual(rotateBytes)
        if (rotateSeconds !== FOREVER) {
          const interval = Math.floor(packets[0]!.seconds / rotateSeconds)
          for (const { seconds } of packets)
            expect(Math.floor(seconds / rotateSeconds)).toBe(interval)
          expect(parseCaptureName(name)!.start).toBe(nameOf(interval * rotateSeconds))
        } else {
          expect(parseCaptureName(name)!.start).toBe(nameOf(packets[0]!.seconds))
        }
      }
      expect(readdirSync(directory)).toHaveLength(names.length)
      expect(lines).toEqual([])
      expect(capture.statistics).toEqual({
        files: names.length,
        packets: written.length,
        octets: names.reduce((sum, name) => sum + statSync(join(directory, name)).size, 0),
        lost: 0,
      })
    },
  )

  test.each(['pcap', 'pcapng'] as const)(
    'fills %s files up to the last byte allowed',
    async (format) => {
      const random = new Random(9)
      const fullest = new Set<number>()
      for (let rotateBytes = 480; rotateBytes < 600; rotateBytes += 4) {
        const { capture, directory, files } = rig({ format, rotateBytes })
        for (let run = 0; run < 12; run++) put(capture, packet(random, T0, 40))
        await capture.close()
        const sizes = files().map((name) => statSync(join(directory, name)).size)
        expect(Math.max(...sizes)).toBeLessThanOrEqual(rotateBytes)
        fullest.add(rotateBytes - Math.max(...sizes))
      }
      expect(fullest).toContain(0)
    },
  )

  test('names files by the interval, counts on for the same second, and marks a worker', async () => {
    const random = new Random(1)
    const timed = rig({ rotateSeconds: 60, suffix: '.w2' })
    put(timed.capture, packet(random, T0 + 59))
    await timed.capture.close()
    expect(timed.files()).toEqual(['20261120T183400Z.w2.pcap'])

    const again = rig({
      rotateSeconds: 60,
      rotateBytes: 1,
      suffix: '.w2',
      directory: join(timed.directory, '..'),
    })
    put(again.capture, packet(random, T0))
    put(again.capture, packet(random, T0 + 1))
    await again.capture.close()
    expect(again.files()).toEqual([
      '20261120T183400Z.w2.pcap',
      '20261120T183400Z-1.w2.pcap',
      '20261120T183400Z-2.w2.pcap',
    ])
  })

  test('keeps a packet that comes late by its time in the open file', async () => {
    const random = new Random(2)
    const { capture, directory, files } = rig({ rotateSeconds: 60 })
    const order = [T0 + 59, T0 + 60, T0 + 59, T0 + 61].map((seconds) => packet(random, seconds))
    for (const it of order) put(capture, it)
    await capture.close()
    expect(files()).toEqual(['20261120T183400Z.pcap', '20261120T183500Z.pcap'])
    expect(plain(readAll(directory))).toEqual(plain(order))
    expect(readWritten(join(directory, files()[1]!))).toHaveLength(3)
  })

  test('ends a file in silence once its interval is over, and makes no empty ones', async () => {
    const random = new Random(3)
    const { capture, directory, files } = rig({ rotateSeconds: 60 })
    capture.tick(T0)
    put(capture, packet(random, T0 + 10))
    await capture.drained()
    expect(parts(directory)).toEqual(['20261120T183400Z.pcap.part'])
    capture.tick(T0 + 60)
    await capture.drained()
    expect(files()).toEqual([])
    capture.tick(T0 + 61)
    await capture.drained()
    expect(files()).toEqual(['20261120T183400Z.pcap'])
    for (let now = T0 + 62; now < T0 + 400; now++) capture.tick(now)
    await capture.close()
    expect(readdirSync(directory)).toEqual(['20261120T183400Z.pcap'])
  })

  test('does not keep a file open for a clock that was set back', async () => {
    const random = new Random(4)
    const { capture, files } = rig({ rotateSeconds: 60 })
    put(capture, packet(random, T0 + 3600))
    capture.tick(T0)
    put(capture, packet(random, T0))
    await capture.close()
    expect(files()).toEqual(['20261120T183400Z.pcap', '20261120T193400Z.pcap'])
  })

  test('puts packets after one from the future, and after a step back, in files of their own time', async () => {
    const random = new Random(4)
    const { capture, files } = rig({ rotateSeconds: 60 })
    for (const second of [T0, T0 + 3600, T0 + 1, T0 + 2]) put(capture, packet(random, second))
    capture.tick(T0 + 2)
    for (const second of [T0 - 600, T0 - 599]) put(capture, packet(random, second))
    await capture.close()
    expect(files()).toEqual([
      '20261120T182400Z.pcap',
      '20261120T183400Z.pcap',
      '20261120T183400Z-1.pcap',
      '20261120T193400Z.pcap',
    ])
  })

  test('begins few files for packets of two clocks in turn, and keeps them all', async () => {
    const random = new Random(4)
    const { capture, files } = rig({ rotateSeconds: 60 })
    for (let index = 0; index < 500; index++) {
      put(capture, packet(random, T0))
      put(capture, packet(random, T0 + 3600))
    }
    await capture.close()
    expect(capture.statistics).toMatchObject({ packets: 1000, lost: 0 })
    expect(files().length).toBeLessThan(5)
  })

  test('hands a quiet session to the system every tick and holds no block for it', async () => {
    const random = new Random(5)
    const { capture, pool, directory } = rig()
    const it = packet(random, T0)
    put(capture, it)
    expect(pool.usedBytes).toBeGreaterThan(0)
    capture.tick(T0 + 1)
    // `drained` would send the block on its way by itself.
    while (pool.usedBytes > 0) await new Promise((resolve) => setImmediate(resolve))
    expect(readWritten(join(directory, parts(directory)[0]!))).toEqual([it])
    await capture.close()
  })

  test('makes its directory again when someone has removed it', async () => {
    const random = new Random(6)
    const { capture, directory, files } = rig({ rotateSeconds: 60 })
    put(capture, packet(random, T0))
    capture.tick(T0 + 61)
    await capture.drained()
    rmSync(directory, { recursive: true })
    put(capture, packet(random, T0 + 61))
    await capture.close()
    expect(files()).toEqual(['20261120T183500Z.pcap'])
  })

  test('writes over no file that is there', async () => {
    const directory = temporaryDirectory()
    const at = join(directory, SESSION.name)
    mkdirSync(at)
    writeFileSync(join(at, '20261120T183400Z.pcap'), 'mine')
    writeFileSync(join(at, '20261120T183400Z-1.pcap.part'), 'mine too')
    const { capture, files } = rig({ directory })
    put(capture, packet(new Random(7), T0))
    await capture.close()
    expect(files()).toEqual(['20261120T183400Z.pcap', '20261120T183400Z-2.pcap'])
    expect(statSync(join(at, '20261120T183400Z.pcap')).size).toBe(4)
    expect(statSync(join(at, '20261120T183400Z-1.pcap.part')).size).toBe(8)
  })

  test.skipIf(!hasCapinfos).each(['pcap', 'pcapng'] as const)(
    'writes %s files that others read (needs capinfos)',
    async (format) => {
      const random = new Random(8)
      const { capture, directory, files } = rig({ format, rotateBytes: 5000 })
      for (let run = 0; run < 50; run++) put(capture, packet(random, T0 + run))
      await capture.close()
      expect(files().length).toBeGreaterThan(1)
      let packets = 0
      for (const name of files()) {
        const told = execFileSync('capinfos', ['-c', '-M', '-T', '-r', join(directory, name)], {
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        packets += Number(told.toString().trim().split('\t')[1])
      }
      expect(packets).toBe(50)
    },
  )
})

describe('retention of a RotatingCapture', () => {
  function leaveOld(directory: string, names: readonly string[]): void {
    mkdirSync(join(directory, SESSION.name), { recursive: true })
    for (const name of names) writeFileSync(join(directory, SESSION.name, name), Buffer.alloc(100))
  }

  test('keeps so many files, deletes the oldest first, those of earlier runs included', async () => {
    const directory = temporaryDirectory()
    leaveOld(directory, [
      '20250101T000000Z-10.pcap',
      '20250101T000000Z-9.pcap',
      '20250101T000000Z.pcap',
      '20250101T000000Z.w1.pcapng',
      'notes.txt',
      '20240101T000000Z.pcap.part',
    ])
    const random = new Random(1)
    const { capture, directory: at } = rig({ directory, rotateSeconds: 60, keepFiles: 4 })
    await capture.drained()
    for (const minute of [0, 1]) put(capture, packet(random, T0 + 60 * minute))
    await capture.close()
    expect(readdirSync(at).sort()).toEqual([
      '20240101T000000Z.pcap.part',
      '20250101T000000Z-10.pcap',
      '20250101T000000Z-9.pcap',
      '20261120T183400Z.pcap',
      '20261120T183500Z.pcap',
      'notes.txt',
    ])
  })

  test('keeps so many bytes, and never deletes the open file', async () => {
    const directory = temporaryDirectory()
    leaveOld(directory, ['20250101T000000Z.pcap', '20250102T000000Z.pcap', '20250103T000000Z.pcap'])
    // Of the file that goes, so that it goes too.
    leaveOld(directory, ['20250101T000000Z.pcap.idx'])
    const { capture, directory: at } = rig({ directory, keepBytes: 250 })
    await capture.drained()
    expect(readdirSync(at).sort()).toEqual(['20250102T000000Z.pcap', '20250103T000000Z.pcap'])
    put(capture, packet(new Random(2), T0, 1000))
    await capture.drained()
    expect(parts(at)).toHaveLength(1)
    await capture.close()
    expect(readdirSync(at)).toEqual([])
  })

  test('leaves the files of other workers to them', async () => {
    const directory = temporaryDirectory()
    leaveOld(directory, ['20250101T000000Z.w1.pcap', '20250101T000000Z.w2.pcap'])
    const { capture, files } = rig({ directory, keepFiles: 1, suffix: '.w2' })
    put(capture, packet(new Random(3), T0))
    await capture.close()
    expect(files()).toEqual(['20250101T000000Z.w1.pcap', '20261120T183400Z.w2.pcap'])
  })
})

describe('a RotatingCapture on a disk that fails', () => {
  test('finishes the file at its last whole packet, says so once, and goes on when there is room', async () => {
    const disk = new FailingDisk()
    const random = new Random(1)
    const { capture, pool, directory, files, lines } = rig({ rotateSeconds: 60 })
    const written = Array.from({ length: 100 }, () => packet(random, T0, 100))
    // The header, 60 packets and half of one.
    disk.room = 24 + 60 * 116 + 58
    for (const it of written) expect(put(capture, it)).toBe(true)
    capture.tick(T0 + 1)
    await capture.drained()
    expect(put(capture, packet(random, T0 + 1))).toBe(false)
    await capture.drained()
    expect(files()).toEqual(['20261120T183400Z.pcap'])
    expect(plain(readAll(directory))).toEqual(plain(written.slice(0, 60)))
    expect(capture.statistics).toEqual({ files: 1, packets: 60, octets: 24 + 60 * 116, lost: 41 })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/lost to its capture: cannot write .*no space left.*\(ENOSPC\)$/)
    expect(lines[0]).not.toContain('\n')

    for (let second = 2; second <= 11; second++) {
      capture.tick(T0 + second)
      expect(put(capture, packet(random, T0 + second))).toBe(false)
    }
    capture.tick(T0 + 12)
    // Still full: the attempt fails, nobody is told again.
    put(capture, packet(random, T0 + 12))
    capture.tick(T0 + 13)
    await capture.drained()
    capture.tick(T0 + 14)
    await capture.drained()
    expect(readdirSync(directory)).toHaveLength(1)
    expect(capture.statistics).toMatchObject({ packets: 60, lost: 52 })
    expect(lines).toHaveLength(1)

    disk.room = FOREVER
    for (let second = 15; second < 50; second++) capture.tick(T0 + second)
    // Nothing was lost for long, but nothing was written either.
    expect(lines).toHaveLength(1)
    const after = packet(random, T0 + 50)
    expect(put(capture, after)).toBe(true)
    for (let second = 50; second < 55; second++) {
      capture.tick(T0 + second)
      await capture.drained()
    }
    await capture.close()
    expect(plain(readAll(directory))).toEqual(plain([...written.slice(0, 60), after]))
    expect(capture.statistics).toMatchObject({ files: 2, packets: 61, lost: 52 })
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatch(/captured again; \d+ were lost$/)
    expect(pool.usedBytes).toBe(0)
  })

  test('removes a file of which no packet was written', async () => {
    const disk = new FailingDisk()
    disk.room = 30
    const { capture, directory } = rig()
    put(capture, packet(new Random(2), T0, 100))
    await capture.close()
    expect(readdirSync(directory)).toEqual([])
    expect(capture.statistics).toEqual({ files: 0, packets: 0, octets: 0, lost: 1 })
  })

  test('counts what a slow disk cannot take, and keeps the order of the rest', async () => {
    const disk = new FailingDisk()
    const random = new Random(3)
    const { capture, pool, directory, lines } = rig({}, 4)
    const taken: WrittenPacket[] = []
    let refused = 0
    const offer = (count: number): void => {
      for (let run = 0; run < count; run++) {
        const it = packet(random, T0, 9000)
        if (put(capture, it)) taken.push(it)
        else refused++
      }
    }
    disk.isHeld = true
    offer(120)
    expect(refused).toBeGreaterThan(0)
    expect(pool.usedBytes).toBeLessThanOrEqual(4 * 256 * 1024)
    capture.tick(T0 + 1)
    capture.tick(T0 + 2)
    expect(lines).toEqual([expect.stringMatching(/does not take them fast enough$/)])
    disk.isHeld = false
    await capture.drained()
    offer(20)
    await capture.close()
    expect(plain(readAll(directory))).toEqual(plain(taken))
    expect(capture.statistics).toMatchObject({ packets: taken.length, lost: refused })
    expect(pool.usedBytes).toBe(0)
  })

  test('leaves out packets of another link type, says so once, and blames no disk', async () => {
    const { capture, lines, losses, directory, files } = rig()
    const random = new Random(31)
    expect(put(capture, packet(random, 100))).toBe(true)
    for (let count = 0; count < 3; count++) {
      const { frame } = packet(random, 100)
      const raw = lentPacket(frame, { seconds: 100, linkType: 101 })
      expect(capture.write(raw, frame.length, frame.length, undefined)).toBe(false)
      capture.tick(101 + count)
    }
    await capture.close()
    expect(capture.statistics).toMatchObject({ packets: 1, lost: 0 })
    expect(losses).toEqual({ 'link-type': 3 })
    expect(files().map((name) => readdirSync(directory).includes(name))).toEqual([true])
    expect(lines).toEqual([
      `${SESSION.name}: packets of RAW (101) are left out of its captures, which hold ETHERNET (1)`,
    ])
  })

  test('leaves no file behind for a packet there was never room for', async () => {
    const { capture, pool, directory } = rig({}, 1)
    for (let block = 0; block < 16; block++) pool.take(1, false)
    expect(put(capture, packet(new Random(4), T0))).toBe(false)
    await capture.close()
    expect(readdirSync(directory)).toEqual([])
    expect(capture.statistics).toEqual({ files: 0, packets: 0, octets: 0, lost: 1 })
  })

  test('does not change files for a packet there is no room for', async () => {
    const { capture, pool, directory } = rig({ rotateBytes: 10 }, 1)
    for (let block = 0; block < 16; block++) pool.take(1, false)
    for (let run = 0; run < 3; run++) put(capture, packet(new Random(4), T0))
    await capture.drained()
    expect(readdirSync(directory)).toEqual(['20261120T183400Z.pcap.part'])
  })

  test('does not stop the process where the directory cannot be made', async () => {
    const directory = join(temporaryDirectory(), 'file')
    writeFileSync(directory, '')
    const { capture, lines, takenBack } = rig({ directory, keepFiles: 3 })
    // Nobody asks the disk before: they are taken, and lost when it says no.
    for (let run = 0; run < 3; run++) expect(put(capture, packet(new Random(5), T0))).toBe(true)
    await capture.close()
    expect(capture.statistics).toMatchObject({ packets: 0, lost: 3 })
    expect(takenBack()).toBe(3)
    expect(lines.filter((line) => line.includes('lost to its capture'))).toHaveLength(1)
  })

  test('says which file could not be given its name, whose packets are there all the same', async () => {
    const { capture, directory, lines } = rig({ rotateSeconds: 60 })
    put(capture, packet(new Random(7), T0))
    await capture.drained()
    const [part] = parts(directory)
    mkdirSync(join(directory, part!.replace('.part', ''), 'in the way'), { recursive: true })
    await capture.close()
    expect(lines).toEqual([
      expect.stringContaining(
        `${part} is left as it is, for the next start to finish: cannot write`,
      ),
    ])
    expect(parts(directory)).toEqual([part])
    expect(readWritten(join(directory, part!))).toHaveLength(1)
    expect(capture.statistics).toMatchObject({ files: 0, packets: 1, lost: 0 })
  })

  test.skipIf(!isRoot)(
    'survives a file system that is really full (needs root, mounts a tmpfs)',
    async ({ skip }) => {
      const directory = temporaryDirectory()
      const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory])
      if (mount.status !== 0) skip(`mount: ${mount.stderr}`)
      try {
        const random = new Random(6)
        const { capture, directory: at, lines } = rig({ directory, rotateBytes: 50_000 })
        const taken: WrittenPacket[] = []
        for (let run = 0; run < 400; run++) {
          const it = packet(random, T0 + run, 1000)
          if (put(capture, it)) taken.push(it)
          if (run % 10 === 0) {
            capture.tick(T0)
            await capture.drained()
          }
        }
        await capture.close()
        const kept = readAll(at)
        expect(kept.length).toBeGreaterThan(150)
        expect(plain(kept)).toEqual(plain(taken.slice(0, kept.length)))
        expect(capture.statistics).toMatchObject({ packets: kept.length, lost: 400 - kept.length })
        expect(parts(at)).toEqual([])
        expect(lines).toHaveLength(1)
      } finally {
        spawnSync('umount', [directory])
      }
    },
  )
})

function nameOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/[-:]|\.000/g, '')
}

describe('a RotatingCapture that shares a budget of files', () => {
  test('opens none while too many are open, counts what it loses, and asks again', async () => {
    const files = new FileBudget(4)
    files.tryTake()
    files.tryTake()
    const { capture, lines, losses, directory } = rig({}, FOREVER, { files, share: () => 0.5 })
    const random = new Random(41)
    for (let count = 0; count < 5; count++) expect(put(capture, packet(random, T0))).toBe(false)
    expect(losses).toEqual({ 'no-file': 5 })
    expect(files.isShort).toBe(true)
    expect(lines).toEqual([
      `packets of ${SESSION.name} are lost to its capture: as many files are open as may be`,
    ])
    files.give()
    capture.tick(T0 + 1)
    capture.tick(T0 + 2)
    expect(put(capture, packet(random, T0 + 2))).toBe(true)
    expect(files.used).toBe(2)
    await capture.close()
    expect(files.used).toBe(1)
    expect(readAll(directory)).toHaveLength(1)
    expect(capture.statistics).toMatchObject({ packets: 1, lost: 5 })
  })

  test.each([51, 52, 53])(
    'never has more files than that, and loses nothing when all rotate at once, seed %d',
    async (seed) => {
      const random = new Random(seed)
      const directory = temporaryDirectory()
      const files = new FileBudget(3)
      const pool = new BlockPool(FOREVER)
      const captures = [1, 2, 3].map((number) => {
        const session = { ...SESSION, name: `vni-${number}` }
        const surroundings = captureSurroundings({ pool, files })
        return new RotatingCapture(policy(directory, { rotateSeconds: 1 }), session, surroundings)
      })
      const written = captures.map((): WrittenPacket[] => [])
      let most = 0
      for (let second = 0; second < 10; second++) {
        for (const [index, capture] of captures.entries()) {
          const it = packet(random, T0 + second)
          expect(put(capture, it)).toBe(true)
          written[index]!.push(it)
        }
        const open = openFiles(directory)
        most = Math.max(most, open)
        if (random.below(3) === 0) await Promise.all(captures.map((capture) => capture.drained()))
      }
      await Promise.all(captures.map((capture) => capture.close()))
      expect(most).toBeLessThanOrEqual(3)
      expect(files.used).toBe(0)
      for (const [index, packets] of written.entries()) {
        expect(plain(readAll(join(directory, `vni-${index + 1}`)))).toEqual(plain(packets))
      }
    },
  )

  test('ends a file that is idle when others want one, and goes on in another', async () => {
    const files = new FileBudget(1)
    const { capture, directory } = rig({}, FOREVER, { files, patience: () => 3 })
    const random = new Random(61)
    put(capture, packet(random, T0))
    for (let second = 1; second < 10; second++) capture.tick(T0 + second)
    expect(files.used).toBe(1)
    files.tryTake()
    capture.tick(T0 + 10)
    await capture.drained()
    expect(files.used).toBe(0)
    expect(put(capture, packet(random, T0 + 11))).toBe(true)
    files.tryTake()
    for (let second = 11; second < 14; second++) {
      expect(put(capture, packet(random, T0 + second))).toBe(true)
      capture.tick(T0 + second)
    }
    await capture.close()
    expect(finished(directory)).toHaveLength(2)
    expect(readAll(directory)).toHaveLength(5)
  })

  test('makes no directory that it may not make, counts what it loses, and asks again', async () => {
    let mayMake = false
    const { capture, lines, losses, directory, takenBack } = rig({}, FOREVER, {
      mayMakeDirectory: () => mayMake,
    })
    const random = new Random(71)
    expect(put(capture, packet(random, T0))).toBe(true)
    await capture.drained()
    for (let second = 1; second <= 5; second++) {
      capture.tick(T0 + second)
      expect(put(capture, packet(random, T0 + second))).toBe(false)
    }
    await capture.drained()
    expect(takenBack()).toBe(1)
    expect(losses).toEqual({ 'no-directory': 6 })
    expect(existsSync(directory)).toBe(false)
    mayMake = true
    for (let second = 6; second <= 16; second++) capture.tick(T0 + second)
    expect(put(capture, packet(random, T0 + 16))).toBe(true)
    await capture.close()
    expect(readAll(directory)).toHaveLength(1)
    expect(lines).toEqual([
      `packets of ${SESSION.name} are lost to its capture: unknown sessions have made too many new directories`,
    ])
  })
})

/** Files below a directory that this process has open. */
function openFiles(directory: string): number {
  const fds = '/proc/self/fd'
  if (!existsSync(fds)) return 0
  return readdirSync(fds).filter((fd) => {
    try {
      return readlinkSync(join(fds, fd)).startsWith(directory)
    } catch {
      return false
    }
  }).length
}
