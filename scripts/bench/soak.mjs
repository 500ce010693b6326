/**
 * Whether memory stays flat for as long as a sender likes: every datagram is a new
 * flow, so the table is full after seconds and evicts from then on, with flow logs
 * written, and with new sessions, fragments without a first and copies among them.
 * One column in real time, its timer as in `listen`. Not measured: receiving,
 * capture files, speed.
 *
 * The number that matters is growth: what rss and the rest gained from the third
 * line to the last. rss wanders by tens of MB between collections.
 *
 * Run after `npm run build`, with a number of seconds (600 unless given):
 * node --expose-gc scripts/bench/soak.mjs 600
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Column } from '../../dist/appliance/column.js'
import { LIFETIMES } from '../../dist/flow/lifetime.js'
import { Datagram } from '../../dist/wire/packet.js'

const SECONDS = Number(process.argv[2] ?? 600)
const RATE = 50_000
const TURNS_A_SECOND = 100
const TICK_MS = 250
const SESSIONS = 64
const LINES = 10
/** Records in the directory are of no use here; older files go. */
const KEEP_FILES = 4

const directory = mkdtempSync(join(tmpdir(), 'mirrortap-soak-'))
const column = new Column(
  {
    sessionKey: 'source+vni',
    unknownSessions: 'accept',
    maxSessions: 1024,
    maxFlows: 262_144,
    sessionQuota: 262_144,
    lifetime: LIFETIMES.nfw,
    duplicates: 'mark',
    flowLog: {
      directory,
      layout: {},
      logFormat: undefined,
      maxAggregationInterval: 60,
      metadata: {},
      wholeSessions: true,
    },
  },
  (line) => console.error(line),
)

/** VXLAN, Ethernet, IPv4 and the first bytes of UDP; addresses and ports are put in for each. */
const template = Buffer.alloc(200)
template[0] = 8
template.writeUIntBE(0x0285_69c2_ab02, 8, 6)
template.writeUIntBE(0x0285_69c2_ab03, 14, 6)
template.writeUInt16BE(0x0800, 20)
template[22] = 0x45
template.writeUInt16BE(178, 24)
template[31] = 17

const datagram = new Datagram()
datagram.bytes = template
datagram.end = template.length
datagram.source2 = 0xffff

let sent = 0
let state = 88172645
function random() {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return state >>> 0
}

function send(now) {
  const seconds = Math.floor(now / 1000)
  datagram.seconds = seconds
  datagram.nanoseconds = Math.floor((now - seconds * 1000) * 1e6)
  const isNewSession = sent % 1024 === 5
  datagram.source3 = 0x0a00_0000 + (isNewSession ? random() % 0xffffff : sent % SESSIONS)
  template.writeUIntBE(1000 + (datagram.source3 % 7), 4, 3)
  template.writeUInt16BE(random() & 0xffff, 26)
  // A later fragment, whose first never comes.
  template.writeUInt16BE(sent % 64 === 1 ? 0x20 : 0, 28)
  template.writeUInt32BE(random(), 34)
  template.writeUInt32BE(random(), 38)
  template.writeUInt32BE(random(), 42)
  column.demux.acceptVxlan(datagram)
  sent++
  if (sent % 16 === 0) {
    datagram.source3 = 0x0a00_0000 + ((sent + 1) % SESSIONS)
    column.demux.acceptVxlan(datagram)
    sent++
  }
}

function removeOldFiles() {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.log.gz'))
    .sort()
  for (const name of files.slice(0, -KEEP_FILES)) rmSync(join(directory, name))
}

const NAMES = ['rss', 'heapUsed', 'external', 'arrayBuffers']

function measure() {
  globalThis.gc?.()
  const usage = process.memoryUsage()
  return NAMES.map((name) => usage[name] / 1e6)
}

function row(first, values) {
  return first.padEnd(10) + values.map((value) => value.padStart(14)).join('')
}

const samples = []
function report(elapsed) {
  const memory = measure()
  samples.push(memory)
  const { flows, evictedSessions } = column.report()
  console.log(
    row(`${Math.round(elapsed)} s`, [
      ...memory.map((value) => `${value.toFixed(1)} MB`),
      String(flows.live),
      String(flows.ended.evicted ?? 0),
      String(flows.recordsWritten),
      String(evictedSessions.sessions),
    ]),
  )
}

console.log(row('', [...NAMES, 'flows', 'evicted', 'records', 'sessions gone']))
const began = Date.now()
const line = Math.max(1, Math.min(60, SECONDS / LINES))
let nextLine = 0
let nextTick = began
for (;;) {
  const now = Date.now()
  const elapsed = (now - began) / 1000
  if (elapsed >= nextLine) {
    report(elapsed)
    removeOldFiles()
    nextLine += line
  }
  if (elapsed >= SECONDS) break
  // What a slow turn left undone is not made up for: the rate is no matter.
  for (let index = 0; index < RATE / TURNS_A_SECOND; index++) send(now)
  if (now >= nextTick) {
    column.tick(Math.floor(now / 1000), 0)
    nextTick = now + TICK_MS
  }
  await new Promise((resolve) => setTimeout(resolve, 1000 / TURNS_A_SECOND))
}
await column.close()
rmSync(directory, { recursive: true })

const { received, flows } = column.report()
// By the third line the table is full and what is compiled lies in memory.
const settled = samples.slice(2)
const growth = NAMES.map((_, index) => settled.at(-1)[index] - settled[0][index])
console.log(
  row(
    'growth',
    growth.map((value) => `${value.toFixed(1)} MB`),
  ),
)
console.log(`${received} datagrams, ${flows.recordsWritten} records, ${flows.recordsLost} lost`)
if (received !== sent) throw new Error(`${sent} were sent`)
