import { describe, expect, test } from 'vitest'
import type { DnsMessage } from '../../src/application/dns.js'
import type { Ends } from '../../src/application/ends.js'
import type { HttpRequest, HttpResponse } from '../../src/application/http.js'
import type { ClientHello, ServerHello } from '../../src/application/tls.js'
import { Transactions } from '../../src/application/transactions.js'

const ends = (seconds: number, more: Partial<Ends> = {}): Ends => ({
  session: 0,
  ipVersion: 4,
  protocol: 17,
  source: Uint32Array.of(1, 0, 0, 0),
  destination: Uint32Array.of(2, 0, 0, 0),
  sourcePort: 40_000,
  destinationPort: 53,
  seconds,
  nanoseconds: 0,
  timed: true,
  ...more,
})
const back = (seconds: number, destinationPort: number): Ends =>
  ends(seconds, {
    source: Uint32Array.of(2, 0, 0, 0),
    destination: Uint32Array.of(1, 0, 0, 0),
    sourcePort: destinationPort,
    destinationPort: 40_000,
  })

const message = (id: number, isResponse: boolean, name = 'a.example'): DnsMessage => ({
  id,
  flags: 0,
  isResponse,
  opcode: 0,
  rcode: 0,
  questions: [{ name, type: 1, class: 1 }],
  answers: [],
  additional: [],
  isWhole: true,
})

/** All that is told, in short. */
function told(feed: (transactions: Transactions) => void): { rows: string[]; displaced: number } {
  const rows: string[] = []
  const who = (of: Ends) => `${of.source[0]}:${of.sourcePort}>${of.destination[0]}`
  const transactions: Transactions = new Transactions({
    dns: ({ ends, question, query, response, rtt }) =>
      rows.push(
        `${who(ends)} ${question?.name} ${query ? 'asked' : '-'} ${response ? 'answered' : '-'} ${rtt}`,
      ),
    tls: ({ ends, client, server }) =>
      rows.push(`${who(ends)} ${client?.serverName} ${server?.cipher}`),
    http: ({ ends, depth, request, response }) =>
      rows.push(`${who(ends)} ${depth} ${request?.target} ${response?.status}`),
  })
  feed(transactions)
  transactions.end()
  return { rows, displaced: transactions.displaced }
}

describe('DNS', () => {
  test('a question has its answer, by its number, in any order', () => {
    const { rows } = told(({ dns }) => {
      dns!(ends(1), message(1, false))
      dns!(ends(2), message(2, false, 'b.example'))
      dns!(back(3, 53), message(2, true, 'b.example'))
      dns!(back(4, 53), message(1, true))
    })
    expect(rows).toEqual([
      '1:40000>2 b.example asked answered 1000000000',
      '1:40000>2 a.example asked answered 3000000000',
    ])
  })

  test('one half alone is told too, from who asked', () => {
    const { rows } = told(({ dns }) => {
      dns!(back(1, 53), message(1, true))
      dns!(ends(2), message(2, false))
      dns!(ends(3), message(2, false))
    })
    expect(rows).toEqual([
      '1:40000>2 a.example - answered undefined',
      '1:40000>2 a.example asked - undefined',
      '1:40000>2 a.example asked - undefined',
    ])
  })

  test('a flood of questions keeps a bounded number of them, and counts the others', () => {
    const { rows, displaced } = told(({ dns }) => {
      for (let id = 0; id < 10_000; id++) dns!(ends(1), message(id, false))
    })
    expect(rows).toHaveLength(10_000)
    expect(displaced).toBe(10_000 - 4096)
  })
})

describe('TLS', () => {
  const client = { type: 'client', serverName: 'a.example' } as ClientHello
  const server = { type: 'server', cipher: 1 } as ServerHello
  const there = ends(1, { destinationPort: 443 })

  test('hellos sent again change nothing; another connection of the same ports is another row', () => {
    const { rows } = told(({ tls }) => {
      tls!(back(1, 443), server)
      tls!(there, client)
      tls!(there, client)
      tls!(ends(100, { destinationPort: 443 }), client)
    })
    expect(rows).toEqual(['1:40000>2 a.example 1', '1:40000>2 a.example undefined'])
  })
})

describe('HTTP', () => {
  const request = (target: string) => ({ type: 'request', target }) as HttpRequest
  const response = (status: number) => ({ type: 'response', status }) as HttpResponse

  test('responses are to requests in their order; what is sent again or says to go on is none', () => {
    const there = ends(1, { destinationPort: 80 })
    const { rows } = told(({ http }) => {
      http!(there, request('/a'), 100)
      http!(there, request('/a'), 100)
      http!(there, request('/b'), 200)
      http!(back(2, 80), response(100), 10)
      http!(back(2, 80), response(200), 20)
      http!(back(2, 80), response(404), 30)
      http!(there, request('/c'), 300)
    })
    expect(rows).toEqual(['1:40000>2 1 /a 200', '1:40000>2 2 /b 404', '1:40000>2 3 /c undefined'])
  })
})
