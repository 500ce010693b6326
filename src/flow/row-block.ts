import type { FlowRow } from './flow-row.js'
import { STATE_NAMES } from './flow-state.js'

/** 32-bit words of a row; Float64 fields are at half their index in the Float64 view. */
const ROW_WORDS = 22
export const ROW_BYTES = ROW_WORDS * 4
const SESSION = 0
/** Protocol in the low byte, then IP version, TCP flags, and state and direction together. */
const KIND = 1
/** Source port in the upper half. */
const PORTS = 2
const FIRST_NANOSECONDS = 3
const LAST_NANOSECONDS = 4
/** Four words each. */
const SOURCE = 6
const DESTINATION = 10
const PACKETS = 14 / 2
const BYTES = 16 / 2
/** Float64: a capture file may have times that 32 bits do not hold. */
const FIRST_SECONDS = 18 / 2
const LAST_SECONDS = 20 / 2

const DIRECTIONS = [undefined, 'ingress', 'egress'] as const

/** Takes rows one at a time. */
export interface RowSink {
  /** Rows it can still take. */
  readonly room: number
  /** Copies `row`, a direction of the connection at `flow` in the table, which its owner overwrites. */
  put(row: FlowRow, flow: number): void
}

/**
 * Flow rows in one piece of memory, so that a million of them are no work for a
 * garbage collector and cross to another thread by being handed over.
 */
export class RowBlock implements RowSink {
  /** Rows held, from the start. */
  count: number
  readonly #capacity: number
  readonly #words: Uint32Array
  readonly #numbers: Float64Array

  /** Over memory that it then owns, a whole number of rows long, with `count` rows in it. */
  constructor(memory: ArrayBuffer, count = 0) {
    this.#words = new Uint32Array(memory)
    this.#numbers = new Float64Array(memory)
    this.#capacity = memory.byteLength / ROW_BYTES
    this.count = count
  }

  get room(): number {
    return this.#capacity - this.count
  }

  put(row: FlowRow): void {
    const words = this.#words
    const numbers = this.#numbers
    const at = this.count++ * ROW_WORDS
    const numbersAt = at >>> 1
    const direction = row.direction === undefined ? 0 : row.direction === 'ingress' ? 1 : 2
    words[at + SESSION] = row.session
    words[at + KIND] =
      row.protocol |
      (row.ipVersion << 8) |
      (row.tcpFlags << 16) |
      (STATE_NAMES.indexOf(row.state) << 24) |
      (direction << 28)
    words[at + PORTS] = (row.sourcePort << 16) | row.destinationPort
    words[at + FIRST_NANOSECONDS] = row.firstNanoseconds
    words[at + LAST_NANOSECONDS] = row.lastNanoseconds
    for (let word = 0; word < 4; word++) {
      words[at + SOURCE + word] = row.packetSource[word]!
      words[at + DESTINATION + word] = row.packetDestination[word]!
    }
    numbers[numbersAt + PACKETS] = row.packets
    numbers[numbersAt + BYTES] = row.bytes
    numbers[numbersAt + FIRST_SECONDS] = row.firstSeconds
    numbers[numbersAt + LAST_SECONDS] = row.lastSeconds
  }

  /** Row `index`, below `count`, in memory of its own. */
  at(index: number): FlowRow {
    const words = this.#words
    const numbers = this.#numbers
    const at = index * ROW_WORDS
    const numbersAt = at >>> 1
    const kind = words[at + KIND]!
    const ports = words[at + PORTS]!
    return {
      session: words[at + SESSION]!,
      ipVersion: ((kind >>> 8) & 0xff) === 6 ? 6 : 4,
      protocol: kind & 0xff,
      packetSource: new Uint32Array(words.subarray(at + SOURCE, at + SOURCE + 4)),
      packetDestination: new Uint32Array(words.subarray(at + DESTINATION, at + DESTINATION + 4)),
      sourcePort: ports >>> 16,
      destinationPort: ports & 0xffff,
      packets: numbers[numbersAt + PACKETS]!,
      bytes: numbers[numbersAt + BYTES]!,
      // What is received has a time.
      timed: true,
      firstSeconds: numbers[numbersAt + FIRST_SECONDS]!,
      firstNanoseconds: words[at + FIRST_NANOSECONDS]!,
      lastSeconds: numbers[numbersAt + LAST_SECONDS]!,
      lastNanoseconds: words[at + LAST_NANOSECONDS]!,
      tcpFlags: (kind >>> 16) & 0xff,
      state: STATE_NAMES[(kind >>> 24) & 0xf]!,
      direction: DIRECTIONS[kind >>> 28],
    }
  }

  /** Which session row `index` is of, and to say so by another number. */
  sessionAt(index: number): number {
    return this.#words[index * ROW_WORDS + SESSION]!
  }

  setSession(index: number, session: number): void {
    this.#words[index * ROW_WORDS + SESSION] = session
  }
}
