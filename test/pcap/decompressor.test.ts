import { spawnSync } from 'node:child_process'
import { crc32, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { compressionOf, Decompressor } from '../../src/pcap/decompressor.js'
import { Random } from '../support/random.js'
import { ticksOf } from '../support/ticks.js'
import { hasTool } from '../support/tools.js'

describe('compressionOf', () => {
  test.each([
    ['', 'none'],
    ['1f', 'none'],
    ['1f8b', 'gzip'],
    ['1f8b0800', 'gzip'],
    ['28b52f', 'none'],
    ['28b52ffd', 'zstd'],
    ['502a4d18', 'zstd'],
    ['5f2a4d18', 'zstd'],
    ['602a4d18', 'none'],
    ['d4c3b2a1', 'none'],
    ['0a0d0d0a', 'none'],
  ])('takes %s for %s', (head, compression) => {
    expect(compressionOf(Buffer.from(head, 'hex'))).toBe(compression)
  })
})

describe('Decompressor', () => {
  const plain = new Random(61).bytes(1000)
  const members = Buffer.concat([
    gzipSync(plain.subarray(0, 400)),
    gzipSync(Buffer.alloc(0)),
    gzipSync(plain.subarray(400)),
  ])

  interface Got {
    output: Buffer
    fault?: string
    hasTrailing?: true
  }

  async function decompress(pieces: Buffer[]): Promise<Got> {
    const output: Buffer[] = []
    const decompressor = new Decompressor('gzip', (piece) => void output.push(piece))
    let fault: Error | undefined
    for (const piece of pieces) fault ??= await decompressor.write(piece)
    fault ??= await decompressor.end()
    const all = Buffer.concat(output)
    return {
      output: all,
      ...(fault !== undefined && { fault: fault.message }),
      ...(decompressor.hasTrailing && { hasTrailing: true }),
    }
  }

  test('joins the members of a gzip file however they are cut in two', async () => {
    for (let cut = 0; cut <= members.length; cut++) {
      const got = await decompress([members.subarray(0, cut), members.subarray(cut)])
      expect(got.output.equals(plain), `cut at ${cut}`).toBe(true)
      expect(got.fault).toBeUndefined()
    }
  })

  test('joins small members, empty and wrong ones among large, however they come in pieces', async () => {
    const random = new Random(67)
    const parts = Array.from({ length: 120 }, (_, at) =>
      random.bytes(at % 37 === 0 ? 5000 : random.below(30)),
    )
    const all = Buffer.concat(parts.map((part) => gzipSync(part)))
    for (const length of [1, 7, 1000, all.length]) {
      const pieces: Buffer[] = []
      for (let at = 0; at < all.length; at += length) pieces.push(all.subarray(at, at + length))
      const got = await decompress(pieces)
      expect(got.output.equals(Buffer.concat(parts)), `in pieces of ${length}`).toBe(true)
      expect(got.fault).toBeUndefined()
    }
    const wrong = Buffer.concat([all, gzipSync('x').fill(0xff, 10, 12)])
    const got = await decompress([wrong])
    expect([got.output.equals(Buffer.concat(parts)), got.fault]).toEqual([
      true,
      'invalid block type',
    ])
  })

  test('has no stream for each of many small members', async () => {
    const members = 5000
    const file = Buffer.concat(new Array<Buffer>(members).fill(gzipSync('x')))
    const ticks = await ticksOf(async () => {
      expect((await decompress([file])).output.length).toBe(members)
    })
    expect(ticks).toBeLessThan(members / 10)
  })

  test('says of every proper prefix of a member that it ends early', async () => {
    const member = gzipSync(plain)
    for (let end = 1; end < member.length; end += 7) {
      const got = await decompress([member.subarray(0, end)])
      expect(got.fault, `cut at ${end}`).toBe('unexpected end of file')
      expect(plain.subarray(0, got.output.length).equals(got.output)).toBe(true)
    }
  })

  test('has given out all of a piece when write resolves', async () => {
    let octets = 0
    const decompressor = new Decompressor('gzip', (piece) => {
      octets += piece.length
    })
    const zeros = Buffer.alloc(10_000_000)
    await decompressor.write(gzipSync(zeros))
    expect(octets).toBe(zeros.length)
    expect(await decompressor.end()).toBeUndefined()
  })

  test('decompresses nothing more while a promise of onOutput is pending', async () => {
    let bytes = 0
    let isHeld = false
    const decompressor = new Decompressor('gzip', (piece) => {
      expect(isHeld).toBe(false)
      bytes += piece.length
      isHeld = true
      return new Promise((resolve) => {
        setImmediate(() => {
          isHeld = false
          resolve()
        })
      })
    })
    const file = gzipSync(Buffer.alloc(3_000_000))
    expect(await decompressor.write(Buffer.concat([file, file]))).toBeUndefined()
    expect(bytes).toBe(6_000_000)
    expect(await decompressor.end()).toBeUndefined()
  })

  test('rejects with what a promise of onOutput rejects with, and gives out nothing more', async () => {
    let pieces = 0
    const decompressor = new Decompressor('gzip', () => {
      pieces++
      return Promise.reject(new Error('ours'))
    })
    await expect(decompressor.write(gzipSync(Buffer.alloc(3_000_000)))).rejects.toThrow('ours')
    expect(pieces).toBe(1)
  })

  test('rejects with what onOutput throws', async () => {
    const decompressor = new Decompressor('gzip', () => {
      throw new Error('ours')
    })
    await expect(decompressor.write(members)).rejects.toThrow('ours')
    decompressor.destroy()
  })

  test.each([
    { name: 'bytes that begin nothing', tail: 'a1b2c3d4', hasTrailing: true },
    { name: 'one byte of a magic number', tail: '1f', hasTrailing: true },
    { name: 'text', tail: '74657874', hasTrailing: true },
    { name: 'zeros, then something', tail: '00000000000001', hasTrailing: true },
    { name: 'zeros', tail: '0000000000', hasTrailing: undefined },
  ])(
    'ignores $name after the last member, however it is cut in two',
    async ({ tail, hasTrailing }) => {
      const file = Buffer.concat([members, Buffer.from(tail, 'hex')])
      for (let cut = members.length - 12; cut <= file.length; cut++) {
        const got = await decompress([file.subarray(0, cut), file.subarray(cut)])
        expect(got.output.equals(plain), `cut at ${cut}`).toBe(true)
        expect(got.fault).toBeUndefined()
        expect(got.hasTrailing).toBe(hasTrailing)
      }
    },
  )

  test('says that a member begins that does not go on', async () => {
    for (const tail of ['1f8b', '1f8b08', '1f8b0800000000000003']) {
      const got = await decompress([members, Buffer.from(tail, 'hex')])
      expect([got.output.equals(plain), got.fault]).toEqual([true, 'unexpected end of file'])
    }
    const got = await decompress([members, Buffer.from('1f8b0700000000000003ffff', 'hex')])
    expect([got.output.equals(plain), got.fault]).toEqual([true, 'unknown compression method'])
  })

  test.each([
    { name: 'checksum', back: 8, fault: 'incorrect data check' },
    { name: 'length', back: 4, fault: 'incorrect length check' },
  ])('gives everything out where the $name is wrong', async ({ back, fault }) => {
    const file = Buffer.from(members)
    file[file.length - back]! ^= 1
    const got = await decompress([file])
    expect([got.output.equals(plain), got.fault]).toEqual([true, fault])
  })

  test('steps over every field that a header may have', async () => {
    const body = gzipSync(plain).subarray(10)
    const fields = [
      { flag: 0x04, octets: Buffer.concat([Buffer.from([5, 0]), Buffer.from('extra')]) },
      { flag: 0x08, octets: Buffer.from('name\0') },
      { flag: 0x10, octets: Buffer.from('a comment\0') },
    ]
    for (let chosen = 0; chosen < 16; chosen++) {
      const some = fields.filter((_, index) => (chosen & (1 << index)) !== 0)
      const header = Buffer.from('1f8b0800000000000003', 'hex')
      header[3] = some.reduce((flags, { flag }) => flags | flag, 0)
      let head = Buffer.concat([header, ...some.map(({ octets }) => octets)])
      if (chosen >= 8) {
        head[3]! |= 0x02
        const sum = crc32(head)
        head = Buffer.concat([head, Buffer.from([sum, sum >>> 8])])
      }
      for (let cut = 0; cut <= head.length; cut++) {
        const got = await decompress([head.subarray(0, cut), head.subarray(cut), body])
        expect([got.output.equals(plain), got.fault], `fields ${chosen}`).toEqual([true, undefined])
      }
      if (chosen < 8) continue
      head[head.length - 1]! ^= 1
      expect((await decompress([head, body])).fault).toBe('header crc mismatch')
    }
  })

  test.skipIf(!hasTool('gzip'))('gives at least what gzip(1) does of wrong bytes', async () => {
    const random = new Random(62)
    const text = Buffer.from(
      Array.from({ length: 400 }, () => `${random.below(50)} packets\n`).join(''),
    )
    const whole = Buffer.concat([gzipSync(text.subarray(0, 2000)), gzipSync(text.subarray(2000))])
    let damaged = 0
    for (let at = 2; at < whole.length; at += 11) {
      const file = Buffer.from(whole)
      file[at]! ^= 1 << random.below(8)
      const judge = spawnSync('gzip', ['-dc'], { input: file })
      const bytes = Array.from(file, (byte) => Buffer.from([byte]))
      const got = await decompress(bytes)
      // gzip's own reader invents bytes for a distance that leads before the beginning.
      if (got.fault === 'invalid distance too far back') continue
      const judged = got.output.subarray(0, judge.stdout.length)
      expect(judged.equals(judge.stdout), `at ${at}: ${got.fault}`).toBe(true)
      if (got.fault !== undefined) damaged++
      // 0: nothing wrong, 2: a warning. Header fields that change nothing are no damage to either.
      expect(got.fault === undefined, `at ${at}: ${judge.stderr}`).toBe(judge.status !== 1)
    }
    expect(damaged).toBeGreaterThan(30)
  })
})
