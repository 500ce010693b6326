import { type Libc, MSG_DONTWAIT, MSG_ERRQUEUE } from '../receive/libc.js'
import { CONTROL, CONTROL_LEN, MESSAGE_LEN } from '../receive/mmsghdr.js'

/**
 * What the network sends back about datagrams that had left: ICMP, from the error queue of
 * a socket with IP_RECVERR (ip(7)).
 *
 * One control message, struct sock_extended_err:
 *
 *      0  length   8  level   12  type   16  errno   20  origin  21  type  22  code
 *
 * and behind it who sent it.
 */
const CONTROL_SPACE = 64
const ERRNO = 16
const ORIGIN = 20
const ORIGIN_ICMP = 2
const ORIGIN_ICMP6 = 3

const SLOTS = 16

/** struct pollfd: descriptor, what is asked for (nothing), what there is. */
const POLLFD_LEN = 8
const POLLFD_EVENTS = 6
const POLLERR = 0x8

export class BatchErrors {
  readonly #libc: Libc
  readonly #onError: (errno: number) => void
  readonly #messages = Buffer.alloc(SLOTS * MESSAGE_LEN)
  readonly #controls = Buffer.alloc(SLOTS * CONTROL_SPACE)
  readonly #polled: Buffer
  readonly #fds: readonly number[]

  /** `onError` hears of each datagram that came back. */
  constructor(libc: Libc, fds: readonly number[], onError: (errno: number) => void) {
    this.#libc = libc
    this.#fds = fds
    this.#onError = onError
    this.#polled = Buffer.alloc(fds.length * POLLFD_LEN)
    for (const [index, fd] of fds.entries()) this.#polled.writeInt32LE(fd, index * POLLFD_LEN)
    const controls = libc.addressOf(this.#controls)
    for (let slot = 0; slot < SLOTS; slot++) {
      const address = controls + BigInt(slot * CONTROL_SPACE)
      this.#messages.writeBigUInt64LE(address, slot * MESSAGE_LEN + CONTROL)
    }
  }

  /** Of all sockets: one system call where nothing came back. */
  takeAll(): void {
    if (this.#libc.poll(this.#polled, this.#fds.length, 0) <= 0) return
    for (const [index, fd] of this.#fds.entries()) {
      const at = index * POLLFD_LEN + POLLFD_EVENTS
      if ((this.#polled.readUInt16LE(at) & POLLERR) !== 0) this.take(fd)
    }
  }

  /** Of one socket. Answers with how many. */
  take(fd: number): number {
    let taken = 0
    for (;;) {
      for (let slot = 0; slot < SLOTS; slot++) {
        this.#messages.writeUInt32LE(CONTROL_SPACE, slot * MESSAGE_LEN + CONTROL_LEN)
      }
      const flags = MSG_ERRQUEUE | MSG_DONTWAIT
      const count = this.#libc.recvmmsg(fd, this.#messages, SLOTS, flags, null)
      for (let slot = 0; slot < count; slot++) taken += this.#count(slot)
      if (count < SLOTS) return taken
    }
  }

  /** What our own host says of a datagram it has already said in answer to the call. */
  #count(slot: number): 0 | 1 {
    const at = slot * CONTROL_SPACE
    const origin = this.#controls[at + ORIGIN]
    if (origin !== ORIGIN_ICMP && origin !== ORIGIN_ICMP6) return 0
    this.#onError(this.#controls.readUInt32LE(at + ERRNO))
    return 1
  }
}
