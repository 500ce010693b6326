import {
  AF_INET6,
  EADDRNOTAVAIL,
  EHOSTUNREACH,
  ENETDOWN,
  ENETUNREACH,
  IP_MTU_DISCOVER,
  IP_RECVERR,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_MTU_DISCOVER,
  IPV6_RECVERR,
  IPV6_UNICAST_HOPS,
  type Libc,
  SO_NO_CHECK,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  systemError,
} from '../sys/libc.js'
import {
  hostOf,
  portOf,
  SOCKADDR_LEN,
  type SocketAddress,
  socketAddress,
} from '../sys/socket-address.js'
import { enlargeSendBuffer, refuseAll, setOption } from '../sys/socket-options.js'

/**
 * Source ports that AWS has been seen to use; they lie in the range that RFC 7348 §5
 * recommends. Where all are taken the kernel chooses.
 */
export const FIRST_PORT = 0xff80
const LAST_PORT = 0xffff

/** As AWS sends its copies. */
const TIME_TO_LIVE = 255
/** IP_PMTUDISC_DONT: no DF bit, so that what is too long for the path is sent in fragments. */
const MAY_FRAGMENT = 0

/** What is said of a target to which there is no way, or not yet. */
const WAYLESS = new Set([EADDRNOTAVAIL, EHOSTUNREACH, ENETDOWN, ENETUNREACH])

/** The address that datagrams to `to` have as their source, as the routes are now; unspecified where there is none. */
export function localHostTo(libc: Libc, to: SocketAddress): string {
  const fd = libc.socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP)
  if (fd < 0) throw systemError(libc, 'socket')
  try {
    if (libc.connect(fd, to.bytes, to.length) < 0) {
      if (WAYLESS.has(libc.errno())) return anyOf(to.family)
      throw systemError(libc, 'connect')
    }
    const bytes = Buffer.alloc(SOCKADDR_LEN)
    if (libc.getsockname(fd, bytes, lengthWord()) < 0) throw systemError(libc, 'getsockname')
    return hostOf(bytes)
  } finally {
    libc.close(fd)
  }
}

/** A socket whose datagrams look like those of AWS. Throws what the kernel answered. */
export function openSocket(libc: Libc, to: SocketAddress, sendBufferBytes: number): number {
  const fd = libc.socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP)
  if (fd < 0) throw systemError(libc, 'socket')
  try {
    if (to.family === AF_INET6) {
      // With checksum: hosts drop datagrams over IPv6 that have none (RFC 8200 §8.1), even VXLAN.
      setOption(libc, fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TIME_TO_LIVE)
      setOption(libc, fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, MAY_FRAGMENT)
      setOption(libc, fd, IPPROTO_IPV6, IPV6_RECVERR, 1)
    } else {
      setOption(libc, fd, SOL_SOCKET, SO_NO_CHECK, 1)
      setOption(libc, fd, IPPROTO_IP, IP_TTL, TIME_TO_LIVE)
      setOption(libc, fd, IPPROTO_IP, IP_MTU_DISCOVER, MAY_FRAGMENT)
      // Also has the kernel say ENOBUFS, which it keeps to itself otherwise.
      setOption(libc, fd, IPPROTO_IP, IP_RECVERR, 1)
    }
    enlargeSendBuffer(libc, fd, sendBufferBytes)
    refuseAll(libc, fd)
    return fd
  } catch (error) {
    libc.close(fd)
    throw error
  }
}

/** Binds to the first free port from `first` on, else to one the kernel chooses. Answers with it. */
export function bindFrom(
  libc: Libc,
  fd: number,
  family: SocketAddress['family'],
  first: number,
): number {
  const any = anyOf(family)
  for (let port = first; port <= LAST_PORT; port++) {
    const address = socketAddress(libc, any, port)
    if (libc.bind(fd, address.bytes, address.length) === 0) return port
  }
  const address = socketAddress(libc, any, 0)
  if (libc.bind(fd, address.bytes, address.length) < 0) throw systemError(libc, 'bind')
  if (libc.getsockname(fd, address.bytes, lengthWord()) < 0) throw systemError(libc, 'getsockname')
  return portOf(address.bytes)
}

function anyOf(family: SocketAddress['family']): string {
  return family === AF_INET6 ? '::' : '0.0.0.0'
}

function lengthWord(): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(SOCKADDR_LEN)
  return length
}
