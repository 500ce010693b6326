import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { readCaptures } from '../../src/pcap/capture-merge.js'
import type { ReadOptions } from '../../src/pcap/reader.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'

const T = 1_600_000_000

/** A packet whose frame says which it is. */
function shot(number: number, seconds: number, nanoseconds = 0): Shot {
  const frame = Buffer.alloc(60)
  frame.writeUInt32BE(number)
  return { frame, seconds: T + seconds, nanoseconds }
}

function write(files: readonly (readonly Shot[])[]): string[] {
  const dir = temporaryDirectory()
  return files.map((shots, index) => {
    const path = join(dir, `${index}.pcap`)
    writeFileSync(path, pcapFile(shots))
    return path
  })
}

interface Seen {
  number: number
  seconds: number
  nanoseconds: number
}

async function read(paths: readonly string[], options: ReadOptions = {}) {
  const seen: Seen[] = []
  const outcomes = await readCaptures(
    paths,
    ({ bytes, start, end, seconds, nanoseconds, originalLength, linkType, timed }) => {
      if (end - start !== 60 || originalLength !== 60 || linkType !== 1 || !timed) {
        throw new Error('the packet is not what it was')
      }
      const number = Buffer.from(bytes.subarray(start, start + 4)).readUInt32BE()
      seen.push({ number, seconds: seconds - T, nanoseconds })
    },
    options,
  )
  return { seen, numbers: seen.map(({ number }) => number), outcomes }
}

/** So many packets that they take many blocks of a file: 76 bytes each. */
const MANY = 20_000

