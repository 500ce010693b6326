import { describe, expect, test } from 'vitest'
import { parseKerberos, parseKerberosStream } from '../../src/application/kerberos.js'
import { ethernet, tcp4, udp4 } from '../support/frames.js'
import { ApplicationRun, segments, syn } from './application-run.js'
import { element, errorMessage, kdcRequest, name, ticketReply } from './kerberos-messages.js'

const read = (message: Buffer) => parseKerberos(message, 0, message.length)
const REQUEST = kdcRequest(10, {
  client: ['alice'],
  realm: 'EXAMPLE.COM',
  service: ['krbtgt', 'EXAMPLE.COM'],
})
const ASKED = {
  type: 'AS-REQ',
  client: 'alice',
  realm: 'EXAMPLE.COM',
  service: 'krbtgt/EXAMPLE.COM',
  errorCode: undefined,
  errorText: undefined,
}

describe('messages of Kerberos', () => {
  test('say who asks for which service', () => {
    expect(read(REQUEST)).toEqual(ASKED)
    // What padata holds, such as a ticket, is stepped over.
    const withTicket = kdcRequest(12, {
      realm: 'EXAMPLE.COM',
      service: ['cifs', 'files'],
      padata: 700,
    })
    expect(read(withTicket)).toMatchObject({
      type: 'TGS-REQ',
      client: undefined,
      service: 'cifs/files',
    })
  })

  test('say who has got a ticket, or why nobody has', () => {
    const reply = ticketReply(11, {
      client: ['alice'],
      realm: 'EXAMPLE.COM',
      service: ['cifs', 'files'],
    })
    expect(read(reply)).toMatchObject({ type: 'AS-REP', client: 'alice', service: 'cifs/files' })
    const error = errorMessage({
      code: 25,
      realm: 'EXAMPLE.COM',
      service: ['krbtgt'],
      text: 'NEEDED_PREAUTH',
    })
    expect(read(error)).toEqual({
      type: 'KRB-ERROR',
      client: undefined,
      realm: undefined,
      service: 'krbtgt',
      errorCode: 25,
      errorText: 'NEEDED_PREAUTH',
    })
  })

  test('that are cut say what is there, whatever lies behind them', () => {
    for (let end = 0; end < REQUEST.length; end++) {
      const [zeros, ones] = [0, 0xff].map((around) => {
        const memory = Buffer.alloc(REQUEST.length + 50, around)
        REQUEST.copy(memory, 7, 0, end)
        return parseKerberos(memory, 7, 7 + end)
      })
      expect(zeros).toEqual(ones)
      if (zeros !== undefined) expect('EXAMPLE.COM').toContain(zeros.realm ?? '')
    }
  })

  test('are none where the encoding is something else', () => {
    expect(read(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBeUndefined()
    expect(read(element(0x6a, Buffer.alloc(40)))).toBeUndefined()
    expect(read(Buffer.from('6a80308000000000', 'hex'))).toBeUndefined()
    const many = element(
      0x30,
      Buffer.concat(Array.from({ length: 500 }, () => element(0x1b, Buffer.from('a')))),
    )
    const principal = Buffer.concat([element(0xa0, Buffer.of(2, 1, 1)), element(0xa1, many)])
    const body = element(0x30, element(0xa1, element(0x30, principal)))
    const request = element(0x6a, element(0x30, element(0xa4, body)))
    expect(read(request)?.client).toBe(Array(8).fill('a').join('/'))
    expect(name(['a'])).toHaveLength(14)
  })
})

describe('over UDP and TCP', () => {
  const PORTS = { src: '10.0.0.1', dst: '192.0.2.1', sport: 40_000, dport: 88 }
  const length = Buffer.alloc(4)
  length.writeUInt32BE(REQUEST.length)
  const stream = Buffer.concat([length, REQUEST])

  test('a message is read in a datagram, and from several segments', () => {
    const run = new ApplicationRun()
    run.read(ethernet(udp4({ ...PORTS, payload: REQUEST })))
    run.read(syn(PORTS))
    for (const segment of segments(stream, 30, PORTS)) run.read(segment)
    // A stream whose beginning was not seen.
    run.read(ethernet(tcp4({ ...PORTS, sport: 40_001, seq: 5, flags: 0x18, payload: stream })))
    expect(run.end()).toEqual(Array(3).fill({ kind: 'kerberos', message: ASKED }))
  })

  test('what is on the port and is none ends there', () => {
    expect(parseKerberosStream(Buffer.from('HTTP/1.1 200 OK'), 0, 15, false)).toBeUndefined()
    expect(parseKerberosStream(stream, 0, 20, false)).toBe('more')
    expect(parseKerberosStream(stream, 0, 3, true)).toBeUndefined()
  })
})
