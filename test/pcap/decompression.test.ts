import { spawnSync } from 'node:child_process'
import { deflateRawSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { openDecompression, type ReadAgain } from '../../src/pcap/decompression.js'
import { Random } from '../support/random.js'
import { ticksOf } from '../support/ticks.js'
import { hasTool } from '../support/tools.js'

const PIECE = 16 * 1024

function piecesOf(file: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < file.length; at += PIECE) pieces.push(file.subarray(at, at + PIECE))
  return pieces
}

async function decompress(file: Buffer, readAgain: ReadAgain) {
  const output: Buffer[] = []
  const opened = openDecompression(
    'gzip',
    'the file',
    (piece) => void output.push(Buffer.from(piece)),
    readAgain,
  )
  let fault: Error | undefined
  for (const piece of piecesOf(file)) fault ??= await opened.write(piece)
  fault ??= await opened.end()
  opened.destroy()
  return { output: Buffer.concat(output), fault: fault?.message }
}

test('wrong bytes of a file are found in few steps', async () => {
  const header = Buffer.from('1f8b0800000000000003', 'hex')
  const blocks = deflateRawSync(new Random(64).bytes(60_000), { finishFlush: 2 })
  const file = Buffer.concat([header, blocks, Buffer.alloc(100, 0xff)])
  let length = 0
  const ticks = await ticksOf(async () => {
    const opened = openDecompression(
      'gzip',
      'the file',
      (piece) => {
        length += piece.length
      },
      () => [],
    )
    expect((await opened.write(file))?.message).toBe('invalid block type')
    opened.destroy()
  })
  expect(length).toBe(60_000)
  expect(ticks).toBeLessThan(file.length / 4)
})

describe.each(['a file', 'a pipe'])('gzip of %s', (kind) => {
  const readAgain = (file: Buffer): ReadAgain =>
    kind === 'a file' ? (length) => piecesOf(file.subarray(0, length)) : undefined
  const random = new Random(63)
  const text = Buffer.from(
    Array.from({ length: 60_000 }, () => `${random.below(5000)} packets\n`).join(''),
  )

  test('gives out everything before a block that is wrong', async () => {
    for (const length of [10, 3000, 100_000, text.length]) {
      const plain = text.subarray(0, length)
      // Z_SYNC_FLUSH: whole blocks that are not the last, behind them one of the type that there is not.
      const blocks = deflateRawSync(plain, { finishFlush: 2 })
      const header = Buffer.from('1f8b0800000000000003', 'hex')
      const file = Buffer.concat([header, blocks, Buffer.alloc(PIECE, 0xff)])
      const got = await decompress(file, readAgain(file))
      expect([got.output.equals(plain), got.fault]).toEqual([true, 'invalid block type'])
    }
  })

  test.skipIf(!hasTool('gzip'))(
    'gives out what gzip(1) does before wrong bytes, but for those of the very byte',
    async () => {
      const whole = gzipSync(text)
      let rescued = 0
      for (let at = 2000; at < whole.length; at += 9973) {
        const file = Buffer.from(whole)
        file.fill(0xff, at, at + 8)
        const judge = spawnSync('gzip', ['-dc'], { input: file, maxBuffer: 1 << 28 }).stdout
        const { output, fault } = await decompress(file, readAgain(file))
        expect(fault).toBeDefined()
        // Where the two tell damage at the same place; gzip goes on with a distance that leads nowhere.
        if (fault === 'invalid distance too far back') continue
        expect(judge.length - output.length, `at ${at}: ${fault}`).toBeLessThan(600)
        expect(output.subarray(0, judge.length).equals(judge.subarray(0, output.length))).toBe(true)
        rescued++
      }
      expect(rescued).toBeGreaterThan(5)
    },
  )
})
