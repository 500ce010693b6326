import { report } from 'node:process'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { loadLibc } from '../../src/sys/libc.js'

/** libc.ts as it would be loaded elsewhere. */
async function loadElsewhere(platform: string, arch: string, failure?: object): Promise<string[]> {
  vi.resetModules()
  vi.doMock('node:process', () => ({ platform, arch }))
  vi.doMock('node:module', () => ({
    createRequire: () => () => {
      throw failure
    },
  }))
  const { loadLibc } = await import('../../src/sys/libc.js')
  const { chooseReceiver, openReceiver } = await import('../../src/receive/open.js')
  const { OperatorError } = await import('../../src/errors.js')
  expect(chooseReceiver('auto')).toBe('dgram')
  const options = {
    host: '127.0.0.1',
    port: 0,
    receiveBufferBytes: 65_536,
    reusePort: false,
    onDatagram: () => {},
    onError: () => {},
  }
  const receiver = await openReceiver('auto', options)
  await receiver.close()
  expect(receiver.name).toBe('dgram')

  const messages: string[] = []
  for (const attempt of [async () => loadLibc(), () => openReceiver('recvmmsg', options)]) {
    const error = await attempt().catch((error: unknown) => error)
    expect(error).toBeInstanceOf(OperatorError)
    messages.push((error as Error).message)
  }
  return messages
}

describe('loadLibc', () => {
  afterEach(() => {
    vi.doUnmock('node:process')
    vi.doUnmock('node:module')
    vi.resetModules()
  })

  test.each([
    [
      'no koffi',
      'linux',
      'x64',
      { code: 'MODULE_NOT_FOUND', message: "Cannot find module 'koffi'\nRequire stack:" },
      'receiving with recvmmsg needs the package koffi, which is not installed: run "npm install koffi"',
    ],
    [
      'a koffi for other machines',
      'linux',
      'arm64',
      { code: 'ERR_DLOPEN_FAILED', message: 'wrong ELF class\nsecond line' },
      'receiving with recvmmsg needs the package koffi, which does not load here (wrong ELF class)',
    ],
    [
      'another system',
      'darwin',
      'arm64',
      undefined,
      'receiving with recvmmsg works on Linux x64 and arm64 only, this is darwin arm64',
    ],
    [
      'another processor',
      'linux',
      's390x',
      undefined,
      'receiving with recvmmsg works on Linux x64 and arm64 only, this is linux s390x',
    ],
  ])('says in one line what to do: %s', async (_name, platform, arch, failure, message) => {
    expect(await loadElsewhere(platform, arch, failure)).toEqual([message, message])
  })
})

/** What glibc's malloc puts before each block. */
const MALLOC_HEAD_LEN = 16
const PAGE_LEN = 4096
const { header } = report!.getReport() as unknown as { header: { glibcVersionRuntime?: string } }

test.skipIf(header.glibcVersionRuntime === undefined)(
  'a large block is mapped by itself, however large one was that has been freed (needs glibc)',
  async () => {
    const { addressOf } = loadLibc()
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let round = 0; round < 20; round++) {
      Buffer.allocUnsafeSlow(30 << 20)
      collect()
      await setImmediate()
      // Larger than what others may have freed before, smaller than what was freed now.
      const block = Buffer.allocUnsafeSlow(28 << 20)
      expect(Number(addressOf(block)) % PAGE_LEN).toBe(MALLOC_HEAD_LEN)
    }
  },
)
