/**
 * The entry of a thread that holds a flow table for another which reads: counts
 * the packets that come through the one ring, and puts records into the other.
 */
import { workerData } from 'node:worker_threads'
import { FlowCounter } from '../flow/flow-counter.js'
import { FlowLives } from '../flow/flow-lives.js'
import type { FlowRecord } from '../flow/flow-record.js'
import {
  CALL,
  FAILED,
  FlowRings,
  HANDED_OVER,
  LENGTH,
  NOW,
  PACKETS_PUBLISHED,
  PACKETS_TAKEN,
  READER_SLEEPS,
  RECORD_COUNT,
  RECORD_SEGMENTS,
  RECORD_WORDS,
  RECORDS,
  RECORDS_PUBLISHED,
  RECORDS_TAKEN,
  SESSION_ENDS,
  SETTLED,
  TABLE_SLEEPS,
  THEN,
  THEN_END_ALL,
  THEN_END_SESSION,
  THEN_NOTHING,
  THEN_WORK,
  WAITING,
  WAKE_AT,
} from './flow-rings.js'
import { putRecord } from './record-words.js'
import { rehearse } from './rehearsal.js'
import type { TableThreadData } from './table-thread.js'

const data = workerData as TableThreadData
const rings = new FlowRings(data.memory)
const { state, packets, records, recordCounts } = rings
// Times stay as they came: the reader knows what they stand for.
const time = { secondsOf: (stored: number) => stored }
const lives = new FlowLives({ ...data.table, onRecord }, time)
const counter = new FlowCounter(lives)

let taken = 0
let published = 0
/** Records in the segment that is being filled. */
let filled = 0
/** The packet clock when the work that was due had last been done. */
let handedOver = 0

function onRecord(record: FlowRecord): void {
  if (filled === 0) waitForRoom()
  const at = rings.recordsOf(published) + filled * RECORD_WORDS
  putRecord(record, records, recordCounts, at)
  if (++filled === RECORDS) publish()
}

function waitForRoom(): void {
  while (rings.freeRecordSegments(published) === 0) {
    const seen = Atomics.load(state, RECORDS_TAKEN)
    if (rings.freeRecordSegments(published) === 0) Atomics.wait(state, RECORDS_TAKEN, seen)
  }
}

function publish(): void {
  if (filled === 0) return
  const header = rings.recordHeader(published)
  records[header + RECORD_COUNT] = filled
  records[header + HANDED_OVER] = handedOver
  filled = 0
  published = (published + 1) | 0
  Atomics.store(state, RECORDS_PUBLISHED, published)
  wakeReader()
}

/** Wakes the reader when it sleeps and has something to do. */
function wakeReader(): void {
  if (Atomics.load(state, READER_SLEEPS) === 0) return
  const isWanted = ((taken - Atomics.load(state, WAKE_AT)) | 0) >= 0
  if (!isWanted && rings.freeRecordSegments(published) > RECORD_SEGMENTS / 2) return
  Atomics.store(state, READER_SLEEPS, 0)
  Atomics.add(state, CALL, 1)
  Atomics.notify(state, CALL)
}

function waitForPackets(): void {
  while (taken === Atomics.load(state, PACKETS_PUBLISHED)) {
    Atomics.store(state, TABLE_SLEEPS, 1)
    Atomics.wait(state, PACKETS_PUBLISHED, taken)
  }
  Atomics.store(state, TABLE_SLEEPS, 0)
}

/** Takes one segment of packets; returns whether it was the last. */
function takeSegment(): boolean {
  waitForPackets()
  const header = rings.packetHeader(taken)
  counter.count(packets, rings.packetsOf(taken), packets[header + LENGTH]!)
  const then = packets[header + THEN]!
  if (then === THEN_WORK) {
    lives.moveClock(packets[header + NOW]!, packets[header + SETTLED]!)
    while (lives.work(Number.MAX_SAFE_INTEGER, packets[header + WAITING] === 1));
  } else if (then === THEN_END_SESSION) {
    lives.endSession(packets[header + SESSION_ENDS]!, 'session-deleted')
  } else if (then === THEN_END_ALL) lives.endAll()
  if (then !== THEN_NOTHING) publish()
  if (then === THEN_WORK) handedOver = packets[header + NOW]!
  taken = (taken + 1) | 0
  Atomics.store(state, PACKETS_TAKEN, taken)
  wakeReader()
  return then === THEN_END_ALL
}

try {
  rehearse(time, (record) => {
    onRecord(record)
    // These records belong to no session: drop them.
    filled = 0
  })
  while (!takeSegment());
} catch (error) {
  Atomics.store(state, FAILED, 1)
  Atomics.add(state, CALL, 1)
  Atomics.notify(state, CALL)
  throw error
}
