import { AF_PACKET, type Libc, loadLibc, SOCK_RAW, systemError } from '../../src/sys/libc.js'
import { IOVEC, IOVEC_COUNT, MESSAGE_LEN, NAME, NAME_LEN } from '../../src/sys/mmsghdr.js'

/** Puts frames on an interface as they are: a packet socket to send from (packet(7)). */
export class RawSender {
  readonly #libc: Libc = loadLibc()
  readonly #fd: number
  readonly #address = Buffer.alloc(20)

  constructor(interfaceName: string) {
    // Protocol 0: it receives nothing.
    this.#fd = this.#libc.socket(AF_PACKET, SOCK_RAW, 0)
    if (this.#fd < 0) throw systemError(this.#libc, 'socket')
    this.#address.writeUInt16LE(AF_PACKET)
    this.#address.writeInt32LE(this.#libc.if_nametoindex(interfaceName), 4)
  }

  /** When it returns, a frame for loopback is in the receiver's queue, or dropped. */
  send(frame: Buffer): void {
    const iovec = Buffer.alloc(16)
    iovec.writeBigUInt64LE(this.#libc.addressOf(frame))
    iovec.writeBigUInt64LE(BigInt(frame.length), 8)
    const message = Buffer.alloc(MESSAGE_LEN)
    message.writeBigUInt64LE(this.#libc.addressOf(this.#address), NAME)
    message.writeUInt32LE(this.#address.length, NAME_LEN)
    message.writeBigUInt64LE(this.#libc.addressOf(iovec), IOVEC)
    message.writeBigUInt64LE(1n, IOVEC_COUNT)
    if (this.#libc.sendmmsg(this.#fd, message, 1, 0) !== 1) throw systemError(this.#libc, 'send')
  }

  close(): void {
    this.#libc.close(this.#fd)
  }
}
