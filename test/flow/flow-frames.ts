import { putU32 } from '../../src/wire/bytes.js'
import { Frame } from '../../src/wire/frame.js'
import { TCP_ACKNOWLEDGMENT, TCP_SEQUENCE } from '../../src/wire/tcp.js'
import type { Random } from '../support/random.js'

/** Address words; IPv4 in the first, the others 0. */
export type Words = readonly [number, number, number, number]

/** What names one flow, that is one direction of a connection, in plain data. */
export interface FlowName {
  session: number
  version: 4 | 6
  protocol: number
  source: Words
  destination: Words
  sourcePort: number
  destinationPort: number
}

/** Where the addresses lie in the memory of `frameOf`; not 0, so that an offset left out is found. */
const SOURCE_AT = 3
const DESTINATION_AT = 21
const TRANSPORT_AT = 40

/** Of a TCP segment. */
export interface Numbers {
  sequence: number
  acknowledgment: number
}

/** A frame in which just what the flow table reads is filled in. */
export function frameOf(
  name: FlowName,
  tcpFlags = 0,
  ipLength = 40,
  out = new Frame(),
  numbers: Numbers = { sequence: 0, acknowledgment: 0 },
): Frame {
  if (out.bytes.length === 0) out.bytes = Buffer.alloc(60, 0xa5)
  out.ipVersion = name.version
  out.srcAt = SOURCE_AT
  out.dstAt = DESTINATION_AT
  for (let word = 0; word < (name.version === 4 ? 1 : 4); word++) {
    putU32(out.bytes, SOURCE_AT + 4 * word, name.source[word]!)
    putU32(out.bytes, DESTINATION_AT + 4 * word, name.destination[word]!)
  }
  out.protocol = name.protocol
  out.srcPort = name.sourcePort
  out.dstPort = name.destinationPort
  out.tcpFlags = tcpFlags
  out.ipLength = ipLength
  out.transportAt = TRANSPORT_AT
  putU32(out.bytes, TRANSPORT_AT + TCP_SEQUENCE, numbers.sequence)
  putU32(out.bytes, TRANSPORT_AT + TCP_ACKNOWLEDGMENT, numbers.acknowledgment)
  return out
}

export function reversed(name: FlowName): FlowName {
  return {
    ...name,
    source: name.destination,
    destination: name.source,
    sourcePort: name.destinationPort,
    destinationPort: name.sourcePort,
  }
}

export function flowText(name: FlowName): string {
  const from = `${name.source.join('.')}:${name.sourcePort}`
  const to = `${name.destination.join('.')}:${name.destinationPort}`
  return `session ${name.session} ip${name.version} protocol ${name.protocol} ${from} > ${to}`
}

/** Which way the flow runs in its connection: 0 from the lower endpoint to the higher, else 1. */
export function directionOf(name: FlowName): 0 | 1 {
  for (let word = 0; word < 4; word++) {
    if (name.source[word] !== name.destination[word]) {
      return name.source[word]! < name.destination[word]! ? 0 : 1
    }
  }
  return name.sourcePort <= name.destinationPort ? 0 : 1
}

/** The same text for both directions of a connection, and for no other. */
export function connectionText(name: FlowName): string {
  return flowText(directionOf(name) === 0 ? name : reversed(name))
}

/**
 * A flow between few hosts and few ports, so that names repeat, meet from both
 * sides, and differ in a single field. Also land packets (both ends the same).
 */
export function randomFlowName(random: Random, sessions = 3): FlowName {
  const version = random.pick([4, 4, 6] as const)
  const protocol = random.pick([6, 6, 6, 17, 17, version === 4 ? 1 : 58, 47])
  const hasPorts = protocol === 6 || protocol === 17
  return {
    session: random.below(sessions),
    version,
    protocol,
    source: randomAddress(random, version),
    destination: randomAddress(random, version),
    sourcePort: hasPorts ? random.pick(PORTS) : 0,
    destinationPort: hasPorts ? random.pick(PORTS) : 0,
  }
}

const PORTS = [0, 53, 443, 65_535]

function randomAddress(random: Random, version: 4 | 6): Words {
  const first = random.pick([0, 0x0a000001, 0x0a000002, 0x8000_0000, 0xffff_ffff])
  if (version === 4) return [first, 0, 0, 0]
  // The first word of IPv6 addresses may be that of an IPv4 address, and the rest nothing.
  const last = random.pick([0, 0, 1, 0xffff_ffff])
  return [first, random.pick([0, 0, 7]), random.pick([0, 0, 7]), last]
}
