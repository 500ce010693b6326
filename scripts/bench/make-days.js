/**
 * A capture directory of seven days of ordinary traffic, as `listen` would have left it: two sessions,
 * files of half a gigabyte. Connections begin and end; some 300 are open at a time, of 2,000 hosts
 * with 60,000 others, and a packet is of any of them. Frames have 500 bytes on average. Made from a
 * seed, always the same.
 *
 * Put among it: `FLOW`, one connection within a minute; `HOST`, which has a hundred connections on each day;
 * and ten datagrams to port `RARE_PORT`.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CaptureFile } from './capture-file.js'
import { frameLength, xorshift } from './random.js'

const VERSION = 1
const FILE_LEN = 500_000_000
const DAYS = 7
const DAY = 86_400
/** 2024-01-01T00:00:00Z. */
const START_SECONDS = 1_704_067_200
const SESSIONS = ['vni-7_10.0.0.5', 'vni-8_10.0.0.6']

const OPEN_CONNECTIONS = 300
const HOSTS = 2000
const OTHERS = 60_000
const PACKETS_A_CONNECTION = 60
const MEAN_RECORD_LEN = 540
const SERVICES = [443, 443, 443, 443, 80, 80, 53, 22, 8080, 5432]

export const FLOW = { host: '10.99.0.1', hostPort: 51_234, other: '203.0.113.77', port: 443 }
const FLOW_PACKETS = 400
export const HOST = '10.98.0.1'
const HOST_CONNECTIONS_A_DAY = 100
const HOST_PACKETS = 30
export const RARE_PORT = 5555
const RARE_PACKETS = 10
/** The day of HOST that is looked for. */
export const HOST_DAY = { since: START_SECONDS + 3 * DAY, until: START_SECONDS + 4 * DAY - 1 }

const ETHERNET_LEN = 14
const IPV4_LEN = 20
const TCP = 6
const UDP = 17
const TEMPLATE_LEN = ETHERNET_LEN + IPV4_LEN + 20

/** The directory, made unless it is there: what is in it. `bytes`: about so many. */
export function daysOfCaptures(directory, bytes) {
  const facts = join(directory, 'facts.json')
  if (existsSync(facts)) {
    const known = JSON.parse(readFileSync(facts, 'utf8'))
    if (known.version === VERSION && known.wanted === bytes) return known
    throw new Error(`${directory} holds something else: name another directory`)
  }
  mkdirSync(directory, { recursive: true })
  const made = { version: VERSION, wanted: bytes, ...make(directory, bytes) }
  writeFileSync(facts, `${JSON.stringify(made)}\n`)
  return made
}

function make(directory, bytes) {
  const random = xorshift(0x5eed)
  const noise = Buffer.alloc(65_521)
  for (let at = 0; at < noise.length; at++) noise[at] = random()
  const packets = Math.floor(bytes / MEAN_RECORD_LEN)
  const step = (DAYS * DAY * 1e6) / packets
  const connections = Array.from({ length: OPEN_CONNECTIONS }, () => connection(random))
  const special = specialPackets(random, packets)
  const found = { flow: 0, host: 0, hostDay: 0, rare: 0 }
  /** @type {(ReturnType<typeof open> | undefined)[]} */
  const files = SESSIONS.map(() => undefined)
  const ended = []
  let written = 0
  let next = 0
  for (let packet = 0; packet < packets; packet++) {
    const time = packet * step
    const seconds = START_SECONDS + Math.floor(time / 1e6)
    const microseconds = Math.floor(time % 1e6)
    let of = special[next]
    if (of !== undefined && of.at <= packet) {
      next++
      found[of.kind]++
      if (of.kind === 'host' && seconds >= HOST_DAY.since && seconds <= HOST_DAY.until) {
        found.hostDay++
      }
    } else {
      const index = random() % OPEN_CONNECTIONS
      of = connections[index]
      if (--of.left === 0) connections[index] = connection(random)
    }
    const file = files[of.session] ?? open(directory, of.session, seconds, noise)
    files[of.session] = file
    const frameLen = Math.max(frameLength(random), TEMPLATE_LEN)
    put(file.capture, of, seconds, microseconds, frameLen, random() & 1)
    file.length += 16 + frameLen
    written += 16 + frameLen
    if (file.length >= FILE_LEN) {
      ended.push(file)
      file.capture.close()
      files[of.session] = undefined
    }
  }
  for (const file of files) {
    if (file === undefined) continue
    ended.push(file)
    file.capture.close()
  }
  return { packets, bytes: written, files: ended.map(({ path }) => path).sort(), found }
}

