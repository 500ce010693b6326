import { OperatorError } from '../errors.js'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../wire/address.js'
import { putU16, putU32, u16, u32 } from '../wire/bytes.js'
import { AF_INET, AF_INET6, type Libc } from './libc.js'

/**
 * struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)). The family is in the machine's
 * order, port and address in that of the network.
 */
export const SOCKADDR_LEN = 28

const SOCKADDR_IN_LEN = 16
const FAMILY = 0
const PORT = 2
const IN_ADDRESS = 4
const IN6_ADDRESS = 8
const IN6_SCOPE = 24

export interface SocketAddress {
  family: typeof AF_INET | typeof AF_INET6
  bytes: Buffer
  /** Bytes of `bytes` to show the kernel. */
  length: number
}

/** The address for bind(2) and friends. `host` is an IP address, else OperatorError. */
export function socketAddress(libc: Libc, host: string, port: number): SocketAddress {
  const bytes = Buffer.alloc(SOCKADDR_LEN)
  putU16(bytes, PORT, port)
  const word = parseIpv4(host)
  if (word !== undefined) {
    bytes.writeUInt16LE(AF_INET, FAMILY)
    putU32(bytes, IN_ADDRESS, word)
    return { family: AF_INET, bytes, length: SOCKADDR_IN_LEN }
  }

  const zoneAt = host.indexOf('%')
  const words = parseIpv6(zoneAt < 0 ? host : host.slice(0, zoneAt))
  if (words === undefined) {
    throw new OperatorError(
      `"${host}" is not an IP address: give one of this host's, 0.0.0.0 or ::`,
    )
  }
  bytes.writeUInt16LE(AF_INET6, FAMILY)
  for (let at = 0; at < 4; at++) putU32(bytes, IN6_ADDRESS + 4 * at, words[at]!)
  if (zoneAt >= 0) bytes.writeUInt32LE(scopeOf(libc, host.slice(zoneAt + 1)), IN6_SCOPE)
  return { family: AF_INET6, bytes, length: SOCKADDR_LEN }
}

/** An interface by name, or its number as it is. */
function scopeOf(libc: Libc, zone: string): number {
  const index = /^\d+$/.test(zone) ? Number(zone) : libc.if_nametoindex(zone)
  if (index === 0) throw new OperatorError(`this host has no interface "${zone}"`)
  return index
}

export function portOf(bytes: Buffer): number {
  return u16(bytes, PORT)
}

/** As text, without zone. */
export function hostOf(bytes: Buffer): string {
  if (bytes.readUInt16LE(FAMILY) === AF_INET) return formatIpv4(u32(bytes, IN_ADDRESS))
  return formatIpv6(
    u32(bytes, IN6_ADDRESS),
    u32(bytes, IN6_ADDRESS + 4),
    u32(bytes, IN6_ADDRESS + 8),
    u32(bytes, IN6_ADDRESS + 12),
  )
}
