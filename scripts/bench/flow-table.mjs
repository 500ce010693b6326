/**
 * Measures FlowTracker.track alone: nanoseconds a packet for 1 k to 1 M live flows
 * in random order (each packet another flow: the worst case for the caches), the
 * cost of flows made and evicted at capacity, bytes a flow, and how long a flow
 * capture of a million flows (and then a flush of them) keeps its thread from
 * receiving, garbage collection and the way to another thread included; beside
 * it, in the same run, what it would be with an object for each row. Not
 * measured: parsing, which `scripts/bench/offline` covers. The number that
 * matters is the one at 512 k flows, and of the pauses the longest.
 *
 * Run after `npm run build`: node scripts/bench/flow-table.mjs
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { build as buildHistogram } from 'hdr-histogram-js'
import { walkFlows } from '../../dist/appliance/flow-walk.js'
import { FlowCapture } from '../../dist/flow/flow-capture.js'
import { rowsOf } from '../../dist/flow/flow-row.js'
import { FlowTracker } from '../../dist/flow/flow-tracker.js'
import { LIFETIMES } from '../../dist/flow/lifetime.js'
import { Frame } from '../../dist/wire/frame.js'
import { xorshift } from './random.js'

const FRAMES = 1 << 20
const FRAME_LEN = 54

/** Frames with IPv4 and TCP headers, one a flow, in one Buffer as a file block would hold them. */
function framesOf(flows, random) {
  const bytes = Buffer.alloc(FRAME_LEN * flows)
  for (let flow = 0; flow < flows; flow++) {
    const at = flow * FRAME_LEN
    bytes.writeUInt32BE(random(), at + 26)
    bytes.writeUInt32BE(random(), at + 30)
    bytes.writeUInt32BE(random(), at + 34)
  }
  return bytes
}

function measure(flows, capacity, packets) {
  const random = xorshift(1)
  const bytes = framesOf(flows, random)
  const order = new Uint32Array(packets)
  for (let index = 0; index < packets; index++) order[index] = random() % flows
  const tracker = new FlowTracker({
    capacity,
    sessions: 2,
    lifetime: LIFETIMES.nfw,
    windowSeconds: 60,
    onRecord: () => {},
  })
  const frame = new Frame()
  frame.bytes = bytes
  frame.ipVersion = 4
  frame.protocol = 6
  frame.tcpFlags = 0x10
  frame.ipLength = 500
  const track = (flow, now) => {
    const at = flow * FRAME_LEN
    frame.srcAt = at + 26
    frame.dstAt = at + 30
    frame.transportAt = at + 34
    frame.srcPort = (bytes[at + 34] << 8) | bytes[at + 35]
    frame.dstPort = (bytes[at + 36] << 8) | bytes[at + 37]
    tracker.enqueue(frame, 1, 1_700_000_000 + (now >>> 20), now & 0xfffff, true)
  }
  if (flows <= capacity) for (let flow = 0; flow < flows; flow++) track(flow, 0)
  for (let index = 0; index < packets / 4; index++) track(order[index], index)
  const start = process.hrtime.bigint()
  for (let index = 0; index < packets; index++) track(order[index], index)
  const ns = Number(process.hrtime.bigint() - start) / packets
  return { ns, evicted: tracker.ended.evicted, live: tracker.table.count }
}

// First, while no memory of another table can be used again.
const before = process.memoryUsage.rss()
const random = xorshift(7)
const million = new FlowTracker({ capacity: 1_000_000, sessions: 2, lifetime: LIFETIMES.nfw })
const frame = new Frame()
const addresses = Buffer.alloc(8)
frame.bytes = addresses
frame.ipVersion = 4
frame.srcAt = 0
frame.dstAt = 4
for (let flow = 0; flow < 1_000_000; flow++) {
  addresses.writeUInt32BE(random(), 0)
  addresses.writeUInt32BE(random(), 4)
  million.track(frame, 1, 1_700_000_000, 0)
}
const octets = (process.memoryUsage.rss() - before) / million.table.count
console.log(`${million.table.count} flows: ${octets.toFixed(0)} bytes a flow resident`)

/** Another thread that keeps what it is sent, as the pool does. */
function keeper() {
  const keep = `
    const kept = []
    require('node:worker_threads').parentPort.on('message', (message) => kept.push(message))`
  return new Worker(keep, { eval: true })
}

/** Runs `walk`, which calls `onTurn` whenever a receiver could have its turn. */
async function timed(name, walk) {
  const pauses = buildHistogram()
  const began = performance.now()
  let turn = began
  const rows = await walk(() => {
    const now = performance.now()
    pauses.recordValue(Math.round((now - turn) * 1000))
    turn = now
  })
  const seconds = (performance.now() - began) / 1000
  const [median, high] = [50, 99].map((share) => pauses.getValueAtPercentile(share))
  console.log(
    `${name} of ${rows} rows: ${seconds.toFixed(2)} s; ` +
      `pauses ${median} µs at the median, ${high} µs at 99 %, ${pauses.maxValue} µs at most`,
  )
}

const request = { minimumAgeSeconds: 0, filters: [], atSeconds: 1_700_000_001, atNanoseconds: 0 }
const label = { session: 'vni-1_10.0.0.1', vni: 1, source: '10.0.0.1' }
const session = /** @type {import('../../dist/session/session.js').Session} */ (
  /** @type {unknown} */ ({ report: () => label })
)

async function walked(flush, onTurn) {
  const other = keeper()
  let rows = 0
  await walkFlows({
    capture: new FlowCapture(million, request, { flush }),
    sessionAt: () => session,
    onBatch: (batch) => {
      rows += batch.count
      other.postMessage(batch, [batch.rows])
    },
    onSlice: onTurn,
  })
  await other.terminate()
  return rows
}

await timed('with objects: flow capture', async (onTurn) => {
  const other = keeper()
  let rows = 0
  for (let flow = 0; flow < million.table.used; flow += 1024) {
    const found = []
    for (let at = flow; at < Math.min(flow + 1024, million.table.used); at++) {
      if (million.table.isLive(at)) found.push(...rowsOf(million, at))
    }
    rows += found.length
    other.postMessage({ objects: found.map((row) => ({ ...row, ...label })) })
    await nextTurn()
    onTurn()
  }
  await other.terminate()
  return rows
})
// What the machine alone adds to the longest pause: as many turns of 0.2 ms that do nothing.
await timed('nothing', async (onTurn) => {
  for (let turn = 0; turn < 1000; turn++) {
    for (const began = performance.now(); performance.now() - began < 0.2; );
    await nextTurn()
    onTurn()
  }
  return 0
})
await timed('flow capture', (onTurn) => walked(false, onTurn))
await timed('flow flush', (onTurn) => walked(true, onTurn))

console.log('flows      capacity   ns/packet   live       evicted')
for (const [flows, capacity] of [
  [1024, 262_144],
  [1 << 16, 262_144],
  [1 << 19, 1 << 19],
  [1 << 20, 1 << 20],
  [1 << 20, 1 << 18],
]) {
  const { ns, evicted, live } = measure(flows, capacity, FRAMES * 2)
  console.log(
    `${String(flows).padEnd(10)} ${String(capacity).padEnd(10)} ${ns.toFixed(0).padEnd(11)} ${String(live).padEnd(10)} ${evicted}`,
  )
}
