import { type Libc, MSG_DONTWAIT, MSG_ERRQUEUE } from '../sys/libc.js'
import {
  CONTROL,
  CONTROL_LEN,
  IOVEC,
  IOVEC_COUNT,
  IOVEC_LEN,
  MESSAGE_LEN,
  RECEIVED_LEN,
} from '../sys/mmsghdr.js'
import { printOf, QUOTE_LEN } from './sent-memory.js'

/**
 * What the network sends back about datagrams that had left: ICMP, from the error queue of
 * a socket with IP_RECVERR (ip(7)).
 *
 * One control message, struct sock_extended_err:
 *
 *      0  length   8  level   12  type   16  errno   20  origin  21  type  22  code
 *
 * and after it who sent it. The message itself is the start of the datagram's payload, as far
 * as it was quoted.
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

/** `index` is of the socket, `print` of as much of the datagram as came back. */
type OnDatagramError = (errno: number, index: number, print: number) => void

export class BatchErrors {
  readonly #libc: Libc
  readonly #onError: OnDatagramError
  readonly #messages = Buffer.alloc(SLOTS * MESSAGE_LEN)
  readonly #controls = Buffer.alloc(SLOTS * CONTROL_SPACE)
  readonly #quotes = Buffer.alloc(SLOTS * QUOTE_LEN)
  /** Referred to by pointers alone; held here so that it lives. */
  readonly #iovecs = Buffer.alloc(SLOTS * IOVEC_LEN)
  readonly #polled: Buffer
  readonly #fds: readonly number[]

  /** `onError` is told of each datagram that came back. */
  constructor(libc: Libc, fds: readonly number[], onError: OnDatagramError) {
    this.#libc = libc
    this.#fds = fds
    this.#onError = onError
    this.#polled = Buffer.alloc(fds.length * POLLFD_LEN)
    for (const [index, fd] of fds.entries()) this.#polled.writeInt32LE(fd, index * POLLFD_LEN)
    const controls = libc.addressOf(this.#controls)
    const quotes = libc.addressOf(this.#quotes)
    const iovecs = libc.addressOf(this.#iovecs)
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = slot * MESSAGE_LEN
      this.#messages.writeBigUInt64LE(controls + BigInt(slot * CONTROL_SPACE), at + CONTROL)
      this.#messages.writeBigUInt64LE(iovecs + BigInt(slot * IOVEC_LEN), at + IOVEC)
      this.#messages.writeBigUInt64LE(1n, at + IOVEC_COUNT)
      const iovec = slot * IOVEC_LEN
      this.#iovecs.writeBigUInt64LE(quotes + BigInt(slot * QUOTE_LEN), iovec)
      this.#iovecs.writeBigUInt64LE(BigInt(QUOTE_LEN), iovec + 8)
    }
  }

  /** Of all sockets: one system call where nothing came back. */
  takeAll(): void {
    if (this.#libc.poll(this.#polled, this.#fds.length, 0) <= 0) return
    for (let index = 0; index < this.#fds.length; index++) {
      const at = index * POLLFD_LEN + POLLFD_EVENTS
      if ((this.#polled.readUInt16LE(at) & POLLERR) !== 0) this.take(index)
    }
  }

  /** Of one socket. Answers with how many. */
  take(index: number): number {
    const fd = this.#fds[index]!
    let taken = 0
    for (;;) {
      for (let slot = 0; slot < SLOTS; slot++) {
        this.#messages.writeUInt32LE(CONTROL_SPACE, slot * MESSAGE_LEN + CONTROL_LEN)
      }
      const flags = MSG_ERRQUEUE | MSG_DONTWAIT
      const count = this.#libc.recvmmsg(fd, this.#messages, SLOTS, flags, null)
      for (let slot = 0; slot < count; slot++) taken += this.#count(slot, index)
      if (count < SLOTS) return taken
    }
  }

  /** What our own host says of a datagram it has already said in answer to the call. */
  #count(slot: number, index: number): 0 | 1 {
    const at = slot * CONTROL_SPACE
    const origin = this.#controls[at + ORIGIN]
    if (origin !== ORIGIN_ICMP && origin !== ORIGIN_ICMP6) return 0
    const quoted = this.#messages.readUInt32LE(slot * MESSAGE_LEN + RECEIVED_LEN)
    const quote = slot * QUOTE_LEN
    const print = printOf(this.#quotes, quote, quote + Math.min(quoted, QUOTE_LEN))
    this.#onError(this.#controls.readUInt32LE(at + ERRNO), index, print)
    return 1
  }
}
