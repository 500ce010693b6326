/**
 * The entry of a thread that holds a flow table for another which reads: counts
 * the packets that come through the one ring, and puts records into the other.
 */
import { workerData } from 'node:worker_threads'
import { FlowCounter } from '../flow/flow-counter.js'
import { FlowLives } from '../flow/flow-lives.js'
import type { FlowRecord } from '../flow/flow-record.js'
import {
  FAILED,
  FlowRings,
  LENGTH,
  NOW,
  PACKETS_PUBLISHED,
  PACKETS_TAKEN,
  PROGRESS,
  READER_SLEEPS,
  RECORD_WORDS,
  RECORDS,
  RECORDS_PUBLISHED,
  RECORDS_TAKEN,
  SESSION_ENDS,
  SETTLED,
  THEN,
  THEN_END_ALL,
  THEN_END_SESSION,
  THEN_WORK,
  WAITING,
} from './flow-rings.js'
import type { FlowThreadData } from './flow-thread.js'
import { putRecord } from './record-words.js'

const data = workerData as FlowThreadData
const rings = new FlowRings(data.memory)
const { state, packets, records, recordCounts } = rings
// Times stay as they came: the reader knows what they stand for.
const lives = new FlowLives({ ...data.flows, onRecord }, { secondsOf: (stored) => stored })
const counter = new FlowCounter(lives)

let taken = 0
let published = 0
/** Records in the segment that is being filled. */
let filled = 0

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
  records[rings.recordHeader(published)] = filled
  filled = 0
  published = (published + 1) | 0
  Atomics.store(state, RECORDS_PUBLISHED, published)
  tellProgress()
}

function tellProgress(): void {
  Atomics.add(state, PROGRESS, 1)
  if (Atomics.exchange(state, READER_SLEEPS, 0) === 1) Atomics.notify(state, PROGRESS)
}

/** Takes one segment of packets; returns whether it was the last. */
function takeSegment(): boolean {
  while (taken === Atomics.load(state, PACKETS_PUBLISHED)) {
    Atomics.wait(state, PACKETS_PUBLISHED, taken)
  }
  const header = rings.packetHeader(taken)
  counter.count(packets, rings.packetsOf(taken), packets[header + LENGTH]!)
  const then = packets[header + THEN]!
  if (then === THEN_WORK) {
    lives.moveClock(packets[header + NOW]!, packets[header + SETTLED]!)
    while (lives.work(Number.MAX_SAFE_INTEGER, packets[header + WAITING] === 1));
  } else if (then === THEN_END_SESSION) {
    lives.endSession(packets[header + SESSION_ENDS]!, 'session-deleted')
  } else if (then === THEN_END_ALL) lives.endAll()
  if (then !== 0) publish()
  taken = (taken + 1) | 0
  Atomics.store(state, PACKETS_TAKEN, taken)
  tellProgress()
  return then === THEN_END_ALL
}

try {
  while (!takeSegment());
} catch (error) {
  Atomics.store(state, FAILED, 1)
  Atomics.add(state, PROGRESS, 1)
  Atomics.notify(state, PROGRESS)
  throw error
}
