import { describe, expect, test } from 'vitest'
import {
  FLOW_FILTERS_MAX,
  type FlowFilter,
  parseFlowFilters,
  passesFilters,
} from '../../src/flow/flow-filter.js'
import type { FlowRow } from '../../src/flow/flow-row.js'
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../src/wire/address.js'
import { Random } from '../support/random.js'

interface Ends {
  src: string
  dst: string
  sport?: number
  dport?: number
  protocol?: number
}

function rowOf({ src, dst, sport = 0, dport = 0, protocol = 6 }: Ends): FlowRow {
  const words = (text: string): Uint32Array<ArrayBuffer> =>
    Uint32Array.from(text.includes(':') ? parseIpv6(text)! : [parseIpv4(text)!, 0, 0, 0])
  return {
    session: 1,
    ipVersion: src.includes(':') ? 6 : 4,
    protocol,
    packetSource: words(src),
    packetDestination: words(dst),
    sourcePort: sport,
    destinationPort: dport,
    packets: 1,
    bytes: 40,
    timed: true,
    firstSeconds: 0,
    firstNanoseconds: 0,
    lastSeconds: 0,
    lastNanoseconds: 0,
    tcpFlags: 0,
    state: 'new',
    direction: undefined,
  }
}

function filtersOf(...filters: readonly unknown[]): FlowFilter[] {
  const parsed = parseFlowFilters(filters)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

const at = (AddressDefinition: string) => ({ AddressDefinition })

/** AWS's own example: Network Firewall, StartFlowCapture. */
const EXAMPLE = [
  {
    SourceAddress: at('10.0.0.0/8'),
    DestinationAddress: at('192.0.2.1'),
    SourcePort: '1990:1994',
    DestinationPort: '443',
    Protocols: ['6', '17'],
  },
]

describe('parseFlowFilters', () => {
  test.each([
    ['no filters', []],
    ['all that a filter may hold', EXAMPLE],
    ['a filter that names nothing', [{}]],
    [
      'members that are null, as some SDKs send them',
      [{ SourceAddress: null, SourcePort: null, Protocols: null }],
    ],
    ['no protocols', [{ Protocols: [] }]],
    ['a bare IPv6 address', [{ SourceAddress: at('2001:db8::1') }]],
    ['an IPv6 block', [{ DestinationAddress: at('2001:DB8::/32') }]],
    ['everything by a block', [{ SourceAddress: at('0.0.0.0/0') }, { SourceAddress: at('::/0') }]],
    ['a block with bits behind its prefix', [{ SourceAddress: at('10.1.2.3/8') }]],
    ['the lowest and highest ports', [{ SourcePort: '0', DestinationPort: '0:65535' }]],
    ['a range of one port', [{ SourcePort: '443:443' }]],
    ['any port', [{ SourcePort: 'ANY', DestinationPort: 'ANY' }]],
    ['the lowest and highest protocols', [{ Protocols: ['0', '255'] }]],
    ['as many as AWS takes', new Array(FLOW_FILTERS_MAX).fill({ DestinationPort: '443' })],
  ])('takes %s', (_, value) => {
    const filters = parseFlowFilters(value)
    expect(Array.isArray(filters) && filters.length).toBe(value.length)
  })

  test.each<[unknown, RegExp]>([
    [null, /^FlowFilters must be a list/],
    [{}, /^FlowFilters must be a list/],
    ['[]', /^FlowFilters must be a list/],
    [new Array(21).fill({}), /^FlowFilters holds 21 filters, and 20 is the most/],
    [[null], /^FlowFilters\[0\] must be an object/],
    [[{}, []], /^FlowFilters\[1\] must be an object/],
    [[{}, 'tcp'], /^FlowFilters\[1\] must be an object/],
    [[{ sourcePort: '1' }], /^FlowFilters\[0\]\.sourcePort is not known; .*SourcePort/],
    [[{ Protocol: ['6'] }], /^FlowFilters\[0\]\.Protocol is not known; .*Protocols/],
    [[{ SourceAddress: '10.0.0.1' }], /^FlowFilters\[0\]\.SourceAddress must be \{"AddressDef/],
    [[{ SourceAddress: {} }], /SourceAddress must be/],
    [[{ SourceAddress: [at('10.0.0.1')] }], /SourceAddress must be/],
    [[{ DestinationAddress: { AddressDefinition: 10 } }], /DestinationAddress must be/],
    [
      [{ SourceAddress: { AddressDefinition: '10.0.0.0/8', Except: '10.1.0.0/16' } }],
      /^FlowFilters\[0\]\.SourceAddress\.Except is not known/,
    ],
    [[{ SourceAddress: at('') }], /AddressDefinition "" is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0') }], /"10.0.0" is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0.256') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0.0/33') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0.0/') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0.0/8/8') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('2001:db8::/129') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('::1%eth0') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('example.com') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0.1, 10.0.0.2') }], /is neither an address nor a CIDR block/],
    [[{ SourceAddress: at('10.0.0.1\n') }], /"10.0.0.1\\n" is neither an address nor a CIDR block/],
    [[{ SourcePort: 443 }], /^FlowFilters\[0\]\.SourcePort 443 must be a port/],
    [[{ SourcePort: '' }], /SourcePort "" must be/],
    [[{ SourcePort: 'any' }], /SourcePort "any" must be/],
    [[{ SourcePort: '65536' }], /must be a port/],
    [[{ SourcePort: '1:65536' }], /must be a port/],
    [[{ SourcePort: '1994:1990' }], /must be a port/],
    [[{ SourcePort: '1990-1994' }], /must be a port/],
    [[{ SourcePort: ':1994' }], /must be a port/],
    [[{ SourcePort: '1990:' }], /must be a port/],
    [[{ SourcePort: '-1' }], /must be a port/],
    [[{ SourcePort: '443\n' }], /must be a port/],
    [[{ DestinationPort: ['443'] }], /^FlowFilters\[0\]\.DestinationPort \["443"\] must be/],
    [[{ Protocols: '6' }], /^FlowFilters\[0\]\.Protocols must be a list/],
    [[{ Protocols: ['TCP'] }], /Protocols: "TCP" is no IANA protocol number/],
    [[{ Protocols: [6] }], /Protocols: 6 is no IANA/],
    [[{ Protocols: ['6', '256'] }], /Protocols: "256" is no IANA/],
    [[{ Protocols: [''] }], /Protocols: "" is no IANA/],
    [[{ Protocols: [null] }], /Protocols: null is no IANA/],
    [[{ 'Source\nPort': '1' }], /^FlowFilters\[0\]\.Source\\nPort is not known/],
  ])('refuses %j in one line', (value, says) => {
    const filters = parseFlowFilters(value)
    expect(filters).toEqual(expect.stringMatching(says))
    expect(filters).not.toContain('\n')
  })
})

