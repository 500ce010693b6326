import { expect, test } from 'vitest'
import { communityId } from '../../src/application/community-id.js'
import { parseIpv4, parseIpv6 } from '../../src/wire/address.js'

/** The baseline of corelight/community-id-spec; of ICMP a flow does not have what it is made of. */
const BASELINE: readonly (readonly [number, string, string, number, number, string | undefined])[] =
  [
    [58, 'fe80::200:86ff:fe05:80da', 'ff02::2', 133, 134, undefined],
    [1, '192.168.0.89', '192.168.0.1', 8, 0, undefined],
    [
      6,
      '2001:470:e5bf:dead:4957:2174:e82c:4887',
      '2607:f8b0:400c:c03::1a',
      63_943,
      25,
      '1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=',
    ],
    [132, '192.168.170.8', '192.168.170.56', 7, 7, '1:MP2EtRCAUIZvTw6MxJHLV7N7JDs='],
    [6, '128.232.110.120', '66.35.250.204', 34_855, 80, '1:LQU9qZlK+B5F3KDmev6m5PMibrg='],
    [17, '192.168.1.52', '8.8.8.8', 54_585, 53, '1:d/FP5EW3wiY1vCndhwleRRKHowQ='],
    [46, '10.1.12.1', '10.1.12.2', 0, 0, '1:KHlLkgoJW7ifUTyTSgyVfkFHzKw='],
  ]

const words = (address: string): ArrayLike<number> =>
  address.includes(':') ? parseIpv6(address)! : [parseIpv4(address)!]

test.each(BASELINE)(
  'the Community ID of protocol %i between %s and %s is the published one, either way round',
  (protocol, src, dst, sport, dport, id) => {
    const ipVersion = src.includes(':') ? 6 : 4
    const ends = { ipVersion, protocol }
    const there = {
      ...ends,
      packetSource: words(src),
      packetDestination: words(dst),
      sourcePort: sport,
      destinationPort: dport,
    }
    const back = {
      ...ends,
      packetSource: words(dst),
      packetDestination: words(src),
      sourcePort: dport,
      destinationPort: sport,
    }
    expect(communityId(there)).toBe(id)
    expect(communityId(back)).toBe(id)
  },
)
