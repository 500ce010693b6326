import { describe, expect, test } from 'vitest'
import { parseBanner } from '../../src/application/banner.js'
import { parseHttp } from '../../src/application/http.js'
import { ApplicationRun, CLIENT, segments, syn } from './application-run.js'

const REQUEST = Buffer.from(
  'GET /index.html?q=1 HTTP/1.1\r\nAccept: */*\r\nhost:  www.example.com \r\nUser-Agent: curl/8.0\r\nReferer: http://a/\r\n\r\n',
)
const RESPONSE = Buffer.from(
  'HTTP/1.1 404 Not Found\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 12\r\n\r\n<html></html>',
)

const whole = (bytes: Buffer, isAll = false) => parseHttp(bytes, 0, bytes.length, isAll)

describe('heads of HTTP', () => {
  test('of requests say method, target and host', () => {
    expect(whole(REQUEST)).toEqual({
      type: 'request',
      method: 'GET',
      target: '/index.html?q=1',
      version: '1.1',
      host: 'www.example.com',
      userAgent: 'curl/8.0',
      referrer: 'http://a/',
      hasPassword: false,
    })
  })

  test('of responses say status and type', () => {
    expect(whole(RESPONSE)).toEqual({
      type: 'response',
      version: '1.1',
      status: 404,
      reason: 'Not Found',
      contentType: 'text/html',
    })
  })

  test('that are cut go on, and at the end say what was there', () => {
    for (let end = 5; end < REQUEST.length - 1; end++) {
      expect(whole(REQUEST.subarray(0, end)), `${end} bytes`).toBe('more')
      const head = whole(REQUEST.subarray(0, end), true)
      if (head !== undefined) expect(head).toMatchObject({ method: 'GET' })
    }
    expect(whole(REQUEST.subarray(0, 75), true)).toMatchObject({ host: 'www.example.com' })
  })

  test.each([
    'SSH-2.0-x\r\n',
    'GETX',
    'GET  / HTTP/1.1\r\n\r\n',
    'get / HTTP/1.1\r\n\r\n',
    'HTTP/x\r\n\r\n',
  ])('are not taken from %j', (text) => {
    expect(whole(Buffer.from(text))).toBeUndefined()
  })

  test('in three segments, and of later requests on the same connection, are told with their place', () => {
    const run = new ApplicationRun()
    const from = { ...CLIENT, dport: 80 }
    run.read(syn(from))
    for (const frame of segments(REQUEST, 40, from)) run.read(frame)
    for (const frame of segments(REQUEST, 5000, from, 90_000)) run.read(frame)
    expect(run.told).toMatchObject([
      { kind: 'http', head: { host: 'www.example.com' }, sequence: 1000 },
      { kind: 'http', head: { host: 'www.example.com' }, sequence: 90_000 },
    ])
  })
})

describe('banners', () => {
  const banner = (text: string, isAll = false, port = 40_000) =>
    parseBanner(Buffer.from(text), 0, Buffer.byteLength(text), isAll, port)

  test('of SSH and SMTP are their first lines', () => {
    expect(banner('SSH-2.0-OpenSSH_9.6\r\n\0\0')).toEqual({
      type: 'ssh',
      text: 'SSH-2.0-OpenSSH_9.6',
    })
    expect(banner('220 mx.example.com ESMTP ready\r\n')).toEqual({
      type: 'smtp',
      text: '220 mx.example.com ESMTP ready',
    })
  })

  test('of SMTP need not say so where its port does', () => {
    const text = '220 relay.example.com -- Service ready'
    for (const port of [25, 587]) {
      expect(banner(`${text}\r\n`, false, port)).toEqual({ type: 'smtp', text })
    }
    expect(banner(`${text}\r\n`, false, 21)).toBeUndefined()
  })

  test('of a client of SMTP are what it calls itself', () => {
    expect(banner('EHLO [192.0.2.1]\r\n')).toEqual({ type: 'helo', text: '[192.0.2.1]' })
    expect(banner('helo mail.example.org\n')).toEqual({ type: 'helo', text: 'mail.example.org' })
    for (const cut of ['E', 'EHLO', 'EHLO mail']) expect(banner(cut)).toBe('more')
    expect(banner('EHLO\r\n')).toBeUndefined()
  })

  test('that are cut go on; what only looks like one is none', () => {
    const text = 'SSH-2.0-OpenSSH_9.6\r\n'
    for (let end = 1; end < text.length; end++) expect(banner(text.slice(0, end))).toBe('more')
    expect(banner('SSH-2.0-Open', true)).toEqual({ type: 'ssh', text: 'SSH-2.0-Open' })
    expect(banner('220 ftp.example.com ready\r\n')).toBeUndefined()
    expect(banner('hello\r\n')).toBeUndefined()
  })
})