describe('passesFilters', () => {
  const web: Ends = { src: '10.0.0.1', dst: '192.0.2.1', sport: 1990, dport: 443 }

  test.each<[string, unknown, Ends, boolean]>([
    ['nothing named', {}, web, true],
    ['all of it', EXAMPLE[0], web, true],
    ['all but the protocol', EXAMPLE[0], { ...web, protocol: 1 }, false],
    ['all but the source', EXAMPLE[0], { ...web, src: '11.0.0.1' }, false],
    ['all but the destination', EXAMPLE[0], { ...web, dst: '192.0.2.2' }, false],
    ['all but the source port', EXAMPLE[0], { ...web, sport: 1995 }, false],
    ['all but the destination port', EXAMPLE[0], { ...web, dport: 444 }, false],
    [
      'the other direction',
      EXAMPLE[0],
      { src: web.dst, dst: web.src, sport: 443, dport: 1990 },
      false,
    ],
    ['the low end of a range', { SourcePort: '1990:1994' }, { ...web, sport: 1990 }, true],
    ['the high end of a range', { SourcePort: '1990:1994' }, { ...web, sport: 1994 }, true],
    ['below a range', { SourcePort: '1990:1994' }, { ...web, sport: 1989 }, false],
    ['above a range', { SourcePort: '1990:1994' }, { ...web, sport: 1995 }, false],
    ['any port', { SourcePort: 'ANY' }, { ...web, sport: 0 }, true],
    [
      'a flow without ports by port 0',
      { SourcePort: '0' },
      { ...web, sport: 0, protocol: 1 },
      true,
    ],
    [
      'the first address of a block',
      { SourceAddress: at('10.0.0.0/24') },
      { ...web, src: '10.0.0.0' },
      true,
    ],
    [
      'the last address of a block',
      { SourceAddress: at('10.0.0.0/24') },
      { ...web, src: '10.0.0.255' },
      true,
    ],
    [
      'the one behind a block',
      { SourceAddress: at('10.0.0.0/24') },
      { ...web, src: '10.0.1.0' },
      false,
    ],
    [
      'high addresses',
      { SourceAddress: at('255.255.255.254/31') },
      { ...web, src: '255.255.255.255' },
      true,
    ],
    ['an address alone', { SourceAddress: at('10.0.0.1') }, { ...web, src: '10.0.0.2' }, false],
    ['all of IPv4', { SourceAddress: at('0.0.0.0/0') }, web, true],
    [
      'all of IPv4, seen in IPv6',
      { SourceAddress: at('0.0.0.0/0') },
      { src: '::1', dst: '::2' },
      false,
    ],
    ['all of IPv6, seen in IPv4', { SourceAddress: at('::/0') }, web, false],
    ['IPv4 in IPv6 form is another address', { SourceAddress: at('::ffff:10.0.0.1') }, web, false],
    [
      'a block within a word',
      { DestinationAddress: at('2001:db8::/33') },
      { src: '::1', dst: '2001:db8:8000::' },
      false,
    ],
    [
      'a block of whole words',
      { DestinationAddress: at('2001:db8::/64') },
      { src: '::1', dst: '2001:db8::ffff:0:0:1' },
      true,
    ],
    ['one of several protocols', { Protocols: ['6', '17'] }, { ...web, protocol: 17 }, true],
    ['none of several protocols', { Protocols: ['6', '17'] }, { ...web, protocol: 132 }, false],
    ['protocols that are empty', { Protocols: [] }, { ...web, protocol: 47 }, true],
  ])('%s', (_, filter, ends, passes) => {
    expect(passesFilters(rowOf(ends), filtersOf(filter))).toBe(passes)
  })

  test('everything passes where there is no filter', () => {
    expect(passesFilters(rowOf(web), [])).toBe(true)
  })

  test('one filter that matches is enough, and matches as a whole', () => {
    const filters = filtersOf({ SourcePort: '1', Protocols: ['17'] }, { SourcePort: '1990' })
    expect(passesFilters(rowOf(web), filters)).toBe(true)
    expect(passesFilters(rowOf({ ...web, sport: 1 }), filters)).toBe(false)
    expect(passesFilters(rowOf({ ...web, sport: 1, protocol: 17 }), filters)).toBe(true)
    expect(passesFilters(rowOf({ ...web, sport: 2, protocol: 17 }), filters)).toBe(false)
  })

  test.each([1, 2, 3])('agrees with a slow model, seed %i', (seed) => {
    const random = new Random(seed)
    const passed = [0, 0]
    for (let round = 0; round < 3000; round++) {
      const raw = Array.from({ length: random.below(4) }, () => randomFilter(random))
      const filters = filtersOf(...raw)
      const ends = randomEnds(random)
      const expected = raw.length === 0 || raw.some((filter) => slowMatch(filter, ends))
      passed[Number(expected)]!++
      expect(passesFilters(rowOf(ends), filters), JSON.stringify({ raw, ends })).toBe(expected)
    }
    expect(Math.min(...passed)).toBeGreaterThan(300)
  })
})

