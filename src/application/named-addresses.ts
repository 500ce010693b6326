import { isIP } from 'node:net'
import type { ApplicationSink } from './application-sink.js'
import type { Ends } from './ends.js'

/** Addresses told; of others nothing is told. */
const ADDRESSES_MAX = 16_384

/** Tells the name of each address once: what DNS answered, or what a client named in its connection. */
export class NamedAddresses implements ApplicationSink {
  /** Names that were not told: more addresses have one than are kept. */
  left = 0

  readonly #told = new Set<string>()
  readonly #tell: (address: readonly number[], name: string) => void

  /** `tell` has IPv4 as one word, IPv6 as four. */
  constructor(tell: (address: readonly number[], name: string) => void) {
    this.#tell = tell
  }

  readonly dns: NonNullable<ApplicationSink['dns']> = (_ends, message) => {
    const asked = message.isResponse ? message.questions[0]?.name : undefined
    for (const { address, name } of message.answers) if (address) this.#name(address, asked ?? name)
    for (const { address, name } of message.additional) if (address) this.#name(address, name)
  }

  readonly tls: NonNullable<ApplicationSink['tls']> = (ends, hello) => {
    if (hello.type === 'client') this.#nameServer(ends, hello.serverName)
  }

  readonly quic: NonNullable<ApplicationSink['quic']> = (ends, _version, { serverName }) => {
    this.#nameServer(ends, serverName)
  }

  readonly http: NonNullable<ApplicationSink['http']> = (ends, head) => {
    if (head.type === 'request') this.#nameServer(ends, head.host?.replace(/:\d+$/, ''))
  }

  #nameServer({ ipVersion, destination }: Ends, name: string | undefined): void {
    if (name === undefined || isIP(name.replace(/^\[|\]$/g, '')) !== 0) return
    this.#name(ipVersion === 4 ? [destination[0]!] : [...destination], name.toLowerCase())
  }

  #name(address: readonly number[], name: string): void {
    if (name === '' || name.length > 255 || name.includes('\0')) return
    const key = address.join()
    if (this.#told.has(key)) return
    if (this.#told.size >= ADDRESSES_MAX) {
      this.left++
      return
    }
    this.#told.add(key)
    this.#tell(address, name)
  }
}
