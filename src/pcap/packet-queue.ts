import { Packet } from '../wire/packet.js'

/** Numbers kept of each packet. */
const START = 0
const END = 1
const SECONDS = 2
const NANOSECONDS = 3
const ORIGINAL_LENGTH = 4
const LINK_TYPE = 5
const TIMED = 6
const ORIGIN = 7
const FILE = 8
const WIDTH = 9

const FIRST_OCTETS = 512 * 1024
const FIRST_PACKETS = 1024
/** A queue that is empty gives back room beyond this. */
const EMPTY_OCTETS_MAX = 2 * FIRST_OCTETS

/** Copies of packets that must wait for others, in the order they were put in. Grows to what waits at a time. */
export class PacketQueue {
  /** Time of the packet at the head; one that the file gives no time has that of the one before it. */
  headSeconds = 0
  headNanoseconds = 0
  /** The file that the packet at the head is from. */
  headFile = 0
  #octets = Buffer.alloc(0)
  #numbers = new Float64Array(0)
  #filled = 0
  #count = 0
  #head = 0
  readonly #packet = new Packet()

  get isEmpty(): boolean {
    return this.#head === this.#count
  }

  /** Of the packets that wait. */
  get octets(): number {
    return this.#head === this.#count
      ? 0
      : this.#filled - this.#numbers[this.#head * WIDTH + START]!
  }

  push(packet: Packet, file = 0): void {
    const length = packet.end - packet.start
    if (this.#count === 0 && this.#octets.length > EMPTY_OCTETS_MAX) this.release()
    if (this.#filled + length > this.#octets.length && !this.#close(length))
      this.#growOctets(length)
    if ((this.#count + 1) * WIDTH > this.#numbers.length)
      this.#growNumbers()
      // A Buffer underneath; its copy makes no view of what it copies.
    ;(packet.bytes as Buffer).copy(this.#octets, this.#filled, packet.start, packet.end)
    const numbers = this.#numbers
    const at = this.#count++ * WIDTH
    numbers[at + START] = this.#filled
    numbers[at + END] = this.#filled + length
    numbers[at + SECONDS] = packet.seconds
    numbers[at + NANOSECONDS] = packet.nanoseconds
    numbers[at + ORIGINAL_LENGTH] = packet.originalLength
    numbers[at + LINK_TYPE] = packet.linkType
    numbers[at + TIMED] = packet.timed ? 1 : 0
    numbers[at + ORIGIN] = packet.origin
    numbers[at + FILE] = file
    this.#filled += length
    if (this.#head === this.#count - 1) this.#look()
  }

  /** The packet at the head, which is then no longer in the queue. On loan until the next `push`. */
  shift(): Packet {
    const packet = this.peek()
    this.#head++
    if (this.#head < this.#count) this.#look()
    else {
      this.#head = 0
      this.#count = 0
      this.#filled = 0
    }
    return packet
  }

  /** The packet at the head, which stays there. */
  peek(): Packet {
    const numbers = this.#numbers
    const at = this.#head * WIDTH
    const packet = this.#packet
    packet.bytes = this.#octets
    packet.start = numbers[at + START]!
    packet.end = numbers[at + END]!
    packet.seconds = numbers[at + SECONDS]!
    packet.nanoseconds = numbers[at + NANOSECONDS]!
    packet.originalLength = numbers[at + ORIGINAL_LENGTH]!
    packet.linkType = numbers[at + LINK_TYPE]!
    packet.timed = numbers[at + TIMED] === 1
    packet.origin = numbers[at + ORIGIN]!
    return packet
  }

  /** Gives all room back; nothing may wait. */
  release(): void {
    this.#octets = Buffer.alloc(0)
    this.#numbers = new Float64Array(0)
  }

  #look(): void {
    const at = this.#head * WIDTH
    this.headFile = this.#numbers[at + FILE]!
    if (this.#numbers[at + TIMED] === 0) return
    this.headSeconds = this.#numbers[at + SECONDS]!
    this.headNanoseconds = this.#numbers[at + NANOSECONDS]!
  }

  /** Moves what waits to the front, where that is worth it; whether there is room then. */
  #close(length: number): boolean {
    const waiting = this.octets
    if (2 * waiting > this.#filled || waiting + length > this.#octets.length) return false
    const shift = this.#filled - waiting
    this.#octets.copyWithin(0, shift, this.#filled)
    this.#numbers.copyWithin(0, this.#head * WIDTH, this.#count * WIDTH)
    this.#count -= this.#head
    this.#head = 0
    this.#filled = waiting
    for (let at = 0; at < this.#count * WIDTH; at += WIDTH) {
      this.#numbers[at + START]! -= shift
      this.#numbers[at + END]! -= shift
    }
    return true
  }

  #growOctets(length: number): void {
    const larger = Buffer.allocUnsafeSlow(
      Math.max(FIRST_OCTETS, 2 * this.#octets.length, this.#filled + length),
    )
    this.#octets.copy(larger, 0, 0, this.#filled)
    this.#octets = larger
  }

  #growNumbers(): void {
    const larger = new Float64Array(Math.max(FIRST_PACKETS * WIDTH, 2 * this.#numbers.length))
    larger.set(this.#numbers)
    this.#numbers = larger
  }
}
