/**
 * What it costs when a sender chooses keys so that they collide: nanoseconds a packet of flows, mirror
 * sessions and fragments of mirror datagrams, with keys made for it beside random ones, as many of them.
 * The number that matters is the ratio: about 1, whatever the keys. Keys are made against multiplicative
 * hashes (of which pairs collide under every seed), and as a scan, a NAT or a counter makes them; the
 * tables of tabulation hashing are random for each process, and cannot be made keys against.
 *
 * Run after `npm run build`: node scripts/bench/hash-flood.mjs
 */
import { FlowTracker } from '../../dist/flow/flow-tracker.js'
import { LIFETIMES } from '../../dist/flow/lifetime.js'
import { Ledger } from '../../dist/session/ledger.js'
import { Reassembly } from '../../dist/session/reassembly.js'
import { SessionDirectory } from '../../dist/session/session-directory.js'
import { Frame } from '../../dist/wire/frame.js'
import { Datagram } from '../../dist/wire/packet.js'
import { xorshift } from './random.js'

const FLOWS = 1 << 16
const PACKETS = 1 << 18
const SESSIONS = 1 << 14
const ROUNDS = 3
const TOP = 0x8000_0000

/** Source, destination and ports of flow `n`, each 32 bits. */
const FLOW_KEYS = {
  random: (() => {
    const random = xorshift(7)
    const keys = Array.from({ length: FLOWS }, () => [random(), random(), random()])
    return (n) => keys[n]
  })(),
  'a scan of ports': (n) => [0x0a00_0001, 0x0a00_0002, 0x9c40_0000 + n],
  'a scan of addresses': (n) => [0x0a00_0001, 0x0a01_0000 + n, 0x9c40_01bb],
  'bits at the top': (n) => [(n & 0xff) << 24, (n >>> 8) << 24, 0x0001_0001],
  'pairs of a multiplication': (n) => [
    (n >>> 1) ^ (n & 1 ? TOP : 0),
    (n >>> 3) ^ (n & 1 ? TOP ^ (1 << 18) : 0),
    n >>> 5,
  ],
}

function nanoseconds(work, count) {
  const began = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - began) / count
}

function ofFlows(keyOf) {
  const bytes = Buffer.alloc(12 * FLOWS)
  for (let flow = 0; flow < FLOWS; flow++) {
    for (const [word, value] of keyOf(flow).entries()) {
      bytes.writeUInt32BE(value >>> 0, flow * 12 + word * 4)
    }
  }
  const tracker = new FlowTracker({
    capacity: 2 * FLOWS,
    sessions: 2,
    lifetime: LIFETIMES.nfw,
    windowSeconds: 60,
    onRecord: () => {},
  })
  const random = xorshift(1)
  const order = Uint32Array.from({ length: PACKETS }, () => random() % FLOWS)
  const frame = Object.assign(new Frame(), { bytes, ipVersion: 4, protocol: 17, ipLength: 100 })
  const track = (flow) => {
    const at = flow * 12
    frame.srcAt = at
    frame.dstAt = at + 4
    frame.transportAt = at + 8
    frame.srcPort = (bytes[at + 8] << 8) | bytes[at + 9]
    frame.dstPort = (bytes[at + 10] << 8) | bytes[at + 11]
    tracker.enqueue(frame, 1, 1_700_000_000, 0, true)
  }
  for (let flow = 0; flow < FLOWS; flow++) track(flow)
  return nanoseconds(() => {
    for (let index = 0; index < PACKETS; index++) track(order[index])
  }, PACKETS)
}

/** Outer source and VNI of session `n`. */
const SESSION_KEYS = {
  random: (() => {
    const random = xorshift(9)
    const keys = Array.from({ length: SESSIONS }, () => [random(), random() & 0xff_ffff])
    return (n) => keys[n]
  })(),
  'a counter of VNIs': (n) => [0x0a00_0001, n],
  'bits at the top': (n) => [(n & 0xff) << 24, (n >>> 8) << 16],
}

