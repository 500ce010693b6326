import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { CaptureInput } from '../../src/pcap/capture-input.js'

const dir = mkdtempSync(join(tmpdir(), 'mirrortap-input-'))
afterAll(() => rmSync(dir, { recursive: true }))

const hasMkfifo = spawnSync('mkfifo', ['--version'], { stdio: 'ignore' }).error === undefined

describe('CaptureInput', () => {
  test('reads a regular file on from where it is', async () => {
    const path = join(dir, 'file')
    writeFileSync(path, 'abcdefghij')
    const input = await CaptureInput.open(path)
    expect(input).toMatchObject({ name: path, isFile: true })
    const block = Buffer.alloc(6, '.')
    expect(input.read(block, 2)).toBe(4)
    expect(block.toString()).toBe('..abcd')
    expect(input.read(block, 0)).toBe(6)
    expect(input.read(block, 0)).toBe(0)
    await input.close()
  })

  test.skipIf(!hasMkfifo)(
    'gives the octets of a pipe as they arrive, the first four together (needs mkfifo)',
    async () => {
      const path = join(dir, 'pipe')
      execFileSync('mkfifo', [path])
      // Opened for both, so that neither end waits for the other.
      const fd = openSync(path, 'r+')
      const input = await CaptureInput.open(path)
      expect(input.isFile).toBe(false)
      const pieces = input.pieces()
      const first = pieces.next()
      for (const octet of 'abcd') {
        writeSync(fd, octet)
        // Each of these turns of the event loop looks at the pipe.
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      }
      expect((await first).value?.toString()).toBe('abcd')
      for (const octet of 'ef') {
        const next = pieces.next()
        writeSync(fd, octet)
        expect((await next).value?.toString()).toBe(octet)
      }
      closeSync(fd)
      expect((await pieces.next()).done).toBe(true)
      await input.close()
    },
  )
})
