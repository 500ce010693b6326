import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
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
    'gives the bytes of a pipe as they arrive, the first four together (needs mkfifo)',
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

  test.each([
    { name: 'a directory', path: dir, says: /^\S+ is a directory/ },
    { name: 'what is not there', path: join(dir, 'none'), says: /^\S+ does not exist/ },
  ])('refuses $name in one line', async ({ path, says }) => {
    await expect(CaptureInput.open(path)).rejects.toThrow(says)
  })

  // Its first page is of nobody, and the kernel answers EIO.
  test.skipIf(!existsSync('/proc/self/mem'))(
    'names the file that cannot be read on (needs /proc)',
    async () => {
      const says = /^\/proc\/self\/mem cannot be read: /
      const input = await CaptureInput.open('/proc/self/mem')
      expect(() => input.read(Buffer.alloc(8), 0)).toThrow(says)
      expect(() => input.readAt(Buffer.alloc(8), 0)).toThrow(says)
      await expect(input.head(8, () => false)).rejects.toThrow(says)
      await input.close()
    },
  )
})
