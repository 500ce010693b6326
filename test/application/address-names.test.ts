import { describe, expect, test } from 'vitest'
import { AddressNames } from '../../src/application/address-names.js'
import type { DnsMessage } from '../../src/application/dns.js'
import type { Ends } from '../../src/application/ends.js'
import type { ClientHello } from '../../src/application/tls.js'

const CLIENT = [10, 0, 0, 0]
const OTHER = [11, 0, 0, 0]
const SERVER = [99, 0, 0, 0]

const ends = (
  seconds: number,
  source: readonly number[],
  sourcePort: number,
  destination: readonly number[],
  destinationPort: number,
  more: Partial<Ends> = {},
): Ends => ({
  session: 0,
  ipVersion: 4,
  protocol: 6,
  source: Uint32Array.from(source),
  destination: Uint32Array.from(destination),
  sourcePort,
  destinationPort,
  seconds,
  nanoseconds: 0,
  timed: true,
  ...more,
})

/** What a resolver answered a client at a moment. */
function answer(
  names: AddressNames,
  name: string,
  seconds: number,
  client = CLIENT,
  ttl = 60,
): void {
  const message = {
    isResponse: true,
    questions: [{ name, type: 1, class: 1 }],
    answers: [{ name: 'cdn.example', type: 1, class: 1, ttl, text: '', address: [SERVER[0]!] }],
    additional: [],
  } as unknown as DnsMessage
  names.dns(ends(seconds, [1, 0, 0, 0], 53, client, 40_000, { protocol: 17 }), message)
}

const flow = (firstSeconds: number, client = CLIENT, session = 0) => ({
  session,
  protocol: 6,
  packetSource: client,
  packetDestination: SERVER,
  sourcePort: 50_000,
  destinationPort: 443,
  firstSeconds,
})

const hello = (serverName: string) => ({ type: 'client', serverName }) as ClientHello

describe('the name of an address', () => {
  test('is the one that its client asked for last before the flow began', () => {
    const names = new AddressNames()
    answer(names, 'a.example', 100)
    answer(names, 'b.example', 200)
    answer(names, 'c.example', 150, OTHER)
    expect(names.of(flow(110)).destination).toBe('a.example')
    expect(names.of(flow(210)).destination).toBe('b.example')
    expect(names.of(flow(160, OTHER)).destination).toBe('c.example')
    expect(names.of(flow(210)).source).toBeUndefined()
  })

  test('without one whose time to live holds is the nearest in time', () => {
    const names = new AddressNames()
    answer(names, 'a.example', 100)
    answer(names, 'b.example', 1000)
    expect(names.of(flow(400)).destination).toBe('a.example')
    expect(names.of(flow(900)).destination).toBe('b.example')
    expect(names.of(flow(10)).destination).toBe('a.example')
  })

  test('is what another client asked for, where its own did not, but never of another session', () => {
    const names = new AddressNames()
    answer(names, 'c.example', 150, OTHER)
    expect(names.of(flow(160)).destination).toBe('c.example')
    expect(names.of(flow(160, CLIENT, 1)).destination).toBeUndefined()
  })

  test('is what the hello of the same connection says, in both directions', () => {
    const names = new AddressNames()
    answer(names, 'a.example', 100)
    names.tls(ends(101, CLIENT, 50_000, SERVER, 443), hello('WWW.a.example'))
    expect(names.of(flow(101)).destination).toBe('www.a.example')
    const back = { packetSource: SERVER, packetDestination: CLIENT }
    const ports = { sourcePort: 443, destinationPort: 50_000 }
    expect(names.of({ ...flow(101), ...back, ...ports }).source).toBe('www.a.example')
    expect(names.of({ ...flow(101), sourcePort: 50_001 }).destination).toBe('a.example')
  })

  test('is no address', () => {
    const names = new AddressNames()
    for (const name of ['192.0.2.1', '[2001:db8::1]', ''])
      names.tls(ends(101, CLIENT, 50_000, SERVER, 443), hello(name))
    expect(names.of(flow(101)).destination).toBeUndefined()
  })

  test('costs bounded memory under a flood of names, and what is let go is counted', () => {
    const names = new AddressNames()
    for (let count = 0; count < 140_000; count++) {
      SERVER[0] = 1000 + count
      answer(names, `${count}.example`, 100)
    }
    SERVER[0] = 99
    expect(names.displaced).toBe(2 * 140_000 - 131_072)
  })
})