function open(directory, session, seconds, noise) {
  const name = new Date(seconds * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, '')
  mkdirSync(join(directory, SESSIONS[session]), { recursive: true })
  const path = join(directory, SESSIONS[session], `${name}.pcap`)
  return { path, capture: new CaptureFile(path, noise), length: 24 }
}

/** What is looked for, by the packet in whose place it comes. */
function specialPackets(random, packets) {
  const special = []
  const perSecond = packets / (DAYS * DAY)
  const add = (kind, at, of) => special.push({ kind, at: Math.floor(at), ...of })
  const flow = ends(FLOW.host, FLOW.hostPort, FLOW.other, FLOW.port, TCP)
  for (let packet = 0; packet < FLOW_PACKETS; packet++) {
    add('flow', packets * 0.61 + (packet * 60 * perSecond) / FLOW_PACKETS, flow)
  }
  for (let number = 0; number < DAYS * HOST_CONNECTIONS_A_DAY; number++) {
    const of = ends(HOST, 20_000 + number, `198.18.0.${1 + (number % 200)}`, 443, TCP)
    const begins = (packets * (number + 0.5)) / (DAYS * HOST_CONNECTIONS_A_DAY)
    for (let packet = 0; packet < HOST_PACKETS; packet++) add('host', begins + packet * 3, of)
  }
  for (let packet = 0; packet < RARE_PACKETS; packet++) {
    const of = ends(address(10, random() % HOSTS), 40_000, '198.18.1.1', RARE_PORT, UDP)
    add('rare', (packets * (packet + 0.4)) / RARE_PACKETS, of)
  }
  return special.sort((a, b) => a.at - b.at)
}

function connection(random) {
  const host = address(10, random() % HOSTS)
  const other = address(100, random() % OTHERS)
  const protocol = random() % 10 < 8 ? TCP : UDP
  const port = SERVICES[random() % SERVICES.length]
  const of = ends(host, 10_000 + (random() % 50_000), other, port, protocol)
  of.left = 1 + (random() % (2 * PACKETS_A_CONNECTION))
  return of
}

function address(first, number) {
  return `${first}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`
}

/** Headers of both directions, to be copied. */
function ends(host, hostPort, other, port, protocol) {
  const there = template(host, hostPort, other, port, protocol)
  const back = template(other, port, host, hostPort, protocol)
  return { there, back, session: Number(host.split('.')[3]) & 1 }
}

function template(source, sourcePort, destination, destinationPort, protocol) {
  const bytes = Buffer.alloc(TEMPLATE_LEN)
  bytes.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45])
  bytes.set([0x40, 0, 64, protocol], 20)
  bytes.set(source.split('.').map(Number), 26)
  bytes.set(destination.split('.').map(Number), 30)
  bytes.writeUInt16BE(sourcePort, 34)
  bytes.writeUInt16BE(destinationPort, 36)
  if (protocol === TCP) bytes.set([0x50, 0x10, 0xff, 0xff], 46)
  return bytes
}

function put(capture, of, seconds, microseconds, frameLen, isBack) {
  const at = capture.frame(seconds, microseconds, frameLen, frameLen)
  const { block } = capture
  block.set(isBack === 1 ? of.back : of.there, at)
  block.writeUInt16BE(frameLen - ETHERNET_LEN, at + 16)
}
