import { FlowRecord } from '../../src/flow/flow-record.js'
import { parseAddress } from '../../src/wire/address.js'
import type { Random } from '../support/random.js'

type Scalars = Partial<
  Omit<FlowRecord, 'packetSource' | 'packetDestination' | 'interfaceAddress' | 'ipVersion'>
>

export interface SampleRecord extends Scalars {
  source?: string
  destination?: string
  interfaceAddress?: string
}

/** The words of an address as a record holds them: IPv4 in word 0. */
function words(text: string): Uint32Array {
  const address = parseAddress(text)!
  return text.includes(':') ? address : Uint32Array.of(address[3]!, 0, 0, 0)
}

/** A record with the given columns and the defaults of the class. */
export function sampleRecord(columns: SampleRecord): FlowRecord {
  const { source, destination, interfaceAddress, ...scalars } = columns
  const record = Object.assign(new FlowRecord(), scalars)
  if (source !== undefined) record.packetSource.set(words(source))
  if (destination !== undefined) record.packetDestination.set(words(destination))
  if (interfaceAddress !== undefined) record.interfaceAddress = words(interfaceAddress)
  if (source?.includes(':')) record.ipVersion = 6
  return record
}

/** Any record a flow table could emit, small and large values equally likely. */
export function randomRecord(random: Random): FlowRecord {
  const record = new FlowRecord()
  record.status = random.pick(['OK', 'OK', 'OK', 'NODATA', 'SKIPDATA'])
  record.ipVersion = random.pick([4, 6])
  record.direction = random.pick([undefined, 'ingress', 'egress'])
  record.protocol = random.pick([0, 1, 6, 17, 58, 132, 255])
  record.sourcePort = upTo(random, 65_535)
  record.destinationPort = upTo(random, 65_535)
  record.packets = upTo(random, Number.MAX_SAFE_INTEGER)
  record.bytes = upTo(random, Number.MAX_SAFE_INTEGER)
  record.startSeconds = upTo(random, 4_102_444_800)
  record.endSeconds = upTo(random, 4_102_444_800)
  record.windowStart = upTo(random, 4_102_444_800)
  record.windowEnd = record.windowStart + random.pick([60, 600])
  record.vpcTcpFlags = random.below(32)
  randomAddress(random, record.ipVersion, record.packetSource)
  randomAddress(random, record.ipVersion, record.packetDestination)
  if (random.below(2) === 0) {
    record.interfaceAddress = new Uint32Array(4)
    randomAddress(random, record.ipVersion, record.interfaceAddress)
  }
  return record
}

/** A whole number from 0 to `largest` with any number of digits. */
function upTo(random: Random, largest: number): number {
  const digits = 1 + random.below(16)
  const value = random.next() * 0x20_0000 + random.below(0x20_0000)
  return Math.min(value % 10 ** digits, largest)
}

/** Zero groups are made likely: `::` is where addresses go wrong. */
export function randomAddress(random: Random, version: 4 | 6, address: Uint32Array): void {
  address.fill(0)
  if (version === 4) {
    address[0] = random.next()
    return
  }
  for (let word = 0; word < 4; word++) {
    const high = random.pick([0, 0, 0xffff, random.below(0x1_0000), random.below(0x100)])
    const low = random.pick([0, 0, 0xffff, random.below(0x1_0000), random.below(0x100)])
    address[word] = high * 0x1_0000 + low
  }
}
