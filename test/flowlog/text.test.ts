// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import type { FlowRecord } from '../../src/flow/flow-record.js'
import { CONFIGURED_FIELDS, FIELDS } from '../../src/flowlog/fields.js'
import { parseLogFormat } from '../../src/flowlog/log-format.js'
import { NO_METADATA, SessionMetadata } from '../../src/flowlog/metadata.js'
import { RecordLine } from '../../src/flowlog/text.js'
import { Random } from '../support/random.js'
import { randomRecord, sampleRecord } from './sample-records.js'

/** `a b c` as a log format. */
const formatOf = (names: string) => parseLogFormat(names.replace(/[a-z0-9-]+/g, '${$&}'))

const ALL = FIELDS.map(({ name }) => name).join(' ')

/** The line of a record, written at an odd place of a dirty block; checks that it stays where it may. */
function lineOf(
  record: FlowRecord,
  metadata: SessionMetadata,
  encoder = new RecordLine(parseLogFormat(undefined)),
): string {
  const longest = encoder.maxLineLength(metadata)
  const block = Buffer.alloc(longest + 20, 0xa5)
  const past = encoder.encode(record, metadata, block, 5)
  expect(past - 5).toBeLessThanOrEqual(longest)
  expect(block.subarray(0, 5).every((octet) => octet === 0xa5)).toBe(true)
  expect(block.subarray(5 + longest).every((octet) => octet === 0xa5)).toBe(true)
  expect(block[past - 1]).toBe(0x0a)
  return block.toString('latin1', 5, past - 1)
}

const INTERFACE = new SessionMetadata({
  'account-id': '123456789010',
  'interface-id': 'eni-1235b8ca123456789',
})