describe('readCaptures', () => {
  test.each([
    { what: 'one after the other', order: [0, 1, 2] },
    { what: 'given backwards', order: [2, 1, 0] },
  ])('reads files $what in the order of time', async ({ order }) => {
    const files = [0, 1, 2].map((file) => [0, 1].map((at) => shot(file * 2 + at, file * 2 + at)))
    const paths = write(files)
    const { numbers, outcomes } = await read(order.map((file) => paths[file]!))
    expect(numbers).toEqual([0, 1, 2, 3, 4, 5])
    expect(outcomes.map(({ path }) => path)).toEqual(order.map((file) => paths[file]))
    expect(outcomes.map(({ summary }) => summary!.packets)).toEqual([2, 2, 2])
  })

  test('interleaves files that overlap, to the nanosecond, the first given first', async () => {
    const paths = write([
      [shot(0, 0), shot(3, 1, 2), shot(5, 9)],
      [shot(1, 1, 1), shot(2, 1, 1), shot(4, 1, 3)],
      [shot(6, 9)],
    ])
    expect((await read(paths)).numbers).toEqual([0, 1, 2, 3, 4, 5, 6])
  })

  test('begins a file in the middle of a long one, and goes on with that', async () => {
    const long = Array.from({ length: MANY }, (_, at) => shot(at * 2, at))
    const inner = Array.from({ length: 5000 }, (_, at) => shot(9001 + at * 2, 4500 + at, 1))
    const { seen, numbers } = await read(write([long, inner]))
    expect(numbers).toHaveLength(MANY + 5000)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    expect(
      seen.every(
        ({ seconds, nanoseconds }, at) =>
          nanoseconds === (numbers[at]! & 1) && seconds === numbers[at]! >> 1,
      ),
    ).toBe(true)
  })

  test.each([1, 2, 3])('loses nothing and puts all in order, seed %d', async (seed) => {
    const random = new Random(seed)
    const files: Shot[][] = Array.from({ length: 2 + random.below(8) }, () => [])
    let time = 0
    for (let number = 0; number < MANY; number++) {
      time += random.below(3)
      // Runs of one file, now and then: some files end early, some begin late.
      const file = files[random.below(1 + Math.floor((number / MANY) * files.length))]!
      for (let run = 1 + random.below(3); run > 0; run--) file.push(shot(0, time, number))
    }
    for (const shots of files) {
      shots.forEach(({ frame }, at) => {
        frame.writeUInt32BE(at)
        frame.writeUInt32BE(files.indexOf(shots), 4)
      })
    }
    const inAll = files.reduce((sum, shots) => sum + shots.length, 0)
    const { seen, outcomes } = await read(write(files))
    expect(seen).toHaveLength(inAll)
    expect(outcomes.map(({ summary }) => summary?.packets ?? 0)).toEqual(files.map((f) => f.length))
    const late = seen.findIndex(({ seconds, nanoseconds }, at) => {
      const before = seen[at - 1]
      if (before === undefined) return false
      return (
        seconds < before.seconds || (seconds === before.seconds && nanoseconds < before.nanoseconds)
      )
    })
    expect(late).toBe(-1)
  })

  test('keeps the order of a file that is out of order in itself', async () => {
    const paths = write([[shot(0, 5), shot(1, 1), shot(2, 6)], [shot(3, 7)]])
    expect((await read(paths)).numbers).toEqual([0, 1, 2, 3])
  })

  test('reads the others where some cannot be read, and uses what is before damage', async () => {
    const dir = temporaryDirectory()
    const [early, late] = write([[shot(1, 1)], [shot(2, 2), shot(3, 3)]]) as [string, string]
    const empty = join(dir, 'empty.pcap')
    writeFileSync(empty, '')
    const cut = join(dir, 'cut.pcap.gz')
    const whole = pcapFile([shot(4, 4), shot(5, 5)])
    writeFileSync(cut, gzipSync(whole.subarray(0, whole.length - 10)))
    const { numbers, outcomes } = await read([late, join(dir, 'none.pcap'), cut, empty, early])
    expect(numbers).toEqual([1, 2, 3, 4])
    expect(
      outcomes.map(({ summary, error }) => summary?.damage?.message ?? error?.message),
    ).toEqual([
      undefined,
      expect.stringContaining('does not exist'),
      expect.stringContaining('ends inside the record'),
      expect.stringContaining('empty.pcap'),
      undefined,
    ])
  })

  test('puts more files that overlap than it opens at a time in the order of time', async () => {
    const seed = 11
    const random = new Random(seed)
    const count = 140
    // Those that go on for long are read again and again while others come and go.
    const files = Array.from({ length: count }, (_, file) => {
      const times = [file, ...Array.from({ length: 119 }, () => file + random.below(600))]
      return times.sort((a, b) => a - b).map((time) => shot(file, time))
    })
    const expected = files
      .flatMap((shots, file) => shots.map(({ seconds }) => ({ file, seconds: seconds! - T })))
      .sort((a, b) => a.seconds - b.seconds || a.file - b.file)
    const most = { open: 0 }
    const { seen, outcomes } = await read(write(files), {
      afterBlock: () => {
        if (process.platform !== 'linux') return
        most.open = Math.max(most.open, readdirSync('/proc/self/fd').length)
      },
    })
    expect(
      seen.map(({ number, seconds }) => ({ file: number, seconds })),
      `seed ${seed}`,
    ).toEqual(expected)
    expect(outcomes.every(({ summary }) => summary?.packets === 120)).toBe(true)
    expect(most.open).toBeLessThan(200)
  })

  test('says in one line that the temporary directory cannot hold what overlaps', async () => {
    const paths = write(Array.from({ length: 70 }, (_, file) => [shot(file, file), shot(file, 99)]))
    vi.stubEnv('TMPDIR', join(temporaryDirectory(), 'none'))
    try {
      await expect(read(paths)).rejects.toThrow(/cannot hold packets .* ENOENT.*TMPDIR$/)
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('stops all files when it is told to', async () => {
    const files = [0, 1].map((file) => Array.from({ length: MANY }, (_, at) => shot(file, at)))
    let blocks = 0
    const { numbers, outcomes } = await read(write(files), {
      afterBlock: async () => ++blocks < 4,
    })
    expect(numbers.length).toBeLessThan(2 * MANY)
    expect(outcomes).toHaveLength(2)
    expect(blocks).toBe(4)
  })

  test('counts the bytes of all files', async () => {
    const paths = write([[shot(0, 0)], [shot(1, 1)]])
    const counts: number[] = []
    await read(paths, { afterBlock: (octets) => void counts.push(octets) })
    expect(counts).toEqual([100, 200])
  })

  test.each(['onPacket', 'afterBlock'])('rejects with what %s throws', async (where) => {
    const paths = write([0, 1].map((file) => [shot(file, 0), shot(file, 1)]))
    const bug = new Error('a bug')
    let calls = 0
    const fail = () => {
      if (++calls === 2) throw bug
    }
    const reading =
      where === 'onPacket' ? readCaptures(paths, fail) : read(paths, { afterBlock: fail })
    await expect(reading).rejects.toBe(bug)
  })

  test('reads compressed files that overlap by what they decompress to', async () => {
    // 8 files of 30 kB hold 24 MB each, all at the same time.
    const frame = Buffer.alloc(60_000)
    const dir = temporaryDirectory()
    const paths = Array.from({ length: 8 }, (_, index) => {
      const shots = Array.from({ length: 400 }, (_, at) => ({
        frame,
        seconds: T + at,
        nanoseconds: index,
      }))
      const path = join(dir, `${index}.pcap.gz`)
      writeFileSync(path, gzipSync(pcapFile(shots)))
      return path
    })
    let waiting = 0
    let mostWaiting = 0
    let packets = 0
    const outcomes = await readCaptures(
      paths,
      () => {
        packets++
        waiting -= frame.length
      },
      {
        onRead: () => {
          waiting += frame.length
          mostWaiting = Math.max(mostWaiting, waiting)
        },
      },
    )
    expect(packets).toBe(3200)
    expect(outcomes.map(({ summary }) => summary!.damage)).toEqual(paths.map(() => undefined))
    expect(mostWaiting).toBeLessThan(8 * 512 * 1024)
  })
})
