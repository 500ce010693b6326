import { afterEach, describe, expect, test, vi } from 'vitest'

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
