import {
  AF_INET6,
  IPPROTO_IPV6,
  IPPROTO_UDP,
  IPV6_V6ONLY,
  type Libc,
  SO_ATTACH_REUSEPORT_CBPF,
  SO_MEMINFO,
  SO_REUSEPORT,
  SO_TIMESTAMPNS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
  systemError,
  UDP_NO_CHECK6_RX,
} from '../sys/libc.js'
import { hostOf, portOf, SOCKADDR_LEN, socketAddress } from '../sys/socket-address.js'
import { attachProgram, enlargeReceiveBuffer, refuseAll, setOption } from '../sys/socket-options.js'
import type { ReceiverOptions } from './receiver.js'

/** Nine words (linux/sock_diag.h, SK_MEMINFO_…); the last is the socket's drop counter. */
const MEMINFO_LEN = 36
const MEMINFO_DROPS = 32

/** A bound UDP socket that belongs to us rather than to Node. */
export class UdpSocket {
  readonly fd: number
  readonly host: string
  readonly port: number
  readonly receiveBufferBytes: number
  readonly #libc: Libc
  readonly #meminfo = Buffer.alloc(MEMINFO_LEN)
  readonly #length = Buffer.alloc(4)

  /** Throws what the kernel answered, with its `code`. */
  constructor(libc: Libc, options: ReceiverOptions) {
    this.#libc = libc
    if (options.takeOver !== undefined) {
      this.fd = options.takeOver.fd
      this.receiveBufferBytes = enlargeReceiveBuffer(libc, this.fd, options.receiveBufferBytes)
      const bound = this.#boundAddress()
      this.host = hostOf(bound)
      this.port = portOf(bound)
      return
    }
    const address = socketAddress(libc, options.host, options.port)
    this.fd = libc.socket(address.family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP)
    if (this.fd < 0) throw systemError(libc, 'socket')
    try {
      if (address.family === AF_INET6) {
        setOption(libc, this.fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)
        // A VXLAN datagram without a checksum is to be accepted (RFC 7348 §5), over IPv6 too.
        setOption(libc, this.fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
      }
      setOption(libc, this.fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)
      this.receiveBufferBytes = enlargeReceiveBuffer(libc, this.fd, options.receiveBufferBytes)
      // Set before bind it lets us join others, set after it lets others join us.
      const first = options.firstOfGroup === true
      if (options.reusePort && !first) setOption(libc, this.fd, SOL_SOCKET, SO_REUSEPORT, 1)
      if (libc.bind(this.fd, address.bytes, address.length) < 0) throw systemError(libc, 'bind')
      if (options.reusePort && first) setOption(libc, this.fd, SOL_SOCKET, SO_REUSEPORT, 1)

      const bound = this.#boundAddress()
      this.host = hostOf(bound)
      this.port = portOf(bound)
    } catch (error) {
      libc.close(this.fd)
      throw error
    }
  }

  #boundAddress(): Buffer {
    const bound = Buffer.alloc(SOCKADDR_LEN)
    this.#length.writeUInt32LE(SOCKADDR_LEN)
    if (this.#libc.getsockname(this.fd, bound, this.#length) < 0) {
      throw systemError(this.#libc, 'getsockname')
    }
    return bound
  }

  /**
   * The kernel's count of datagrams it did not queue here, 32 bits, or undefined where it
   * does not tell. SO_MEMINFO answers at any time. SO_RXQ_OVFL would only tell along with
   * the next datagram, which may never come, and costs a control message on every one.
   */
  dropWord(): number | undefined {
    this.#length.writeUInt32LE(MEMINFO_LEN)
    const info = this.#meminfo
    if (this.#libc.getsockopt(this.fd, SOL_SOCKET, SO_MEMINFO, info, this.#length) < 0) {
      return undefined
    }
    return this.#length.readUInt32LE() < MEMINFO_LEN ? undefined : info.readUInt32LE(MEMINFO_DROPS)
  }

  /** From here on nothing new is queued; what is queued stays. (From here on the drop counter counts refusals too.) */
  refuse(): void {
    refuseAll(this.#libc, this.fd)
  }

  /** The program places datagrams among all sockets of the group, those yet to join included. */
  attachReusePortProgram(program: Buffer): void {
    attachProgram(this.#libc, this.fd, SO_ATTACH_REUSEPORT_CBPF, program)
  }

  close(): void {
    this.#libc.close(this.fd)
  }
}
