import { AddressNames } from '../application/address-names.js'
import { ApplicationReader } from '../application/application-reader.js'
import { DNS_PORT } from '../application/dns.js'
import type { PacketObserver } from '../session/pipeline.js'
import type { Session } from '../session/session.js'
import { parseIpv4, parseIpv6 } from '../wire/address.js'
import { PROTOCOL_UDP } from '../wire/protocol.js'

/** Addresses that have names, and answers read between two ticks, of which there are four a second. */
const ADDRESSES_MAX = 16_384
const ANSWERS_MAX = 250

/**
 * What hosts are called, from the answers of DNS over UDP, while somebody watches. Any other packet costs a
 * look at its port; of answers so many are read that a flood of them takes no time from receiving.
 */
export class LiveNames {
  #names: AddressNames | undefined
  #reader: ApplicationReader | undefined
  #left = 0
  /** Numbers that are never given again, as an index is. */
  #numbers = new WeakMap<Session, number>()
  #next = 0

  /** Whether answers are read; what was known is let go with the end. */
  set isWanted(isWanted: boolean) {
    if (isWanted === (this.#names !== undefined)) return
    this.#names = isWanted ? new AddressNames(ADDRESSES_MAX) : undefined
    this.#reader = this.#names && new ApplicationReader({ dns: this.#names.dns })
  }

  readonly observe: PacketObserver = (session, packet, frame, fault) => {
    if (this.#left === 0 || frame.srcPort !== DNS_PORT || frame.protocol !== PROTOCOL_UDP) return
    if (fault !== undefined || this.#reader === undefined) return
    this.#left--
    this.#reader.read(frame, this.#numberOf(session), packet)
  }

  /** By a timer. */
  tick(): void {
    this.#left = this.#names === undefined ? 0 : ANSWERS_MAX
  }

  /** Of an address in a session; null where nobody has asked for it. */
  of(session: Session, address: string): string | null {
    const ipv4 = parseIpv4(address)
    const words = ipv4 === undefined ? parseIpv6(address) : [ipv4]
    return (words && this.#names?.ofAddress(this.#numberOf(session), words)) ?? null
  }

  #numberOf(session: Session): number {
    let number = this.#numbers.get(session)
    if (number === undefined) {
      number = this.#next++
      this.#numbers.set(session, number)
    }
    return number
  }
}
