/**
 * The load generator of receive.mjs, a process of its own: VXLAN datagrams of many flows
 * through sendmmsg(2), without UDP segmentation offload, so that each is a packet to the
 * kernel as it would be from a network. Every millisecond it sends what has come due.
 *
 * Arguments: port, rate in packets a second (`max`: no pause), packets in all, bytes each,
 * flows, and sessions they are of (8), whose VNIs begin at 1000.
 * Prints {sent, seconds} as JSON.
 */
import { AF_INET, loadLibc, SOCK_DGRAM, systemError } from '../../dist/sys/libc.js'
import { socketAddress } from '../../dist/sys/socket-address.js'
import { emitVxlan } from '../../dist/wire/vxlan.js'

const [port, rate, total, length, flows, sessions = 8] = process.argv.slice(2)
const HOST = '127.0.0.1'
const BATCH = 64
/** Outer ports differ as they do at AWS: few, by flow. */
const SOCKETS = 16
const FIRST_VNI = 1000

const libc = loadLibc()
const fds = Array.from({ length: SOCKETS }, () => libc.socket(AF_INET, SOCK_DGRAM, 0))
const to = socketAddress(libc, HOST, Number(port))

/** Ethernet, IPv4 and TCP around nothing in particular: checksums are not filled in. */
function mirroredFrame(flow, bytes) {
  bytes.fill(0)
  emitVxlan({ vni: FIRST_VNI + (flow % Number(sessions)) }, bytes, 0)
  bytes.write('02000000000a02000000000b0800', 8, 'hex')
  bytes.writeUInt8(0x45, 22)
  bytes.writeUInt16BE(bytes.length - 22, 24)
  bytes.writeUInt8(64, 30)
  bytes.writeUInt8(6, 31)
  bytes.writeUInt32BE(0x0a00_0000 + (flow >>> 10), 34)
  bytes.writeUInt32BE(0x0a80_0001, 38)
  bytes.writeUInt16BE(32_768 + (flow & 0x3ff), 42)
  bytes.writeUInt16BE(443, 44)
  bytes.writeUInt8(0x50, 54)
  bytes.writeUInt8(0x10, 55)
}

// struct mmsghdr and iovec as in src/receive/message-batch.ts.
const batches = Math.ceil(Number(flows) / BATCH)
const slots = batches * BATCH
const payloads = Buffer.alloc(slots * Number(length))
const iovecs = Buffer.alloc(slots * 16)
const messages = Buffer.alloc(slots * 64)
for (let slot = 0; slot < slots; slot++) {
  const at = slot * Number(length)
  mirroredFrame(slot, payloads.subarray(at, at + Number(length)))
  iovecs.writeBigUInt64LE(libc.addressOf(payloads) + BigInt(at), slot * 16)
  iovecs.writeBigUInt64LE(BigInt(length), slot * 16 + 8)
  messages.writeBigUInt64LE(libc.addressOf(to.bytes), slot * 64)
  messages.writeUInt32LE(to.length, slot * 64 + 8)
  messages.writeBigUInt64LE(libc.addressOf(iovecs) + BigInt(slot * 16), slot * 64 + 16)
  messages.writeBigUInt64LE(1n, slot * 64 + 24)
}
const views = Array.from({ length: batches }, (_, n) => messages.subarray(n * BATCH * 64))

let sent = 0
let next = 0
function sendBatch(count) {
  const done = libc.sendmmsg(fds[next % SOCKETS], views[next % batches], count, 0)
  if (done < 0) throw systemError(libc, 'sendmmsg')
  next++
  sent += done
}

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const began = performance.now()
while (sent < Number(total)) {
  const elapsed = (performance.now() - began) / 1000
  const due = rate === 'max' ? Number(total) : Math.min(Number(total), elapsed * Number(rate))
  if (due - sent < 1) Atomics.wait(sleeper, 0, 0, 1)
  else sendBatch(Math.min(BATCH, Math.floor(due - sent)))
}
process.stdout.write(JSON.stringify({ sent, seconds: (performance.now() - began) / 1000 }))
