import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { flowLog } from '../../src/library/capture-files.js'
import type { FlowLogRecord } from '../../src/library/flow-log-record.js'
import { type Listener, type ListenOptions, listen } from '../../src/library/listen.js'
import type { PacketStream } from '../../src/library/streams.js'
import { readCapture } from '../../src/pcap/reader.js'
import { emitVxlan, VXLAN_HEADER_LEN } from '../../src/wire/vxlan.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

async function framesOf(path: string): Promise<Buffer[]> {
  const frames: Buffer[] = []
  await readCapture(path, ({ bytes, start, end }) => {
    frames.push(Buffer.from(bytes.subarray(start, end)))
  })
  return frames
}

const frames = await framesOf(SAMPLE)

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function listenHere(options: ListenOptions = {}): Promise<Listener> {
  const listener = await listen({ host: '127.0.0.1', port: 0, ...options })
  open.push(listener)
  return listener
}

/** Sends frames in VXLAN, and waits until all are received. */
async function send(listener: Listener, vni: number, sent: readonly Buffer[]): Promise<void> {
  const sender = await UdpSender.open('127.0.0.1')
  open.push(sender)
  const before = listener.stats().received
  for (const frame of sent) {
    const datagram = Buffer.alloc(VXLAN_HEADER_LEN + frame.length)
    frame.copy(datagram, emitVxlan({ vni }, datagram, 0))
    await sender.send(datagram, listener.address.port, '127.0.0.1')
  }
  await expect.poll(() => listener.stats().received).toBe(before + sent.length)
}

async function bytesOf(packets: PacketStream): Promise<Buffer[]> {
  const kept: Buffer[] = []
  for await (const { bytes, start, end } of packets) {
    kept.push(Buffer.from(bytes.subarray(start, end)))
  }
  return kept
}

/** Both ends, packets and bytes of each flow, without times. */
function totals(records: readonly FlowLogRecord[]): string[] {
  return records
    .map(({ pktSrcAddr, srcPort, pktDstAddr, dstPort, packets, bytes }) =>
      [pktSrcAddr, srcPort, pktDstAddr, dstPort, packets, bytes].join(' '),
    )
    .sort()
}

describe.each(['dgram', 'auto'] as const)('listen with %s', (receiver) => {
  test('gives packets, flows and records, and a capture, to the loops that ask for them', async () => {
    const directory = temporaryDirectory()
    const listener = await listenHere({ receiver, captures: { directory } })
    const packets = listener.packets()
    const dns = listener.packets({ filter: 'udp port 53 and vni 7' })
    const records = listener.records()
    await send(listener, 7, frames)

    const name = 'vni-7_127.0.0.1'
    const flows = await listener.flows()
    expect(flows.length).toBeGreaterThan(0)
    for (const flow of flows) expect(flow).toMatchObject({ session: name, vni: 7 })

    const closing = listener.close()
    expect(await bytesOf(packets)).toEqual(frames)
    expect(await bytesOf(dns)).toHaveLength(4)
    const found: FlowLogRecord[] = []
    for await (const record of records) found.push(record)
    const expected: FlowLogRecord[] = []
    // One window, as the packets came within it but at a boundary.
    for await (const record of flowLog(SAMPLE, { aggregationSeconds: 86_400 }))
      expected.push(record)
    const isSplit = new Set(found.map(({ windowEndSeconds }) => windowEndSeconds)).size > 1
    if (!isSplit) expect(totals(found)).toEqual(totals(expected))
    expect(found.every(({ session }) => session === name)).toBe(true)

    expect(await closing).toMatchObject({ received: 118, accepted: 118, kernelLost: 0 })
    const [file] = readdirSync(join(directory, name))
    expect(await framesOf(join(directory, name, file!))).toEqual(frames)
  })
})

test('a packet is lent until the next is asked for, and its copy is kept', async () => {
  const listener = await listenHere()
  const packets = listener.packets()
  await send(listener, 7, frames.slice(0, 2))
  const all = packets[Symbol.asyncIterator]()
  const first = (await all.next()).value!
  const copy = first.copy()
  const second = (await all.next()).value!
  expect(second).toBe(first)
  expect(Buffer.from(copy.bytes)).toEqual(frames[0])
  expect(copy.session).toEqual({ name: 'vni-7_127.0.0.1', vni: 7, source: '127.0.0.1' })
  await all.return()
  // Its loop is left: nothing is kept for it any more.
  await send(listener, 7, frames.slice(0, 2))
  expect((await all.next()).done).toBe(true)
})

