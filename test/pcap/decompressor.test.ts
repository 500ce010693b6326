import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { compressionOf, Decompressor } from '../../src/pcap/decompressor.js'
import { Random } from '../support/random.js'

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

  async function decompress(pieces: Buffer[]): Promise<{ output: Buffer; fault?: string }> {
    const output: Buffer[] = []
    const decompressor = new Decompressor('gzip', (piece) => output.push(piece))
    let fault: Error | undefined
    for (const piece of pieces) fault ??= await decompressor.write(piece)
    fault ??= await decompressor.end()
    const all = Buffer.concat(output)
    return fault === undefined ? { output: all } : { output: all, fault: fault.message }
  }

  test('joins the members of a gzip file however they are cut in two', async () => {
    for (let cut = 0; cut <= members.length; cut++) {
      const got = await decompress([members.subarray(0, cut), members.subarray(cut)])
      expect(got.output.equals(plain), `cut at ${cut}`).toBe(true)
      expect(got.fault).toBeUndefined()
    }
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

  test('rejects with what onOutput throws', async () => {
    const decompressor = new Decompressor('gzip', () => {
      throw new Error('ours')
    })
    await expect(decompressor.write(members)).rejects.toThrow('ours')
    decompressor.destroy()
  })
})
