/**
 * The capture that is hard for a flow table: 2,000,000 packets of 200,000 flows
 * over some time, each packet of a flow chosen at random, so that no two in a
 * row share a cache line. About 1 GB. Made from a seed, always the same.
 *
 * Seven flows in ten are one half of a two-way connection, the others are one-way;
 * 80 % TCP, which begins with SYN and ends with FIN, the rest UDP; 6 % IPv6.
 * Frames are of 60 to 1514 bytes, 500 on average. IPv4 header checksums are right,
 * those of TCP and UDP are not filled in.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { CaptureFile } from './capture-file.js'
import { FlowDigest, flowHash } from './flow-digest.js'
import { frameLength, xorshift } from './random.js'

const VERSION = 1
const PACKETS = 2_000_000
const FLOWS = 200_000
const START_SECONDS = 1_700_000_040

const TWO_WAY = 0.7
const TCP_SHARE = 0.8
const IPV6_SHARE = 0.06

const ETHERNET_LEN = 14
const IPV4_LEN = 20
const IPV6_LEN = 40
const TCP = 6
const UDP = 17
const TRANSPORT_LEN = { [TCP]: 20, [UDP]: 8 }
const TEMPLATE_LEN = ETHERNET_LEN + IPV6_LEN + TRANSPORT_LEN[TCP]
const SERVICES = [443, 443, 443, 80, 53, 22, 8080, 5432]

const FIN = 0x01
const SYN = 0x02
const PSH = 0x08
const ACK = 0x10

/** The capture in `directory`, made unless it is there: its path and what is in it. It lasts about `seconds`. */
export function scatteredCapture(directory, { name, seconds }) {
  const path = `${directory}/${name}-${VERSION}.pcap`
  const facts = `${path}.json`
  if (!existsSync(path) || !existsSync(facts)) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(facts, `${JSON.stringify(make(path, seconds * 1e6))}\n`)
  }
  return { name, path, ...JSON.parse(readFileSync(facts, 'utf8')) }
}

function make(path, spanMicroseconds) {
  const gaps = (2 * spanMicroseconds) / PACKETS
  const random = xorshift(0x5eed)
  const flows = makeFlows(random)
  const order = scatter(random)
  const left = new Uint32Array(FLOWS)
  for (const flow of order) left[flow]++
  const sent = new Uint32Array(FLOWS)

  const noise = Buffer.alloc(65_521)
  for (let at = 0; at < noise.length; at++) noise[at] = random()
  const file = new CaptureFile(path, noise)
  const digest = new FlowDigest()
  let time = 0
  for (const flow of order) {
    time += random() % gaps
    const seconds = START_SECONDS + Math.floor(time / 1e6)
    const headerLen = flows.length[flow]
    const frameLen = Math.max(frameLength(random), headerLen)
    const at = file.frame(seconds, time % 1e6, frameLen, frameLen)
    const { block } = file
    flows.templates.copy(block, at, flow * TEMPLATE_LEN, flow * TEMPLATE_LEN + headerLen)
    const flags = tcpFlags(flows.answers[flow] === 1, sent[flow], --left[flow], random)
    finish(block, at, flows, flow, frameLen, sent[flow], flags)
    sent[flow]++
    digest.add(flows.hash[flow], seconds, 1, frameLen - ETHERNET_LEN)
  }
  file.close()
  return { ...digest, flows: FLOWS, seconds: Math.ceil(time / 1e6) }
}

/** Headers of every flow, to be copied, and hashes of who they are. */
function makeFlows(random) {
  const flows = {
    templates: Buffer.alloc(FLOWS * TEMPLATE_LEN),
    length: new Uint8Array(FLOWS),
    version: new Uint8Array(FLOWS),
    protocol: new Uint8Array(FLOWS),
    hash: new Int32Array(FLOWS),
    answers: new Uint8Array(FLOWS),
  }
  const seen = new Set()
  for (let flow = 0; flow < FLOWS; ) {
    const ends = [end(random), end(random)]
    const version = random() / 2 ** 32 < IPV6_SHARE ? 6 : 4
    const protocol = random() / 2 ** 32 < TCP_SHARE ? TCP : UDP
    // Above the ports that announce an encapsulation.
    ends[0].port = 10_000 + (random() % 50_000)
    ends[1].port = SERVICES[random() % SERVICES.length]
    const key = ends.map((one) => `${one.text[version]} ${one.port}`).join(' ')
    if (seen.has(key)) continue
    seen.add(key)
    lay(flows, flow++, version, protocol, ends[0], ends[1])
    // Of 200 directions 140 come in pairs, made of 70 of 130 connections.
    const paired = random() / 2 ** 32 < TWO_WAY / (2 - TWO_WAY)
    if (paired && flow < FLOWS) {
      flows.answers[flow] = 1
      lay(flows, flow++, version, protocol, ends[1], ends[0])
    }
  }
  return flows
}

