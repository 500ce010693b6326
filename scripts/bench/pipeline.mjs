/**
 * What a datagram costs behind the socket: nanoseconds from acceptVxlan to the
 * end, of one column, in memory-resident traffic: 200-octet frames of TCP over
 * 16 sessions and 16 k flows. Rows add one part of the pipeline each; registered
 * sessions are held to ten rules. Not measured: receiving, and the disk beyond
 * handing blocks to the kernel.
 *
 * Beside it, the bytes that a packet costs V8's heap in one more round, by its sampling profiler,
 * what was collected included. In steady state nothing per packet allocates: what there is comes
 * from blocks that are written and from windows that close.
 *
 * Run after `npm run build`: node scripts/bench/pipeline.mjs
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Column } from '../../dist/appliance/column.js'
import { LIFETIMES } from '../../dist/flow/lifetime.js'
import { Datagram } from '../../dist/wire/packet.js'

const SESSIONS = 16
const FLOWS = 1 << 14
const LENGTH = 200
const PACKETS = 1 << 20
const ROUNDS = 4
const BATCH = 64

function datagrams() {
  const slot = 256
  const bytes = Buffer.alloc(slot * FLOWS)
  let x = 88172645
  const random = () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x >>> 0
  }
  for (let flow = 0; flow < FLOWS; flow++) {
    const at = flow * slot
    bytes[at] = 8
    bytes.writeUIntBE(1000 + (flow % SESSIONS), at + 4, 3)
    bytes.writeUIntBE(0x0285_69c2_ab02, at + 8, 6)
    bytes.writeUIntBE(0x0285_69c2_ab03, at + 14, 6)
    bytes.writeUInt16BE(0x0800, at + 20)
    bytes[at + 22] = 0x45
    bytes.writeUInt16BE(LENGTH - 22, at + 24)
    bytes[at + 31] = 6
    bytes.writeUInt32BE(random(), at + 34)
    bytes.writeUInt32BE(random(), at + 38)
    bytes.writeUInt32BE(random(), at + 42)
    bytes[at + 54] = 0x50
    bytes[at + 55] = 0x10
  }
  return { bytes, slot }
}

const base = {
  sessionKey: 'source+vni',
  unknownSessions: 'accept',
  maxSessions: 1024,
  maxFlows: 262_144,
  sessionQuota: 262_144,
  lifetime: LIFETIMES.nfw,
  duplicates: 'keep',
}
const directory = mkdtempSync(join(tmpdir(), 'mirrortap-bench-'))
const capture = {
  directory: join(directory, 'captures'),
  format: 'pcap',
  snaplen: 0,
  rotateBytes: 100e6,
  rotateSeconds: 60,
  keepFiles: 2,
  keepBytes: Number.POSITIVE_INFINITY,
  suffix: '',
}
const flowLog = {
  directory: join(directory, 'logs'),
  layout: {},
  logFormat: undefined,
  maxAggregationInterval: 60,
  metadata: {},
  wholeSessions: true,
}

/** The 16 sessions, registered, of an interface whose address is the outer source, with a filter of ten rules of which the last accepts. */
const interfaces = new Map([['eni-1', { id: 'eni-1', addresses: ['10.0.0.1'] }]])
const made = (table, after) => ({ table, id: after.id, before: undefined, after })
const registered = [
  made('targets', { id: 'tmt-1', kind: 'network-interface', address: 'eni-2', tags: [] }),
  made('filters', {
    id: 'tmf-1',
    networkServices: [],
    rules: ['ingress', 'egress'].flatMap((direction) =>
      Array.from({ length: 10 }, (_, index) => ({
        direction,
        ruleNumber: index + 1,
        action: 'accept',
        protocol: 6,
        destinationPortRange: index === 9 ? undefined : { from: index + 1, to: index + 1 },
        sourceCidr: '0.0.0.0/0',
        destinationCidr: '0.0.0.0/0',
      })),
    ),
    tags: [],
  }),
  ...Array.from({ length: SESSIONS }, (_, index) =>
    made('sessions', {
      id: `tms-${index}`,
      networkInterfaceId: 'eni-1',
      targetId: 'tmt-1',
      filterId: 'tmf-1',
      sessionNumber: index + 1,
      virtualNetworkId: 1000 + index,
      packetLength: 128,
      tags: [],
    }),
  ),
]

const DIST = new URL('../../dist/', import.meta.url).href
const SAMPLED = {
  samplingInterval: 4096,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
}
const inspector = new Session()
inspector.connect()

/** Bytes that code of ours, or what it calls, allocated below this node of a sampling heap profile. */
function allocated(node, isOurs = false) {
  const ours = isOurs || node.callFrame.url.startsWith(DIST)
  const below = node.children.reduce((sum, child) => sum + allocated(child, ours), 0)
  return below + (ours ? node.selfSize : 0)
}

async function run(name, options, changes = []) {
  const column = new Column(options, (line) => console.error(line))
  await column.apply(changes, 1_700_000_000)
  const { bytes: flows, slot } = datagrams()
  // As a receiver does: few slots, filled anew for each batch, so that they are in the cache. They
  // share memory with what fills them, since to copy between two buffers makes a view of one.
  const bytes = Buffer.concat([Buffer.alloc(BATCH * slot), flows])
  const arena = bytes.subarray(0, BATCH * slot)
  const datagram = new Datagram()
  datagram.bytes = arena
  datagram.source2 = 0xffff
  datagram.source3 = 0x0a000001
  let best = Number.POSITIVE_INFINITY
  let at = 0
  for (let round = 0; round <= ROUNDS; round++) {
    if (round === ROUNDS) await inspector.post('HeapProfiler.startSampling', SAMPLED)
    let spent = 0n
    for (let done = 0; done < PACKETS; done += BATCH) {
      for (let index = 0; index < BATCH; index++) {
        const from = arena.length + (((at + index) * 7919) & (FLOWS - 1)) * slot
        bytes.copyWithin(index * slot, from, from + LENGTH)
      }
      const start = process.hrtime.bigint()
      for (let index = 0; index < BATCH; index++) {
        datagram.start = index * slot
        datagram.end = datagram.start + LENGTH
        datagram.seconds = 1_700_000_000 + (at >>> 20)
        datagram.nanoseconds = (at & 0xfffff) * 953
        at++
        column.demux.acceptVxlan(datagram)
      }
      spent += process.hrtime.bigint() - start
      // Blocks reach the disk between batches, as they do between reads of a socket.
      if (done % 4096 === 0) await new Promise(setImmediate)
    }
    if (round < ROUNDS) best = Math.min(best, Number(spent) / PACKETS)
  }
  const { profile } = await inspector.post('HeapProfiler.stopSampling')
  const bytesEach = (allocated(profile.head) / PACKETS).toFixed(1)
  const lost = column.report().sessions.reduce((sum, { captureLost }) => sum + captureLost, 0)
  await column.close()
  console.log(
    `${name.padEnd(34)} ${best.toFixed(0).padStart(5)} ns, ${bytesEach} bytes allocated${lost > 0 ? `, ${lost} not captured` : ''}`,
  )
}

await run('flows', base)
await run('flows, flow logs', { ...base, flowLog })
await run('flows, captures', { ...base, capture })
await run('flows, flow logs, captures', { ...base, flowLog, capture })
const logged = { ...flowLog, owner: { accountId: '111122223333', region: 'us-east-1' } }
await run('flows, registered', { ...base, interfaces }, registered)
await run(
  'all, registered, PacketLength 128',
  { ...base, interfaces, flowLog: logged, capture },
  registered,
)
inspector.disconnect()
rmSync(directory, { recursive: true })