function ofSessions(keyOf) {
  const directory = new SessionDirectory({
    max: SESSIONS,
    key: 'source+vni',
    onOpen: () => {},
    onClose: () => {},
  })
  const datagram = new Datagram()
  const keys = Array.from({ length: SESSIONS }, (_, n) => keyOf(n))
  const turn = (n) => {
    datagram.source2 = 0xffff
    datagram.source3 = keys[n][0] >>> 0
    datagram.seconds = 1_700_000_000
    return directory.find(datagram, keys[n][1]) ?? directory.open(datagram, keys[n][1])
  }
  for (let n = 0; n < SESSIONS; n++) turn(n)
  const random = xorshift(2)
  const order = Uint32Array.from({ length: PACKETS }, () => random() % SESSIONS)
  return nanoseconds(() => {
    for (let index = 0; index < PACKETS; index++) turn(order[index])
  }, PACKETS)
}

/**
 * Eight words of an IPv6 header's addresses, source and destination in turn: those of 128 that differ
 * in their top bits, and where the next word makes up for it, collide in multiplication and shift.
 */
function colliding(n) {
  const words = new Uint32Array(8).fill(0x2001_0db8)
  for (let bit = 0; bit < 7; bit++) {
    if (((n >>> bit) & 1) === 0) continue
    words[bit] ^= TOP
    words[bit + 1] ^= TOP ^ (bit % 2 === 0 ? 1 << 18 : 1 << 16)
  }
  return words
}

const FRAGMENT_KEYS = {
  random: (() => {
    const random = xorshift(11)
    const keys = Array.from({ length: 4096 }, () => Uint32Array.from({ length: 8 }, random))
    return (n) => [keys[n], n]
  })(),
  'pairs of a multiplication': (n) => [colliding(n & 127), n >>> 7],
}

function ofFragments(keyOf) {
  const counts = new Ledger().fragments
  const reassembly = new Reassembly(counts)
  const bytes = Buffer.alloc(32 * 4096)
  const frame = Object.assign(new Frame(), { bytes, ipVersion: 6, protocol: 17 })
  const name = (n) => {
    frame.srcAt = n * 32
    frame.dstAt = n * 32 + 16
    frame.fragmentId = keyOf(n)[1]
  }
  for (let n = 0; n < 4096; n++) {
    const [words] = keyOf(n)
    for (let word = 0; word < 8; word++) {
      bytes.writeUInt32BE(words[word], n * 32 + (word % 2 === 0 ? 0 : 16) + (word >>> 1) * 4)
    }
    name(n)
    reassembly.findOrBegin(frame, 1_700_000_000)
  }
  const random = xorshift(3)
  return nanoseconds(() => {
    for (let index = 0; index < PACKETS; index++) {
      name(random() % 4096)
      reassembly.find(frame)
    }
  }, PACKETS)
}

/** @type {readonly [string, Record<string, (n: number) => any>, (keyOf: any) => number][]} */
const TABLES = [
  ['flows, 64 k of them', FLOW_KEYS, ofFlows],
  ['mirror sessions, 16 k of them', SESSION_KEYS, ofSessions],
  ['fragments of mirror datagrams, 4,096 under way', FRAGMENT_KEYS, ofFragments],
]

for (const [what, keys, cost] of TABLES) {
  console.log(
    `\n${what}: ns a packet, the least of ${ROUNDS} in turn, and the ratio to random keys`,
  )
  const least = Object.fromEntries(
    Object.keys(keys).map((name) => [name, Number.POSITIVE_INFINITY]),
  )
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, keyOf] of Object.entries(keys)) {
      least[name] = Math.min(least[name], cost(keyOf))
    }
  }
  for (const [name, ns] of Object.entries(least)) {
    console.log(
      `  ${name.padEnd(28)}${ns.toFixed(0).padStart(6)}  ${(ns / least.random).toFixed(2)}`,
    )
  }
}
