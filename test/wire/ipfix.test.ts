import { describe, expect, test } from 'vitest'
import { parseIpv6 } from '../../src/wire/address.js'
import {
  IPFIX_HEADER_LEN,
  IPFIX_SET_HEADER_LEN,
  IPFIX_TEMPLATES_LEN,
  IpfixFlow,
  ipfixRecordLen,
  ipfixTemplateOf,
  putIpfixFlow,
  putIpfixHeader,
  putIpfixSetHeader,
  putIpfixTemplates,
} from '../../src/wire/ipfix.js'
import { hex } from '../support/hex.js'
import { IpfixReader } from '../support/ipfix-reader.js'

function someFlow(flow: Partial<IpfixFlow>): IpfixFlow {
  return Object.assign(
    new IpfixFlow(),
    {
      source: Uint32Array.of(0x0a00_0001, 0, 0, 0),
      destination: Uint32Array.of(0x0a00_0002, 0, 0, 0),
      sourcePort: 0xfedc,
      destinationPort: 443,
      protocol: 6,
      endReason: 3,
      tcpControlBits: 0x1b,
      start: 1_796_040_000_123,
      end: 1_796_040_059_999,
      packets: 3,
      bytes: 2 ** 40 + 5,
      vni: 0xabcdef,
    },
    flow,
  )
}

const IPV6 = {
  isIpv6: true,
  source: parseIpv6('2001:db8::1')!,
  destination: parseIpv6('2001:db8::ffff:2')!,
}

describe('an IPFIX record', () => {
  test('is as RFC 7011 and the registry have it, byte for byte', () => {
    const flow = someFlow({ direction: 'egress' })
    const bytes = Buffer.alloc(ipfixRecordLen(ipfixTemplateOf(flow)), 0xee)
    putIpfixFlow(bytes, 0, flow)
    expect(bytes).toEqual(
      hex`
        0a000001 0a000002 fedc 01bb 06 03 1b
        000001a22c53827b 000001a22c546c5f
        0000000000000003 0000010000000005
        0100000000abcdef 01
      `,
    )
  })

  test.each([
    someFlow({}),
    someFlow({ direction: 'ingress' }),
    someFlow({ direction: 'egress', protocol: 17, tcpControlBits: 0 }),
    someFlow(IPV6),
    someFlow({ ...IPV6, direction: 'ingress' }),
    someFlow({ vni: 0, packets: 0, bytes: Number.MAX_SAFE_INTEGER }),
  ])('is read by its template as what was written: %#', (flow) => {
    const template = ipfixTemplateOf(flow)
    const setLen = IPFIX_SET_HEADER_LEN + ipfixRecordLen(template)
    const length = IPFIX_HEADER_LEN + IPFIX_TEMPLATES_LEN + setLen
    const bytes = Buffer.alloc(length, 0xee)
    putIpfixHeader(bytes, 0, length, 1_796_040_060, 0, 7)
    putIpfixTemplates(bytes, IPFIX_HEADER_LEN)
    const at = IPFIX_HEADER_LEN + IPFIX_TEMPLATES_LEN
    putIpfixSetHeader(bytes, at, template, setLen)
    putIpfixFlow(bytes, at + IPFIX_SET_HEADER_LEN, flow)
    const reader = new IpfixReader()
    reader.message(bytes)
    const addresses = flow.isIpv6
      ? { sourceIPv6Address: '2001:db8::1', destinationIPv6Address: '2001:db8::ffff:2' }
      : { sourceIPv4Address: '10.0.0.1', destinationIPv4Address: '10.0.0.2' }
    const { direction } = flow
    expect(reader.records).toEqual([
      {
        domain: 7,
        ...addresses,
        sourceTransportPort: flow.sourcePort,
        destinationTransportPort: flow.destinationPort,
        protocolIdentifier: flow.protocol,
        flowEndReason: flow.endReason,
        tcpControlBits: flow.tcpControlBits,
        flowStartMilliseconds: flow.start,
        flowEndMilliseconds: flow.end,
        packetDeltaCount: flow.packets,
        octetDeltaCount: flow.bytes,
        layer2SegmentId: `1 ${flow.vni}`,
        ...(direction && { flowDirection: direction === 'ingress' ? 0 : 1 }),
      },
    ])
  })
})
