import { describe, expect, test } from 'vitest'
import { parseHostPort } from '../../src/wire/host-port.js'

describe('parseHostPort', () => {
  test.each([
    ['10.0.0.5:4789', '10.0.0.5', 4789],
    ['[::1]:4789', '::1', 4789],
    ['[fe80::1%eth0]:1', 'fe80::1%eth0', 1],
    ['[::ffff:10.0.0.1]:65535', '::ffff:10.0.0.1', 65_535],
    ['localhost:80', 'localhost', 80],
    ['a_b-c.example.com.:443', 'a_b-c.example.com.', 443],
  ])('reads %s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port })
    expect(parseHostPort(text, { defaultPort: 9, isZeroAllowed: true })).toEqual({ host, port })
  })

  test.each(['10.0.0.5', '::1', '[::1]', 'name', 'fe80::1%eth0'])(
    'takes %s with a default port alone',
    (text) => {
      expect(parseHostPort(text)).toBeUndefined()
      const host = text.replaceAll(/[[\]]/g, '')
      expect(parseHostPort(text, { defaultPort: 4789 })).toEqual({ host, port: 4789 })
    },
  )

  test('takes port 0 where the kernel may choose one', () => {
    for (const text of ['127.0.0.1:0', '[::1]:0', 'localhost:00']) {
      expect(parseHostPort(text)).toBeUndefined()
      expect(parseHostPort(text, { isZeroAllowed: true })?.port).toBe(0)
    }
  })

  test.each([
    '',
    ':80',
    'host:',
    'host:65536',
    'host:-1',
    'host:1e3',
    'host:0x10',
    'host:99999999999',
    ' host:80',
    'host:80 ',
    'ho st:80',
    'host:80:90',
    '2001:db8::1:80:',
    '[host]:80',
    '[10.0.0.1]:80',
    '[::1:80',
    '::1]:80',
    '[]:80',
    '[::1%]:80',
    '[::1]80',
    '10.0.0.256:80',
    '10.0.0:80',
    'user@host:80',
    'http://host:80',
  ])('refuses %j, whatever is allowed', (text) => {
    expect(parseHostPort(text)).toBeUndefined()
    expect(parseHostPort(text, { defaultPort: 1, isZeroAllowed: true })).toBeUndefined()
  })
})
