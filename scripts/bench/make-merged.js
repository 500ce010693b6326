/**
 * Real captures merged into one of about 1 GB: every capture of a directory that
 * is Ethernet, sound, and made by nobody (`derived-` ones are), played again and
 * again with other addresses, all at once over ten minutes.
 *
 * The packets of a capture keep their order and their spacing (those that last
 * longer than ten minutes are squeezed). Each round has addresses of its own: the
 * second and third byte of IPv4 addresses, the third group of IPv6 ones. IPv4
 * header checksums are made right, those of TCP and UDP are not.
 *
 * The numbers to agree with are those of the truth files beside the captures,
 * which independent readers made. Captures without one are left out, and those
 * with tunnels inside (whose flows are told by the outer header there), with
 * packets that the readers are not sure of, and scans: fewer than eight packets a
 * flow.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { readCapture } from '../../dist/pcap/reader.js'
import { addWords, foldChecksum } from '../../dist/wire/checksum.js'
import { Frame } from '../../dist/wire/frame.js'
import { parseFrame } from '../../dist/wire/parse-frame.js'
import { CaptureFile } from './capture-file.js'

const VERSION = 1
const OCTETS = 1_000_000_000
/** No capture shall decide the result: one of 80,000 packets of 60 bytes is left out by this. */
const PACKETS_MAX = 10_000
const PACKETS_A_FLOW_MIN = 8
const START_SECONDS = 1_700_000_040
const SPAN_US = 600e6
const LINKTYPE_ETHERNET = 1
const RECORD_HEADER_LEN = 16
/** More than there are packets; times in microseconds go above them in 53 bits. */
const NUMBERS = 2 ** 23

/** The capture in `directory`, made of those in `captures` unless it is there. */
export async function mergedCapture(directory, captures) {
  const path = `${directory}/merged-${VERSION}.pcap`
  const facts = `${path}.json`
  if (!existsSync(path) || !existsSync(facts)) {
    mkdirSync(directory, { recursive: true })
    writeFileSync(facts, `${JSON.stringify(await make(path, captures))}\n`)
  }
  return { name: 'merged', path, ...JSON.parse(readFileSync(facts, 'utf8')) }
}

async function make(path, captures) {
  const source = await load(captures)
  const { packets } = source
  const rounds = Math.ceil(OCTETS / source.octets)
  const file = new CaptureFile(path)
  for (const key of inOrder(packets, rounds)) {
    const time = Math.floor(key / NUMBERS)
    const index = key % NUMBERS
    const packet = packets[index % packets.length]
    const { bytes, original } = packet
    const seconds = START_SECONDS + Math.floor(time / 1e6)
    const at = file.frame(seconds, time % 1e6, bytes.length, original)
    bytes.copy(file.block, at)
    move(file.block, at, packet, Math.floor(index / packets.length))
  }
  file.close()
  const { sum } = source
  const times = (value) => value * rounds
  return {
    captures: source.captures,
    rounds,
    packets: times(sum.packets),
    bytes: times(sum.bytes),
    flows: times(sum.flows),
    seconds: SPAN_US / 1e6,
  }
}

/** Every packet of every round by time, as microseconds · NUMBERS + its number. */
function inOrder(packets, rounds) {
  const keys = new Float64Array(packets.length * rounds)
  for (let round = 0; round < rounds; round++) {
    const shift = Math.floor((SPAN_US / 10 / rounds) * round)
    for (const [number, { time }] of packets.entries()) {
      const index = round * packets.length + number
      keys[index] = (Math.floor(time * 0.9) + shift) * NUMBERS + index
    }
  }
  return keys.sort()
}

async function load(directory) {
  /** @type {{ captures: number, octets: number, packets: { bytes: Buffer, original: number, time: number }[] }} */
  const source = { captures: 0, octets: 0, packets: [] }
  const sum = { packets: 0, bytes: 0, flows: 0 }
  for (const truthName of readdirSync(directory).sort()) {
    if (!truthName.endsWith('.truth.json') || truthName.startsWith('derived-')) continue
    const truth = JSON.parse(readFileSync(`${directory}/${truthName}`, 'utf8'))
    const path = `${directory}/${basename(truthName, '.truth.json')}`
    if (!isUsable(truth)) continue
    const packets = await packetsOf(path)
    if (packets === undefined) continue
    for (const flow of truth.flows) {
      sum.flows++
      sum.packets += flow.packets
      sum.bytes += flow.bytes
    }
    source.captures++
    for (const packet of packets) {
      source.packets.push(packet)
      source.octets += packet.bytes.length + RECORD_HEADER_LEN
    }
  }
  return { ...source, sum }
}

function isUsable(truth) {
  return (
    !truth.damage &&
    !truth.unsure_file &&
    Array.isArray(truth.flows) &&
    truth.packets.count <= PACKETS_MAX &&
    truth.packets.count >= PACKETS_A_FLOW_MIN * truth.flows.length &&
    (truth.unsure ?? []).length === 0 &&
    (truth.tunnels ?? []).length === 0
  )
}

/** The packets of a capture with times from its first on; undefined when some are not Ethernet. */
async function packetsOf(path) {
  const packets = []
  const frame = new Frame()
  let usable = true
  const summary = await readCapture(path, (packet) => {
    usable &&= packet.linkType === LINKTYPE_ETHERNET && packet.timed
    const bytes = Buffer.from(packet.bytes.subarray(packet.start, packet.end))
    const { originalLength: original, seconds, nanoseconds } = packet
    const fault = parseFrame(bytes, 0, bytes.length, packet.linkType, original, frame)
    const ipVersion = fault === undefined ? frame.ipVersion : 0
    const { ipAt, srcAt, dstAt } = frame
    packets.push({ bytes, original, seconds, nanoseconds, time: 0, ipVersion, ipAt, srcAt, dstAt })
  })
  if (!usable || packets.length === 0 || summary.damage !== undefined) return undefined
  const first = Math.min(...packets.map(({ seconds }) => seconds))
  const microseconds = ({ seconds, nanoseconds }) =>
    (seconds - first) * 1e6 + Math.floor(nanoseconds / 1000)
  const longest = Math.max(...packets.map(microseconds))
  const squeeze = longest > SPAN_US ? SPAN_US / longest : 1
  for (const packet of packets) packet.time = Math.floor(microseconds(packet) * squeeze)
  return packets
}

/** Gives the packet at `at` the addresses of its round. */
function move(block, at, packet, round) {
  const { ipVersion, ipAt, srcAt, dstAt } = packet
  if (ipVersion === 0) return
  const part = ipVersion === 6 ? 4 : 1
  for (const address of [srcAt, dstAt]) {
    const octets = at + address + part
    block.writeUInt16BE((block.readUInt16BE(octets) + round) & 0xffff, octets)
  }
  if (ipVersion === 4) {
    const header = at + ipAt
    block.writeUInt16BE(0, header + 10)
    const end = header + (block[header] & 0x0f) * 4
    block.writeUInt16BE(foldChecksum(addWords(block, header, end, 0)), header + 10)
  }
}