test('who is slow loses packets and records in a counter, and holds nothing up', async () => {
  const listener = await listenHere()
  const packets = listener.packets({ bufferBytes: 1 })
  const records = listener.records({ maxWaiting: 3 })
  for (let round = 0; round < 6; round++) await send(listener, 7, frames)
  const { received, accepted } = await listener.close()
  expect([received, accepted]).toEqual([6 * 118, 6 * 118])
  const kept = await bytesOf(packets)
  expect(kept.length).toBeGreaterThan(100)
  expect(packets.lost).toBe(6 * 118 - kept.length)
  expect(packets.lost).toBeGreaterThan(0)
  // Those that found room are whole, and in their order; past the first that did not, small ones may.
  expect(kept.slice(0, 300)).toEqual([...frames, ...frames, ...frames].slice(0, 300))
  for (const one of kept) expect(frames.some((frame) => frame.equals(one))).toBe(true)
  let count = 0
  for await (const _ of records) count++
  expect(count).toBe(3)
  expect(records.lost).toBeGreaterThan(10)
})

test('mirror sessions given as resources have their names, rules and packet lengths', async () => {
  const listener = await listenHere({
    unknownSessions: 'drop',
    resources: {
      TrafficMirrorFilters: [
        {
          TrafficMirrorFilterId: 'tmf-udp',
          IngressFilterRules: [rule({ Protocol: 17 })],
          EgressFilterRules: [rule({ Protocol: 17 })],
        },
      ],
      TrafficMirrorTargets: [{ TrafficMirrorTargetId: 'tmt-here', Address: '127.0.0.1:4789' }],
      NetworkInterfaces: [{ NetworkInterfaceId: 'eni-1', PrivateIpAddress: '127.0.0.1' }],
      TrafficMirrorSessions: [
        {
          TrafficMirrorSessionId: 'tms-udp',
          TrafficMirrorFilterId: 'tmf-udp',
          TrafficMirrorTargetId: 'tmt-here',
          NetworkInterfaceId: 'eni-1',
          SessionNumber: 1,
          VirtualNetworkId: 7,
          PacketLength: 40,
        },
      ],
    },
  })
  const packets = listener.packets()
  await send(listener, 7, frames)
  await send(listener, 8, frames.slice(0, 3))
  const closing = listener.close()
  const seen: unknown[] = []
  for await (const { session, start, end } of packets) seen.push([session.name, end - start])
  expect(seen).toEqual(Array(seen.length).fill(['tms-udp', 40]))
  const { filtered, unknownSession } = await closing
  expect([seen.length + filtered, unknownSession]).toEqual([118, 3])
})

function rule(of: object): object {
  return {
    RuleNumber: 1,
    RuleAction: 'accept',
    SourceCidrBlock: '0.0.0.0/0',
    DestinationCidrBlock: '0.0.0.0/0',
    ...of,
  }
}

test('what is wrong has a code, and leaves nothing behind', async () => {
  const { port } = (await listenHere({ receiver: 'dgram' })).address
  const failure = async (options: ListenOptions): Promise<unknown> => {
    const error = await listen({ host: '127.0.0.1', port: 0, ...options }).catch((what) => what)
    expect(error).toBeInstanceOf(OperatorError)
    expect((error as Error).message).not.toMatch(/ --[a-z]/)
    return (error as OperatorError).code
  }
  expect(await failure({ port, receiver: 'dgram' })).toBe('EADDRINUSE')
  expect(await failure({ filter: 'tcp prot 1' })).toBe('ERR_FILTER')
  expect(await failure({ logFormat: '${nope}' })).toBe('ERR_LOG_FORMAT')
  expect(await failure({ resources: { TrafficMirrorSessions: [{}] } })).toBe('ERR_OPTION')
  const directory = join(temporaryDirectory(), 'captures')
  expect(await failure({ port, receiver: 'dgram', captures: { directory } })).toBe('EADDRINUSE')
  expect(() => readdirSync(directory)).toThrow('ENOENT')
})