interface RawFilter {
  SourceAddress?: { AddressDefinition: string }
  DestinationAddress?: { AddressDefinition: string }
  SourcePort?: string
  DestinationPort?: string
  Protocols?: string[]
}

/** Few different addresses, near each other and near the edges of words. */
function randomAddress(random: Random, v6: boolean): string {
  const word = (): number =>
    (random.pick([0, 0x0a00_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) ^ random.below(4)) >>> 0
  return v6 ? formatIpv6(word(), word(), word(), word()) : formatIpv4(word())
}

function randomEnds(random: Random): Required<Ends> {
  const v6 = random.below(3) === 0
  return {
    src: randomAddress(random, v6),
    dst: randomAddress(random, v6),
    sport: random.below(6),
    dport: random.pick([0, 443, 65_534, 65_535]),
    protocol: random.pick([1, 6, 17, 58]),
  }
}

function randomFilter(random: Random): RawFilter {
  const filter: RawFilter = {}
  const block = () => {
    const v6 = random.below(3) === 0
    const bits = random.below(4) === 0 ? '' : `/${random.below(v6 ? 129 : 33)}`
    return at(`${randomAddress(random, v6)}${bits}`)
  }
  if (random.below(3) === 0) filter.SourceAddress = block()
  if (random.below(3) === 0) filter.DestinationAddress = block()
  if (random.below(3) === 0) {
    const low = random.below(6)
    filter.SourcePort = random.pick(['ANY', `${low}`, `${low}:${low + random.below(4)}`])
  }
  if (random.below(3) === 0) filter.DestinationPort = random.pick(['443', '0:65534', '65535'])
  if (random.below(3) === 0) filter.Protocols = random.pick([[], ['6'], ['17', '1'], ['58', '6']])
  return filter
}

/** By whole numbers of 128 bits and text. */
function slowMatch(filter: RawFilter, ends: Required<Ends>): boolean {
  return (
    slowBlock(filter.SourceAddress, ends.src) &&
    slowBlock(filter.DestinationAddress, ends.dst) &&
    slowPort(filter.SourcePort, ends.sport) &&
    slowPort(filter.DestinationPort, ends.dport) &&
    (filter.Protocols === undefined ||
      filter.Protocols.length === 0 ||
      filter.Protocols.includes(String(ends.protocol)))
  )
}

function slowBlock(block: { AddressDefinition: string } | undefined, address: string): boolean {
  if (block === undefined) return true
  const [first, bits] = block.AddressDefinition.split('/') as [string, string?]
  if (first.includes(':') !== address.includes(':')) return false
  const width = first.includes(':') ? 128 : 32
  const shift = BigInt(width - Number(bits ?? width))
  return wide(first) >> shift === wide(address) >> shift
}

function wide(address: string): bigint {
  const words = address.includes(':') ? [...parseIpv6(address)!] : [parseIpv4(address)!]
  return words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
}

function slowPort(range: string | undefined, port: number): boolean {
  if (range === undefined || range === 'ANY') return true
  const [low, high] = range.split(':') as [string, string?]
  return port >= Number(low) && port <= Number(high ?? low)
}
