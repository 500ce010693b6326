import { LRUCache } from 'lru-cache'
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import type { ApplicationSink } from './application-sink.js'
import { type DnsMessage, isMulticastDns } from './dns.js'
import { type Ends, turned } from './ends.js'

/** Addresses of sessions, and of clients of sessions, that have names; the one not used for longest goes. */
const ADDRESSES_MAX = 131_072
/** Connections of which one side was named. */
const CONNECTIONS_MAX = 65_536
/** Names of one address; the oldest goes. */
const NAMES_MAX = 4

interface Name {
  readonly name: string
  readonly seconds: number
  /** When its time to live is over. */
  readonly until: number
}

/** What a flow says of itself: whose names are asked for. */
export interface NamedEnds {
  readonly session: number
  readonly protocol: number
  readonly packetSource: ArrayLike<number>
  readonly packetDestination: ArrayLike<number>
  readonly sourcePort: number
  readonly destinationPort: number
  readonly firstSeconds: number
}

/**
 * Names of addresses, by session, from what the packets themselves say: what a client named in its
 * connection (TLS, QUIC, HTTP), or a server of SMTP calls itself, else what it asked DNS for, else what another did. Of several names
 * that one whose time to live holds when the flow begins, else the nearest in time.
 */
export class AddressNames implements ApplicationSink {
  /** Addresses and connections that were let go for others. */
  displaced = 0

  readonly #addresses: LRUCache<string, Name[]>
  readonly #connections: LRUCache<string, string>

  constructor(addressesMax = ADDRESSES_MAX) {
    const dispose = (_value: unknown, _key: string, reason: string): void => {
      if (reason === 'evict') this.displaced++
    }
    // With `max` it would set aside all places at once, which takes 35 ms: longer than to read a small capture.
    const sizeCalculation = (): number => 1
    const places = <Value extends object | string>(maxSize: number) =>
      new LRUCache<string, Value>({ maxSize, sizeCalculation, dispose })
    this.#addresses = places<Name[]>(addressesMax)
    this.#connections = places<string>(CONNECTIONS_MAX)
  }

  readonly dns = (ends: Ends, message: DnsMessage): void => {
    // Hosts also say what they are called themselves: those that NetBIOS has register.
    for (const { address, name, ttl } of message.additional) {
      if (address === undefined || name === '') continue
      const said = { name, seconds: ends.seconds, until: ends.seconds + ttl }
      this.#add(addressKey(ends.session, address), said)
    }
    if (!message.isResponse) return
    const isMulticast = isMulticastDns(ends)
    const asked = message.questions[0]?.name
    for (const { address, name, ttl } of message.answers) {
      if (address === undefined) continue
      // Of an alias the name asked for says more than that of the machine.
      const said = { name: asked ?? name, seconds: ends.seconds, until: ends.seconds + ttl }
      if (said.name === '') continue
      this.#add(addressKey(ends.session, address), said)
      if (!isMulticast) this.#add(clientKey(ends.session, address, ends.destination), said)
    }
  }

  readonly tls: NonNullable<ApplicationSink['tls']> = (ends, hello) => {
    if (hello.type === 'client') this.#connect(ends, hello.serverName)
  }

  readonly quic: NonNullable<ApplicationSink['quic']> = (ends, _version, hello) => {
    this.#connect(ends, hello.serverName)
  }

  readonly http: NonNullable<ApplicationSink['http']> = (ends, head) => {
    if (head.type === 'request') this.#connect(ends, head.host?.replace(/:\d+$/, ''))
  }

  /** A server of SMTP says what it is called. */
  readonly banner: NonNullable<ApplicationSink['banner']> = (ends, { type, text }) => {
    if (type !== 'smtp') return
    const name = /^220[ -]([\w-]+(?:\.[\w-]+)+)\.?(?:\s|$)/.exec(text)?.[1]
    this.#connect(turned(ends), name)
  }

  /** Windows says what it is called when it logs on. */
  readonly smb: NonNullable<ApplicationSink['smb']> = (ends, message) => {
    if (message.type === 'challenge') {
      this.#connect(turned(ends), message.dnsComputer ?? message.computer)
    } else if (message.type === 'authenticate') {
      this.#nameItself(ends, message.host)
    }
  }

  /** The names of both ends of a flow. */
  of(row: NamedEnds): { source: string | undefined; destination: string | undefined } {
    const { session, packetSource: source, packetDestination: destination } = row
    const there = connectionKey(row, source, row.sourcePort, destination, row.destinationPort)
    const back = connectionKey(row, destination, row.destinationPort, source, row.sourcePort)
    return {
      source:
        this.#connections.get(back) ?? this.#find(session, source, destination, row.firstSeconds),
      destination:
        this.#connections.get(there) ?? this.#find(session, destination, source, row.firstSeconds),
    }
  }

  /** The name of an address in a session, whoever asked for it, and whenever. */
  ofAddress(session: number, address: ArrayLike<number>): string | undefined {
    return this.#addresses.get(addressKey(session, address))?.at(-1)?.name
  }

  #connect(ends: Ends, name: string | undefined): void {
    if (name === undefined || !isName(name)) return
    const { source, sourcePort, destination, destinationPort } = ends
    const key = connectionKey(ends, source, sourcePort, destination, destinationPort)
    // The first request on a connection names it.
    if (!this.#connections.has(key)) this.#connections.set(key, name.toLowerCase())
    this.#nameItself(turned(ends), name)
  }

  /** The sender of a packet, unless it has a name. */
  #nameItself({ session, source, seconds }: Ends, name: string | undefined): void {
    if (name === undefined || !isName(name)) return
    const key = addressKey(session, source)
    if (this.#addresses.has(key)) return
    this.#add(key, { name: name.toLowerCase(), seconds, until: seconds })
  }

  #add(key: string, name: Name): void {
    const names = this.#addresses.get(key) ?? []
    const others = names.filter((other) => other.name !== name.name)
    this.#addresses.set(key, [...others, name].slice(-NAMES_MAX))
  }

  #find(
    session: number,
    address: ArrayLike<number>,
    client: ArrayLike<number>,
    seconds: number,
  ): string | undefined {
    const names =
      this.#addresses.get(clientKey(session, address, client)) ??
      this.#addresses.get(addressKey(session, address))
    if (names === undefined) return undefined
    const holding = names.findLast((name) => name.seconds <= seconds && seconds <= name.until)
    return (holding ?? nearest(names, seconds)).name
  }
}

function nearest(names: readonly Name[], seconds: number): Name {
  const distance = (name: Name) => Math.abs(name.seconds - seconds)
  return names.reduce((best, name) => (distance(name) <= distance(best) ? name : best))
}

function isName(text: string): boolean {
  if (text === '' || text.length > 255 || parseIpv4(text) !== undefined) return false
  return parseIpv6(text.replace(/^\[|\]$/g, '')) === undefined
}

/** IPv4 in word 0; of IPv6 all four. */
function words(address: ArrayLike<number>): string {
  return `${address[0]},${address[1] ?? 0},${address[2] ?? 0},${address[3] ?? 0}`
}

function addressKey(session: number, address: ArrayLike<number>): string {
  return `${session} ${words(address)}`
}

function clientKey(session: number, address: ArrayLike<number>, client: ArrayLike<number>): string {
  return `${session} ${words(address)} ${words(client)}`
}

function connectionKey(
  { session, protocol }: { readonly session: number; readonly protocol: number },
  client: ArrayLike<number>,
  clientPort: number,
  server: ArrayLike<number>,
  serverPort: number,
): string {
  return `${session} ${protocol} ${words(client)} ${clientPort} ${words(server)} ${serverPort}`
}
