import { describe, expect, test } from 'vitest'
import { bindAddress, isFromPage, isLoopback } from '../../../src/api/http/loopback.js'
import { HeaderFields } from '../../../src/aws/protocol/request.js'

describe('isLoopback', () => {
  test.each(['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '0:0:0:0:0:0:0:1'])(
    '%s is',
    (address) => {
      expect(isLoopback(address)).toBe(true)
    },
  )
  test.each(['0.0.0.0', '::', '128.0.0.1', '10.0.0.1', '::ffff:10.0.0.1', '::2', 'localhost', ''])(
    '%s is not',
    (address) => {
      expect(isLoopback(address)).toBe(false)
    },
  )
})

describe('bindAddress', () => {
  test.each(['127.0.0.1', '::1', 'localhost'])('lets everybody in on %s', async (host) => {
    expect(isLoopback(await bindAddress(host, true))).toBe(true)
  })

  test.each(['0.0.0.0', '::', '192.0.2.1', '::ffff:10.0.0.1'])(
    'lets nobody in without a key on %s',
    async (host) => {
      await expect(bindAddress(host, true)).rejects.toMatchObject({
        name: 'OperatorError',
        exitCode: 2,
        message: expect.stringMatching(/^--no-auth would let everyone who can reach /),
      })
      expect(await bindAddress(host, false)).toBe(host)
    },
  )

  test('refuses what is no address', async () => {
    await expect(bindAddress('256.1.1.1', false)).rejects.toThrow(
      /^--api: there is no address for "256/,
    )
  })
})

describe('isFromPage', () => {
  test.each([
    { host: 'localhost', isPage: false },
    { host: 'LOCALHOST:4780', isPage: false },
    { host: '127.0.0.1:4780', isPage: false },
    { host: '[::1]:4780', isPage: false },
    { host: '127.0.0.1:4780', origin: 'http://127.0.0.1:4780', isPage: false },
    { host: '127.0.0.1:4780', origin: 'http://127.0.0.1:80', isPage: true },
    { host: '127.0.0.1:4780', origin: 'https://evil.example', isPage: true },
    { host: '127.0.0.1:4780', origin: 'null', isPage: true },
    // A name of the page's own that points here.
    { host: 'evil.example:4780', isPage: true },
    { host: 'localhost.evil.example', isPage: true },
    { host: '127.0.0.1.evil.example', isPage: true },
    { host: '', isPage: true },
    { host: '127.0.0.1:4780', referer: 'http://127.0.0.1:4780/a', isPage: false },
    { host: '127.0.0.1:4780', referer: 'http://127.0.0.1:47800/a', isPage: true },
    { host: '127.0.0.1:4780', referer: 'https://evil.example/', isPage: true },
    { host: '127.0.0.1:4780', 'sec-fetch-site': 'same-origin', isPage: false },
    { host: '127.0.0.1:4780', 'sec-fetch-site': 'cross-site', isPage: true },
    { host: '127.0.0.1:4780', 'sec-fetch-site': 'same-site', isPage: true },
    // Also when an address that was typed redirects here.
    { host: '127.0.0.1:4780', 'sec-fetch-site': 'none', isPage: true },
    { host: '127.0.0.1:4780', 'user-agent': 'Mozilla/5.0 (X11)', isPage: true },
    { host: '127.0.0.1:4780', 'user-agent': 'aws-cli/2.31.0', isPage: false },
  ])('$host $origin $referer $sec-fetch-site $user-agent: $isPage', ({ isPage, ...fields }) => {
    expect(isFromPage(new HeaderFields(Object.entries(fields).flat()))).toBe(isPage)
  })
})
