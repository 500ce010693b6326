/**
 * The sending process of mirror.mjs: frames of many flows from memory, as fast as they go.
 *
 * Arguments: `sockets` (datagrams that are ready, to the sockets alone) or `sender` (packets,
 * through parsing, sessions, copy and headers, as `mirrortap mirror` sends them), `batches` or
 * `singly`, port, packets in all, bytes of each frame, flows. Prints JSON.
 */
import { MirrorEvaluator } from '../../dist/mirror/evaluator.js'
import { MirrorCounters } from '../../dist/mirror/mirror-counters.js'
import { MirrorSource } from '../../dist/source/mirror-source.js'
import { openOuterSockets } from '../../dist/source/open.js'
import { Pace, systemClock } from '../../dist/source/pace.js'
import { Route } from '../../dist/source/route.js'
import { VxlanSender } from '../../dist/source/vxlan-sender.js'
import { EGRESS } from '../../dist/wire/frame.js'
import { Packet } from '../../dist/wire/packet.js'

const [what, how, port, total, length, flows] = process.argv.slice(2)
/** What one recvmmsg brings. */
const BATCH = 64

const sockets = await openOuterSockets(
  '127.0.0.1',
  Number(port),
  /** @type {import('../../dist/source/open.js').SendHow} */ (how),
)
const stride = Number(length)
const memory = Buffer.alloc(Number(flows) * stride)
for (let flow = 0; flow < Number(flows); flow++) writeFrame(memory, flow * stride, flow)

/** Ethernet, IPv4 and TCP around nothing in particular: checksums are not filled in. */
function writeFrame(bytes, at, flow) {
  bytes.write('02000000000a02000000000b0800', at, 'hex')
  bytes.writeUInt8(0x45, at + 14)
  bytes.writeUInt16BE(stride - 14, at + 16)
  bytes.writeUInt8(64, at + 22)
  bytes.writeUInt8(6, at + 23)
  bytes.writeUInt32BE(0x0a00_0000 + (flow >>> 10), at + 26)
  bytes.writeUInt32BE(0x0a80_0001, at + 30)
  bytes.writeUInt16BE(32_768 + (flow & 0x3ff), at + 34)
  bytes.writeUInt16BE(443, at + 36)
  bytes.writeUInt8(0x50, at + 46)
}

const ways = {
  async sockets(packets) {
    for (let n = 0; n < packets; n++) {
      const room = sockets.room()
      if (room !== undefined) await room
      const at = (n % Number(flows)) * stride
      sockets.send(memory, at, at + stride, Math.imul(n, 0x9e37_79b1) >>> 0, n)
      if (n % BATCH === BATCH - 1) await sockets.settled()
    }
    await sockets.settled()
  },

  async sender(packets) {
    const signal = new AbortController().signal
    const sender = new VxlanSender(new Pace({ kind: 'max' }, systemClock(signal)), signal)
    const session = {
      id: '',
      ownerId: '',
      networkInterfaceId: '',
      targetId: '',
      filterId: '',
      sessionNumber: 1,
      virtualNetworkId: 7,
      tags: [],
    }
    const evaluator = new MirrorEvaluator([{ session, filter: undefined }], {
      neverMirrored: 'mirror',
    })
    const counters = new MirrorCounters()
    const route = new Route({ vni: 7, packetLength: Infinity, outlet: sockets, counters })
    const source = new MirrorSource([{ matcher: undefined, evaluator, routes: [route] }], sender)
    const packet = Object.assign(new Packet(), { bytes: memory, originalLength: stride })
    for (let n = 0; n < packets; n++) {
      packet.start = (n % Number(flows)) * stride
      packet.end = packet.start + stride
      source.take(packet, EGRESS)
      if (n % BATCH === BATCH - 1) await sender.drain()
    }
    await sender.drain()
  },
}

// Code that has not run yet is slow.
await ways[what](Math.min(50_000, Number(total)))
const before = { sent: sockets.sent, at: performance.now(), cpu: process.cpuUsage() }
await ways[what](Number(total))
const seconds = (performance.now() - before.at) / 1000
const { user, system } = process.cpuUsage(before.cpu)
const sent = sockets.sent - before.sent
const notSent = Object.fromEntries(sockets.notSent)
process.stdout.write(JSON.stringify({ sent, notSent, seconds, cpuMicros: user + system }))
sockets.close()
