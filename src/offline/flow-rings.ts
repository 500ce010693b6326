import { ALIGNMENT } from '../flow/flow-entry.js'
import { PLACE_WORDS } from '../flow/flow-place.js'

/**
 * Memory that two threads share: a ring of segments of packets on their way to
 * the flow table, and one of segments of records on their way back. One side
 * fills a segment and publishes it, the other takes it; a segment belongs to
 * one side at a time, and the counters below say to which.
 */

/** Packets of a segment, and segments: 2.1 MB. */
export const PACKETS = 64
export const PACKET_SEGMENTS = 512
/** Words of a segment before its packets, which begin on a cache line. */
const PACKET_HEADER = 16
export const LENGTH = 0
/** What to do when the packets have been counted. */
export const THEN = 1
/** The packet clock, and up to where no packet is expected any more. */
export const NOW = 2
export const SETTLED = 3
/** 1 while fragments wait for their first. */
export const WAITING = 4
/** The session that ends. */
export const SESSION_ENDS = 5

export const THEN_NOTHING = 0
export const THEN_WORK = 1
export const THEN_END_SESSION = 2
export const THEN_END_ALL = 3

/** Records of a segment, words of each (see record-words.ts), and segments: 2.1 MB. */
export const RECORDS = 64
export const RECORD_WORDS = 16
export const RECORD_SEGMENTS = 512
/** Words of a segment before its records, which begin on a cache line. */
const RECORD_HEADER = 16
export const RECORD_COUNT = 0
/** The packet clock as it stood when everything due by then had been handed over, in this segment or before it. */
export const HANDED_OVER = 1

/** Counters, in words of `state`; they only grow (and wrap). */
export const PACKETS_PUBLISHED = 0
export const PACKETS_TAKEN = 1
export const RECORDS_PUBLISHED = 2
export const RECORDS_TAKEN = 3
/** Changes when the flow thread wakes the reader. */
export const CALL = 4
/** 1 while the reader sleeps until that. */
export const READER_SLEEPS = 5
/** It is to be woken when this many segments of packets have been taken, or half the records' ring is full. */
export const WAKE_AT = 6
/** 1 while the flow thread sleeps until packets are published. */
export const TABLE_SLEEPS = 7
/** 1 when the flow thread has failed. */
export const FAILED = 8
const STATE_WORDS = 16

const PACKET_SEGMENT_WORDS = PACKET_HEADER + PACKETS * PLACE_WORDS
const RECORD_SEGMENT_WORDS = RECORD_HEADER + RECORDS * RECORD_WORDS

export class FlowRings {
  readonly memory: SharedArrayBuffer
  readonly state: Int32Array
  readonly packets: Uint32Array
  readonly records: Uint32Array
  readonly recordCounts: Float64Array

  /** `memory`: of the other side; by default new. */
  constructor(memory?: SharedArrayBuffer) {
    const packetsAt = ALIGNMENT + STATE_WORDS * 4
    const recordsAt = packetsAt + PACKET_SEGMENTS * PACKET_SEGMENT_WORDS * 4
    const end = recordsAt + RECORD_SEGMENTS * RECORD_SEGMENT_WORDS * 4
    this.memory = memory ?? new SharedArrayBuffer(end)
    this.state = new Int32Array(this.memory, ALIGNMENT, STATE_WORDS)
    this.packets = new Uint32Array(this.memory, packetsAt, (recordsAt - packetsAt) / 4)
    this.records = new Uint32Array(this.memory, recordsAt, (end - recordsAt) / 4)
    this.recordCounts = new Float64Array(this.memory, recordsAt, (end - recordsAt) / 8)
  }

  /** Where the header of the packet segment with this number lies in `packets`. */
  packetHeader(number: number): number {
    return (number & (PACKET_SEGMENTS - 1)) * PACKET_SEGMENT_WORDS
  }

  /** Where its packets begin. */
  packetsOf(number: number): number {
    return this.packetHeader(number) + PACKET_HEADER
  }

  /** Where the header of the record segment with this number lies in `records`. */
  recordHeader(number: number): number {
    return (number & (RECORD_SEGMENTS - 1)) * RECORD_SEGMENT_WORDS
  }

  /** Where its records begin; an even number of words. */
  recordsOf(number: number): number {
    return this.recordHeader(number) + RECORD_HEADER
  }

  /** Packet segments that can be filled before `published` is one too many. */
  freePacketSegments(published: number): number {
    return PACKET_SEGMENTS - ((published - Atomics.load(this.state, PACKETS_TAKEN)) | 0)
  }

  freeRecordSegments(published: number): number {
    return RECORD_SEGMENTS - ((published - Atomics.load(this.state, RECORDS_TAKEN)) | 0)
  }
}