/** An endpoint, with an address of either version. */
function end(random) {
  const v4 = Buffer.alloc(4)
  v4.writeUInt32BE(random())
  // Unicast, and nothing that a tool leaves out.
  v4[0] = 11 + (v4[0] % 100)
  const groups = [0x2600, ...Array.from({ length: 7 }, () => (random() & 0xfff) | 0x1000)]
  const v6 = Buffer.alloc(16)
  for (const [group, value] of groups.entries()) v6.writeUInt16BE(value, group * 2)
  const v6Text = groups.map((group) => group.toString(16)).join(':')
  return { 4: v4, 6: v6, text: { 4: v4.join('.'), 6: v6Text }, port: 0 }
}

function lay(flows, flow, version, protocol, source, destination) {
  const { templates } = flows
  const at = flow * TEMPLATE_LEN
  templates.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], at)
  const ip = at + ETHERNET_LEN
  let transport = ip + IPV4_LEN
  if (version === 4) {
    templates.writeUInt16BE(0x0800, at + 12)
    templates.set([0x45, 0], ip)
    templates.set([0x40, 0, 64, protocol], ip + 6)
    templates.set(source[4], ip + 12)
    templates.set(destination[4], ip + 16)
  } else {
    transport = ip + IPV6_LEN
    templates.writeUInt16BE(0x86dd, at + 12)
    templates[ip] = 0x60
    templates.set([protocol, 64], ip + 6)
    templates.set(source[6], ip + 8)
    templates.set(destination[6], ip + 24)
  }
  templates.writeUInt16BE(source.port, transport)
  templates.writeUInt16BE(destination.port, transport + 2)
  if (protocol === TCP) templates.set([0x50, 0, 0xff, 0xff], transport + 12)
  flows.version[flow] = version
  flows.protocol[flow] = protocol
  flows.length[flow] = transport - at + TRANSPORT_LEN[protocol]
  const addresses = `${source.text[version]} ${destination.text[version]}`
  flows.hash[flow] = flowHash(`${addresses} ${source.port} ${destination.port} ${protocol}`)
}

/** SYN, or SYN and ACK, first; FIN last. */
function tcpFlags(answers, sent, left, random) {
  if (sent === 0) return answers ? SYN | ACK : SYN
  if (left === 0) return FIN | ACK
  return (random() & 1) === 0 ? ACK : PSH | ACK
}

function finish(block, at, flows, flow, frameLen, sent, flags) {
  const ip = at + ETHERNET_LEN
  const protocol = flows.protocol[flow]
  const v4 = flows.version[flow] === 4
  const transport = ip + (v4 ? IPV4_LEN : IPV6_LEN)
  if (v4) {
    block.writeUInt16BE(frameLen - ETHERNET_LEN, ip + 2)
    block.writeUInt16BE(sent & 0xffff, ip + 4)
    let sum = 0
    for (let word = 0; word < IPV4_LEN; word += 2) sum += block.readUInt16BE(ip + word)
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    block.writeUInt16BE(~sum & 0xffff, ip + 10)
  } else {
    block.writeUInt16BE(frameLen - ETHERNET_LEN - IPV6_LEN, ip + 4)
  }
  if (protocol === TCP) {
    block.writeUInt32BE(sent * 1460, transport + 4)
    block[transport + 13] = flags
  } else {
    block.writeUInt16BE(at + frameLen - transport, transport + 4)
  }
}

/** Which flow each packet is of: every flow at least once, in random order. */
function scatter(random) {
  const order = new Uint32Array(PACKETS)
  for (let packet = 0; packet < PACKETS; packet++) {
    order[packet] = packet < FLOWS ? packet : random() % FLOWS
  }
  for (let packet = PACKETS - 1; packet > 0; packet--) {
    const other = random() % (packet + 1)
    const flow = order[packet]
    order[packet] = order[other]
    order[other] = flow
  }
  return order
}
