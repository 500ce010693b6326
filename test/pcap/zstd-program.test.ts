import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { hasZstdProgram, ZstdProgram } from '../../src/pcap/zstd-program.js'
import { Random } from '../support/random.js'

const missing = hasZstdProgram() ? '' : ' (needs zstd)'
const WHOLE = new Random(7).bytes(300_000)
const compressed = (): Buffer => execFileSync('zstd', ['-c', '-q'], { input: WHOLE })

describe.skipIf(missing !== '')(`ZstdProgram${missing}`, () => {
  test('hands over nothing while whoever takes the output wants no more', async () => {
    const got: Buffer[] = []
    let isHeld = false
    const program = new ZstdProgram(async (piece) => {
      expect(isHeld).toBe(false)
      got.push(Buffer.from(piece))
      isHeld = true
      await new Promise((resolve) => setImmediate(resolve))
      isHeld = false
    })
    expect(await program.write(compressed())).toBeUndefined()
    expect(await program.end()).toBeUndefined()
    expect(Buffer.concat(got).equals(WHOLE)).toBe(true)
    expect(program.hasTrailing).toBe(false)
  })

  const enough = new Error('enough')
  test.each([
    {
      how: 'throws',
      onOutput: (): void => {
        throw enough
      },
    },
    { how: 'rejects', onOutput: (): Promise<void> => Promise.reject(enough) },
  ])('passes on what its taker $how', async ({ onOutput }) => {
    const program = new ZstdProgram(onOutput)
    const whole = async (): Promise<unknown> =>
      (await program.write(compressed())) ?? (await program.end())
    await expect(whole()).rejects.toBe(enough)
  })

  test('says what zstd says of damage', async () => {
    const damaged = compressed()
    damaged.fill(0xff, 20, 60)
    const program = new ZstdProgram(() => undefined)
    const error = (await program.write(damaged)) ?? (await program.end())
    expect(error?.message).toMatch(/zstd|stdin/)
  })

  test('ends when it is destroyed', async () => {
    const program = new ZstdProgram(() => undefined)
    program.destroy()
    expect((await program.end())?.message).toBe('zstd ended with SIGTERM')
  })
})