/** The examples of "Flow log record examples" (VPC User Guide) that a mirror can see. */
describe('RecordLine', () => {
  test('writes the accepted SSH flow of the guide', () => {
    const record = sampleRecord({
      source: '172.31.16.139',
      destination: '172.31.16.21',
      sourcePort: 20641,
      destinationPort: 22,
      protocol: 6,
      packets: 20,
      bytes: 4249,
      startSeconds: 1418530010,
      endSeconds: 1418530070,
    })
    expect(lineOf(record, INTERFACE)).toBe(
      '2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK',
    )
  })

  test('writes the ping of the guide, ports 0', () => {
    const record = sampleRecord({
      source: '203.0.113.12',
      destination: '172.31.16.139',
      protocol: 1,
      packets: 4,
      bytes: 336,
      startSeconds: 1432917027,
      endSeconds: 1432917142,
    })
    expect(lineOf(record, INTERFACE)).toBe(
      '2 123456789010 eni-1235b8ca123456789 203.0.113.12 172.31.16.139 0 0 1 4 336 1432917027 1432917142 ACCEPT OK',
    )
  })

  test('writes the IPv6 flow of the guide', () => {
    const record = sampleRecord({
      source: '2001:db8:1234:a100:8d6e:3477:df66:f105',
      destination: '2001:db8:1234:a102:3304:8879:34cf:4071',
      sourcePort: 34892,
      destinationPort: 22,
      protocol: 6,
      packets: 54,
      bytes: 8855,
      startSeconds: 1477913708,
      endSeconds: 1477913820,
    })
    expect(lineOf(record, INTERFACE)).toBe(
      '2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK',
    )
  })

  test.each(['NODATA', 'SKIPDATA'] as const)('writes the %s line of the guide', (status) => {
    const record = sampleRecord({ status, windowStart: 1431280876, windowEnd: 1431280934 })
    expect(lineOf(record, INTERFACE)).toBe(
      `2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - ${status}`,
    )
  })

  test.each([
    { flags: 2, from: 'client', bytes: 568, packets: 8, start: 1566848875, end: 1566848933 },
    { flags: 18, from: 'server', bytes: 376, packets: 7, start: 1566848875, end: 1566848933 },
    { flags: 1, from: 'server', bytes: 63388, packets: 1219, start: 1566848933, end: 1566849113 },
    {
      flags: 1,
      from: 'client',
      bytes: 23294588,
      packets: 15774,
      start: 1566848933,
      end: 1566849113,
    },
    { flags: 3, from: 'client', bytes: 1260, packets: 17, start: 1566933133, end: 1566933193 },
    { flags: 19, from: 'server', bytes: 967, packets: 14, start: 1566933133, end: 1566933193 },
  ])('writes the TCP flag sequence of the guide: $flags from the $from', (row) => {
    const format = formatOf(
      'version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr pkt-dstaddr protocol bytes packets start end action tcp-flags log-status',
    )
    const metadata = new SessionMetadata({
      'vpc-id': 'vpc-abcdefab012345678',
      'subnet-id': 'subnet-aaaaaaaa012345678',
      'instance-id': 'i-01234567890123456',
      'interface-id': 'eni-1235b8ca123456789',
      'account-id': '123456789010',
    })
    const client = { address: '52.213.180.42', port: 43416 }
    const server = { address: '10.0.0.62', port: 5001 }
    const [near, far] = row.from === 'client' ? [client, server] : [server, client]
    const record = sampleRecord({
      source: near.address,
      destination: far.address,
      sourcePort: near.port,
      destinationPort: far.port,
      protocol: 6,
      bytes: row.bytes,
      packets: row.packets,
      startSeconds: row.start,
      endSeconds: row.end,
      vpcTcpFlags: row.flags,
    })
    const ends = `${near.address} ${far.address}`
    expect(lineOf(record, metadata, new RecordLine(format))).toBe(
      `3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 eni-1235b8ca123456789 123456789010 IPv4 ${ends} ${near.port} ${far.port} ${ends} 6 ${row.bytes} ${row.packets} ${row.start} ${row.end} ACCEPT ${row.flags} OK`,
    )
  })

  test.each([
    ['ingress', '10.0.1.5', '203.0.113.5', '10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5'],
    ['egress', '10.0.0.220', '203.0.113.5', '10.0.0.220 203.0.113.5 10.0.0.220 203.0.113.5'],
    ['ingress', '203.0.113.5', '10.0.0.220', '203.0.113.5 10.0.0.220 203.0.113.5 10.0.0.220'],
    ['egress', '203.0.113.5', '10.0.1.5', '10.0.0.220 10.0.1.5 203.0.113.5 10.0.1.5'],
    [undefined, '203.0.113.5', '10.0.1.5', '203.0.113.5 10.0.1.5 203.0.113.5 10.0.1.5'],
  ] as const)(
    'writes the NAT gateway of the guide: %s from %s to %s',
    (direction, source, destination, addresses) => {
      const format = formatOf('instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr')
      const record = sampleRecord({
        source,
        destination,
        direction,
        interfaceAddress: '10.0.0.220',
      })
      expect(lineOf(record, INTERFACE, new RecordLine(format))).toBe(
        `- eni-1235b8ca123456789 ${addresses}`,
      )
    },
  )

  test('writes the egress flow to S3 of the guide but for the service, which packets do not tell', () => {
    const format = formatOf(
      'version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id vpc-id subnet-id instance-id interface-id region az-id sublocation-type sublocation-id action tcp-flags pkt-srcaddr pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service traffic-path flow-direction log-status',
    )
    const metadata = new SessionMetadata({
      'account-id': '123456789012',
      'vpc-id': 'vpc-abcdefab012345678',
      'subnet-id': 'subnet-aaaaaaaa012345678',
      'instance-id': 'i-0c50d5961bcb2d47b',
      'interface-id': 'eni-1235b8ca123456789',
      region: 'ap-southeast-2',
      'az-id': 'apse2-az3',
      'traffic-path': '8',
    })
    const flow = {
      source: '10.0.0.71',
      destination: '52.95.128.179',
      sourcePort: 34210,
      destinationPort: 80,
      protocol: 6,
      startSeconds: 1616729292,
      endSeconds: 1616729349,
      packets: 7,
      bytes: 471,
      vpcTcpFlags: 3,
      interfaceAddress: '10.0.0.71',
    }
    const encoder = new RecordLine(format)
    const egress = sampleRecord({ ...flow, direction: 'egress' })
    expect(lineOf(egress, metadata, encoder)).toBe(
      '5 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 IPv4 7 471 123456789012 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b eni-1235b8ca123456789 ap-southeast-2 apse2-az3 - - ACCEPT 3 10.0.0.71 52.95.128.179 - - 8 egress OK',
    )
    const ingress = sampleRecord({
      ...flow,
      source: flow.destination,
      destination: flow.source,
      direction: 'ingress',
    })
    expect(lineOf(ingress, metadata, encoder)).toMatch(/ - - - ingress OK$/)
  })

  test.each([
    [17, 18, '0'],
    [6, 0, '0'],
    [6, 23, '23'],
  ])('writes the flags of protocol %i with %i recorded as %s', (protocol, vpcTcpFlags, text) => {
    const record = sampleRecord({ protocol, vpcTcpFlags })
    expect(lineOf(record, NO_METADATA, new RecordLine(formatOf('tcp-flags')))).toBe(text)
  })

  /** Of a flow with everything configured, of the same without, and of NODATA with everything configured. */
  const ALONE: Record<string, readonly [string, string, string]> = {
    version: ['2', '2', '2'],
    srcaddr: ['10.0.0.9', '10.0.0.9', '-'],
    dstaddr: ['192.0.2.7', '192.0.2.7', '-'],
    srcport: ['40000', '40000', '-'],
    dstport: ['443', '443', '-'],
    protocol: ['6', '6', '-'],
    packets: ['12', '12', '-'],
    bytes: ['5000000000', '5000000000', '-'],
    start: ['1700000001', '1700000001', '1700000000'],
    end: ['1700000058', '1700000058', '1700000060'],
    action: ['ACCEPT', 'ACCEPT', '-'],
    'log-status': ['OK', 'OK', 'NODATA'],
    'tcp-flags': ['19', '19', '-'],
    type: ['IPv4', 'IPv4', '-'],
    'pkt-srcaddr': ['10.0.0.10', '10.0.0.10', '-'],
    'pkt-dstaddr': ['192.0.2.7', '192.0.2.7', '-'],
    'pkt-src-aws-service': ['-', '-', '-'],
    'pkt-dst-aws-service': ['-', '-', '-'],
    'flow-direction': ['egress', 'egress', '-'],
    'traffic-path': ['101', '-', '-'],
    'reject-reason': ['102', '-', '-'],
    'encryption-status': ['103', '-', '-'],
    'next-hop-interface-id': ['104', '-', '-'],
    'next-hop-subnet-id': ['105', '-', '-'],
    'next-hop-az-id': ['106', '-', '-'],
    'next-hop-vpc-id': ['107', '-', '-'],
    'next-hop-interface-type': ['108', '-', '-'],
  }
  // What describes the interface holds without traffic too.
  const everything: Record<string, string> = {}
  for (const [index, { name }] of CONFIGURED_FIELDS.entries()) {
    everything[name] = ALONE[name]?.[0] ?? String(200 + index)
    ALONE[name] ??= [everything[name], '-', everything[name]]
  }
  const configured = new SessionMetadata(everything)
  const flow = sampleRecord({
    source: '10.0.0.10',
    destination: '192.0.2.7',
    interfaceAddress: '10.0.0.9',
    direction: 'egress',
    sourcePort: 40000,
    destinationPort: 443,
    protocol: 6,
    packets: 12,
    bytes: 5_000_000_000,
    startSeconds: 1700000001,
    endSeconds: 1700000058,
    windowStart: 1700000000,
    windowEnd: 1700000060,
    vpcTcpFlags: 19,
  })
  const quiet = sampleRecord({
    ...flow,
    source: '10.0.0.10',
    status: 'NODATA',
    interfaceAddress: '10.0.0.9',
  })

  test.each(FIELDS.map(({ name }) => name))('writes %s alone', (name) => {
    const encoder = new RecordLine(formatOf(name))
    const version = name === 'version' ? '2' : undefined
    const [full, bare, without] = ALONE[name]!
    expect(lineOf(flow, configured, encoder)).toBe(version ?? full)
    expect(lineOf(flow, NO_METADATA, encoder)).toBe(version ?? bare)
    expect(lineOf(quiet, configured, encoder)).toBe(version ?? without)
    expect(encoder.headerLine()).toBe(`${name}\n`)
  })

  test('writes all fields at once', () => {
    const encoder = new RecordLine(formatOf(ALL))
    const expected = FIELDS.map(({ name }) => (name === 'version' ? '11' : ALONE[name]![0]))
    expect(lineOf(flow, configured, encoder)).toBe(expected.join(' '))
    expect(encoder.headerLine()).toBe(`${ALL}\n`)
  })

  test('writes the header of the default format', () => {
    expect(new RecordLine(parseLogFormat(undefined)).headerLine()).toBe(
      'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n',
    )
  })

  test.each([1, 2, 3])(
    'never writes an empty field, whatever the record and the format, seed %i',
    (seed) => {
      const random = new Random(seed)
      const names = FIELDS.map(({ name }) => name)
      for (let run = 0; run < 400; run++) {
        const chosen = Array.from({ length: 1 + random.below(20) }, () => random.pick(names))
        const encoder = new RecordLine(formatOf(chosen.join(' ')))
        const line = lineOf(randomRecord(random), random.pick([NO_METADATA, configured]), encoder)
        expect(line).toMatch(/^[\x21-\x7e]+( [\x21-\x7e]+)*$/)
        expect(line.split(' ')).toHaveLength(encoder.headerLine().split(' ').length)
      }
    },
  )

  test('keeps within its announced length with the longest values', () => {
    const metadata = new SessionMetadata({
      'instance-tag': 'x'.repeat(3000),
      'asg-tag': 'é'.repeat(500),
    })
    const line = lineOf(flow, metadata, new RecordLine(formatOf(ALL)))
    expect(line.length).toBeGreaterThan(6000)
  })
})
