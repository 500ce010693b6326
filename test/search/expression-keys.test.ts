import { describe, expect, test } from 'vitest'
import { ExpressionFilter } from '../../src/filter/expression-filter.js'
import { parseExpression } from '../../src/filter/parser.js'
import { expressionTerms, type Term } from '../../src/search/expression-keys.js'
import { addFrameKeys } from '../../src/search/frame-keys.js'
import { KeySet, mayHold } from '../../src/search/key-filter.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { Packet } from '../../src/wire/packet.js'
import { EXPRESSIONS } from '../filter/expressions.js'
import { everyPrefix, onOtherLinks, sampleFrames } from '../filter/frame-collection.js'
import { ethernet, ip4, tcp4, tcp6, udp4, vlan } from '../support/frames.js'
import type { Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'

const PROBES = 7
const NOBODY = { vni: null, name: null }

const keys = new KeySet()

/** A filter of one frame, so large that hardly anything else seems to be in it. */
function filterOfFrame(frame: Buffer, linkType: number): Uint8Array {
  keys.clear()
  addFrameKeys(frame, 0, frame.length, linkType, keys)
  const filter = new Uint8Array(512)
  keys.putInto(filter, PROBES)
  return filter
}

function mayMatch(terms: readonly Term[], filter: Uint8Array): boolean {
  return terms.some(
    ({ keys, also }) =>
      keys.every((key) => mayHold(filter, PROBES, key)) &&
      also.every((others) => mayMatch(others, filter)),
  )
}

/** Expressions by which a frame is selected and its keys would have it skipped. */
function wronglySkipped(
  shots: readonly Shot[],
  linkType: number,
  expressions: readonly string[],
): string[] {
  const filters = shots.map(({ frame }) => filterOfFrame(frame, linkType))
  const packet = new Packet()
  const frame = new Frame()
  packet.linkType = linkType
  return expressions.flatMap((text) => {
    const wanted = new ExpressionFilter(text)
    const terms = expressionTerms(parseExpression(text), linkType)
    return shots.flatMap(({ frame: octets, originalLength }, index) => {
      packet.bytes = octets
      packet.end = octets.length
      packet.originalLength = originalLength ?? octets.length
      if (!wanted.accepts(packet, frame, NOBODY) || mayMatch(terms, filters[index]!)) return []
      return [`"${text}": frame ${index} of link type ${linkType}: ${octets.toString('hex')}`]
    })
  })
}

function isAccepted(text: string): boolean {
  try {
    new ExpressionFilter(text)
    return true
  } catch {
    return false
  }
}

describe('no frame that an expression accepts is excluded by its keys', () => {
  test('of one frame of each kind, cut at every length', () => {
    expect(wronglySkipped(everyPrefix(sampleFrames()), LINKTYPE_ETHERNET, EXPRESSIONS)).toEqual([])
  })

  test('of the same frames on other link types', () => {
    const frames = [...onOtherLinks(sampleFrames())]
    for (const [turn, [linkType, shots]] of frames.entries()) {
      const some = EXPRESSIONS.filter((_, index) => index % frames.length === turn)
      expect(wronglySkipped(shots, linkType, some)).toEqual([])
    }
  })

  test.each([1, 2, 3])('by expressions put together at random, seed %i', (seed) => {
    const random = new Random(seed)
    const parts = EXPRESSIONS.filter((text) => text !== '')
    const make = (depth: number): string => {
      if (depth === 0) return random.pick(parts)
      const joined = `${make(depth - 1)} ${random.pick(['and', 'or'])} ${make(depth - 1)}`
      return random.pick([joined, `(${joined})`, `not (${joined})`])
    }
    const expressions = Array.from({ length: 200 }, () => make(1 + random.below(3)))
    const accepted = expressions.filter(isAccepted)
    expect(accepted.length).toBeGreaterThan(50)
    const shots = sampleFrames().map((frame) => ({ frame }))
    expect(wronglySkipped(shots, LINKTYPE_ETHERNET, accepted)).toEqual([])
  })
})

describe('the keys of an expression exclude', () => {
  const web = ethernet(tcp4({ src: '10.1.2.3', dst: '10.9.9.9', sport: 40_000, dport: 443 }))
  const web6 = ethernet(tcp6({ src: '2001:db8::1', dst: '2001:db8::2', sport: 40_000, dport: 443 }))
  const dns = vlan([7], ethernet(udp4({ src: '10.1.2.3', dst: '10.9.9.9', sport: 53, dport: 53 })))
  const gre = ethernet(ip4({ src: '10.1.2.3', dst: '10.9.9.9', protocol: 47 }))

  // Whether each may match web, web6, dns and gre. A key does not tell how many tags stand before it.
  test.each([
    ['host 10.1.2.3', [true, false, true, true]],
    ['host 10.1.2.4', [false, false, false, false]],
    ['net 10.1.0.0/20', [true, false, true, true]],
    ['net 10.2.0.0/20', [false, false, false, false]],
    ['net 10.0.0.0/7', [true, false, true, true]],
    ['net 2001:db8::/33', [false, true, false, false]],
    ['net 2001:db9::/33', [false, false, false, false]],
    ['host 10.1.2.3 and host 10.9.9.9', [true, false, true, true]],
    ['host 10.1.2.3 and host 10.9.9.8', [false, false, false, false]],
    ['host 10.1.2.3 and host 10.9.9.9 and port 40000 and port 443', [true, false, false, false]],
    ['port 40000 and port 443', [true, true, false, false]],
    ['udp port 443', [false, false, false, false]],
    ['vlan', [false, false, true, false]],
    ['vlan 8', [false, false, false, false]],
    ['vlan 7 and host 10.1.2.3 and udp port 53', [false, false, true, false]],
    ['proto gre', [false, false, false, true]],
    ['ip proto 47 or vlan', [false, false, true, true]],
    ['ether host 02:00:00:00:00:99', [false, false, false, false]],
    ['tcp and arp', [false, false, false, false]],
    ['not tcp', [true, true, true, true]],
    ['vlan or host 10.1.2.3', [true, true, true, true]],
  ])('what cannot match %s', (text, expected) => {
    const terms = expressionTerms(parseExpression(text), LINKTYPE_ETHERNET)
    const found = [web, web6, dns, gre].map((frame) =>
      mayMatch(terms, filterOfFrame(frame, LINKTYPE_ETHERNET)),
    )
    expect(found).toEqual(expected)
  })

  test('what matches none of thousands of hosts, and nothing where there are too many', () => {
    const hosts = (count: number): string =>
      Array.from({ length: count }, (_, index) => `host 172.16.${index >>> 8}.${index & 255}`).join(
        ' or ',
      )
    const few = expressionTerms(parseExpression(hosts(300)), LINKTYPE_ETHERNET)
    expect(mayMatch(few, filterOfFrame(web, LINKTYPE_ETHERNET))).toBe(false)
    const both = expressionTerms(
      parseExpression(`(${hosts(300)}) and tcp port 443`),
      LINKTYPE_ETHERNET,
    )
    expect(mayMatch(both, filterOfFrame(web, LINKTYPE_ETHERNET))).toBe(false)
    const many = expressionTerms(parseExpression(hosts(1000)), LINKTYPE_ETHERNET)
    expect(mayMatch(many, filterOfFrame(web, LINKTYPE_ETHERNET))).toBe(true)
  })
})
