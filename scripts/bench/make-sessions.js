/**
 * A capture of mirrored packets (VXLAN) of many sessions, each packet of a session chosen at random, with
 * 96,000 flows in all however many sessions there are. Made from a seed, always the same; made once.
 */
import { closeSync, existsSync, openSync, renameSync, writeSync } from 'node:fs'
import { xorshift } from './random.js'

const FLOWS = 96_000
const PAYLOAD = 100
const INNER = 14 + 20 + 8 + PAYLOAD
const FRAME = 14 + 20 + 8 + 8 + INNER
const RECORD = 16 + FRAME
/** Packets put together before they are written. */
const BATCH = 4096

/** Ethernet, IPv4 and UDP headers at `at`; returns where the payload begins. */
function putHeaders(block, at, { source, destination, ports, length }) {
  block.writeUInt16BE(0x0800, at + 12)
  const ip = at + 14
  block[ip] = 0x45
  block.writeUInt16BE(28 + length, ip + 2)
  block[ip + 8] = 64
  block[ip + 9] = 17
  block.writeUInt32BE(source, ip + 12)
  block.writeUInt32BE(destination, ip + 16)
  let sum = 0
  for (let word = 0; word < 20; word += 2) sum += block.readUInt16BE(ip + word)
  sum = (sum & 0xffff) + (sum >>> 16)
  block.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, ip + 10)
  block.writeUInt16BE(ports[0], ip + 20)
  block.writeUInt16BE(ports[1], ip + 22)
  block.writeUInt16BE(8 + length, ip + 24)
  return ip + 28
}

/** Returns the path. */
export function makeSessions(path, sessions, packets) {
  if (existsSync(path)) return path
  const fd = openSync(`${path}.part`, 'w')
  const header = Buffer.alloc(24)
  for (const [at, word] of [0xa1b2c3d4, 0x0004_0002, 0, 0, 262_144, 1].entries()) {
    header.writeUInt32LE(word, at * 4)
  }
  writeSync(fd, header)
  const random = xorshift(88_172_645)
  const block = Buffer.alloc(RECORD * BATCH)
  for (let number = 0; number < packets; ) {
    block.fill(0)
    let at = 0
    for (; at < block.length && number < packets; at += RECORD, number++) {
      const session = random() % sessions
      block.writeUInt32LE(1_700_000_000 + Math.floor(number / 50_000), at)
      block.writeUInt32LE((number % 50_000) * 20, at + 4)
      block.writeUInt32LE(FRAME, at + 8)
      block.writeUInt32LE(FRAME, at + 12)
      const source = 0x0a00_0001 + session
      const outer = { source, destination: 0x0aff_fffe, ports: [65_445, 4789], length: 8 + INNER }
      const vxlan = putHeaders(block, at + 16, outer)
      block[vxlan] = 8
      block.writeUInt32BE((100 + session) * 256, vxlan + 4)
      const destination = 0xc000_0200 + (random() % (FLOWS / sessions))
      putHeaders(block, vxlan + 8, { source, destination, ports: [1024, 53], length: PAYLOAD })
    }
    writeSync(fd, block, 0, at)
  }
  closeSync(fd)
  renameSync(`${path}.part`, path)
  return path
}
