import type { Libc } from '../sys/libc.js'
import {
  IOVEC,
  IOVEC_COUNT,
  IOVEC_LEN,
  MESSAGE_LEN,
  NAME,
  NAME_LEN,
  wordsOf,
} from '../sys/mmsghdr.js'
import type { SocketAddress } from '../sys/socket-address.js'
import { SentMemory } from './sent-memory.js'

/** Messages of one sendmmsg(2), at most UIO_MAXIOV (1024); more made no difference. */
export const QUEUE_LEN = 64

const IOVEC_WORDS = IOVEC_LEN >>> 2
const LENGTH = 8 >>> 2
const WORD = 0x1_0000_0000

/** Datagrams that are to leave by one socket: where they lie, not what they say. */
export class BatchQueue {
  readonly fd: number
  /** Datagrams queued, and how many of these have left or were given up. */
  count = 0
  done = 0
  /** Datagrams that have left. */
  readonly memory = new SentMemory()
  /** What sendmmsg takes from the datagram of this number on. */
  readonly #from: readonly Buffer[]
  /** Referred to by pointers alone; held here so that it lives. */
  readonly #iovecs: Buffer
  readonly #to: SocketAddress
  readonly #words: Uint32Array
  readonly #tags = new Float64Array(QUEUE_LEN)
  readonly #prints = new Int32Array(QUEUE_LEN)

  constructor(libc: Libc, fd: number, to: SocketAddress) {
    this.fd = fd
    this.#to = to
    const messages = Buffer.alloc(QUEUE_LEN * MESSAGE_LEN)
    this.#iovecs = Buffer.alloc(QUEUE_LEN * IOVEC_LEN)
    this.#words = wordsOf(this.#iovecs)
    this.#from = Array.from({ length: QUEUE_LEN }, (_, at) => messages.subarray(at * MESSAGE_LEN))
    const name = libc.addressOf(this.#to.bytes)
    const iovecs = libc.addressOf(this.#iovecs)
    for (const [at, message] of this.#from.entries()) {
      message.writeBigUInt64LE(name, NAME)
      message.writeUInt32LE(this.#to.length, NAME_LEN)
      message.writeBigUInt64LE(iovecs + BigInt(at * IOVEC_LEN), IOVEC)
      message.writeBigUInt64LE(1n, IOVEC_COUNT)
    }
  }

  get isFull(): boolean {
    return this.count === QUEUE_LEN
  }

  get isEmpty(): boolean {
    return this.done === this.count
  }

  /** What is left to be sent, for sendmmsg; `count - done` messages. */
  get messages(): Buffer {
    return this.#from[this.done]!
  }

  /** Says what the datagram is called that is pushed next, and what it looks like. */
  label(tag: number, print: number): void {
    this.#tags[this.count] = tag
    this.#prints[this.count] = print
  }

  tagOf(index: number): number {
    return this.#tags[index]!
  }

  printOf(index: number): number {
    return this.#prints[index]!
  }

  /** Adds a datagram that lies `at` bytes after an address in memory, given in two words. Not when full. */
  push(high: number, low: number, at: number, length: number): void {
    const word = this.count++ * IOVEC_WORDS
    const sum = low + at
    // Stored modulo 2^32.
    this.#words[word] = sum
    this.#words[word + 1] = high + (sum >= WORD ? 1 : 0)
    this.#words[word + LENGTH] = length
  }

  /** Bytes of the datagram of this number. */
  lengthOf(index: number): number {
    return this.#words[index * IOVEC_WORDS + LENGTH]!
  }

  clear(): void {
    this.count = 0
    this.done = 0
  }
}
