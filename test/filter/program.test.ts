import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { any, type Condition, type Field, not } from '../../src/filter/condition.js'
import { conditionOf } from '../../src/filter/conditions.js'
import { parseExpression } from '../../src/filter/parser.js'
import { Program } from '../../src/filter/program.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { Packet } from '../../src/wire/packet.js'
import { Random } from '../support/random.js'
import { EXPRESSIONS } from './expressions.js'
import { everyPrefix, onOtherLinks, sampleFrames } from './frame-collection.js'
import { evaluate, NotThere } from './plain-evaluation.js'

const NOT_MIRRORED = { vni: null, name: null }
const frame = new Frame()

/** A frame in the midst of other memory, all of it different in each call. */
function packetOf(octets: Buffer, random: Random, originalLength = octets.length): Packet {
  const packet = new Packet()
  const before = random.bytes(random.below(40))
  packet.bytes = Buffer.concat([before, octets, random.bytes(60)])
  packet.start = before.length
  packet.end = packet.start + octets.length
  packet.originalLength = originalLength
  return packet
}

function conditions(linkType: number): { text: string; condition: Condition }[] {
  return EXPRESSIONS.flatMap((text) => {
    try {
      return [{ text, condition: conditionOf(parseExpression(text || '1 = 1')!, linkType) }]
    } catch (error) {
      // What this link type does not have.
      if (error instanceof OperatorError) return []
      throw error
    }
  })
}

describe('Program', () => {
  test.each([1, 2])(
    'says what its condition says, wherever that finds its bytes, seed %i',
    (seed) => {
      const random = new Random(seed)
      const samples = [
        ...onOtherLinks(sampleFrames()),
        [LINKTYPE_ETHERNET, everyPrefix(sampleFrames())],
      ] as const
      for (const [linkType, shots] of samples) {
        for (const { text, condition } of conditions(linkType)) {
          const program = new Program(condition)
          for (let round = 0; round < 25; round++) {
            const { frame: octets, originalLength } = random.pick(shots)
            const packet = packetOf(octets, random, originalLength)
            let plain: boolean
            try {
              plain = evaluate(condition, octets, originalLength!)
            } catch (error) {
              if (error instanceof NotThere) continue
              throw error
            }
            expect(program.accepts(packet, frame, NOT_MIRRORED), text).toBe(plain)
          }
        }
      }
    },
  )

  test.each([1, 2])('takes any bytes for a frame, seed %i', (seed) => {
    const random = new Random(seed)
    for (const linkType of [LINKTYPE_ETHERNET, 0, 101, 113, 276]) {
      for (const { condition } of conditions(linkType)) {
        const program = new Program(condition)
        for (let round = 0; round < 10; round++) {
          const packet = packetOf(random.bytes(random.below(90)), random)
          const first = program.accepts(packet, frame, NOT_MIRRORED)
          const again = packetOf(
            Buffer.from(packet.bytes.subarray(packet.start, packet.end)),
            random,
          )
          // What lies around a frame makes no difference.
          expect(program.accepts(again, frame, NOT_MIRRORED)).toBe(first)
        }
      }
    }
  })

  test.each(
    (['frame', 'behind-ipv4', 'family'] as const).flatMap((base) =>
      ([1, 2, 4] as const).flatMap((size) =>
        (['=', '>', '>=', 'any', 'lookup', 'arithmetic'] as const).map((how) => ({
          base,
          size,
          how,
        })),
      ),
    ),
  )('refuses what it cannot look at: $how of $size bytes, $base', ({ base, size, how }) => {
    const field: Field = { base, ipv4At: 0, at: base === 'behind-ipv4' ? 1 : 9, size }
    const leaf = (value: number): Condition =>
      how === 'arithmetic'
        ? {
            kind: 'values',
            test: '=',
            left: { kind: 'load', field, index: undefined },
            right: { kind: 'number', value },
          }
        : { kind: 'field', field, mask: 0xffff_ffff, test: how === 'lookup' ? '=' : how, value }
    const values = how === 'lookup' ? [1, 2, 3, 4, 5, 6, 7, 8, 9] : [how === '>' ? 0 : 1]
    const condition = any(...values.map(leaf))
    const random = new Random(size)
    // An IPv4 header of eight bytes, where one is asked for; then what is tested.
    const octets = Buffer.concat([Buffer.of(2), Buffer.alloc(8), Buffer.alloc(size)])
    for (const wanted of [condition, not(condition)]) {
      const program = new Program(wanted)
      const tested = octets.subarray(-1)
      const answers = [0, 1].map((value) => {
        tested[0] = value
        return program.accepts(packetOf(octets, random), frame, NOT_MIRRORED)
      })
      expect(answers.sort()).toEqual([false, true])
      for (let length = 0; length < octets.length; length++) {
        for (tested[0] = 0; tested[0] < 2; tested[0]++) {
          const packet = packetOf(octets.subarray(0, length), random)
          octets.copy(packet.bytes as Buffer, packet.start)
          expect(program.accepts(packet, frame, NOT_MIRRORED), `${length} bytes`).toBe(false)
        }
      }
    }
  })

  test('looks many values of one field up', () => {
    const hosts = Array.from({ length: 300 }, (_, index) => `host 10.0.1.${index % 256}`)
    const text = [...hosts, 'net 172.16.0.0/12', 'host 255.255.255.255'].join(' or ')
    const program = new Program(conditionOf(parseExpression(text)!, LINKTYPE_ETHERNET))
    const ip = Buffer.alloc(34)
    ip.writeUInt16BE(0x0800, 12)
    const accepts = (source: number, destination: number): boolean => {
      ip.writeUInt32BE(source, 26)
      ip.writeUInt32BE(destination, 30)
      return program.accepts(packetOf(ip, new Random(1)), frame, NOT_MIRRORED)
    }
    expect(accepts(0x0a00_01ff, 0)).toBe(true)
    expect(accepts(0, 0x0a00_0100)).toBe(true)
    expect(accepts(0x0a00_02ff, 0x0a00_0000)).toBe(false)
    expect(accepts(0, 0xffff_ffff)).toBe(true)
    expect(accepts(0xac1f_ffff, 0)).toBe(true)
    expect(accepts(0xac20_0000, 0)).toBe(false)
  })

  test.each([1, 2])('looks them up wherever such runs of tests meet, seed %i', (seed) => {
    const random = new Random(seed)
    const list = (): string =>
      Array.from(
        { length: 6 + random.below(10) },
        () => `${random.below(4) === 0 ? 'dst' : 'src'} host 10.0.0.${random.below(24)}`,
      ).join(' or ')
    const join = (): string => (random.below(2) === 0 ? 'and' : 'or')
    const not = (): string => (random.below(3) === 0 ? 'not ' : '')
    const ip = Buffer.alloc(34)
    ip.writeUInt16BE(0x0800, 12)
    for (let round = 0; round < 200; round++) {
      const text = `${not()}(${list()}) ${join()} ${not()}((${list()}) ${join()} ip[8] > 99) ${join()} (${list()})`
      const condition = conditionOf(parseExpression(text)!, LINKTYPE_ETHERNET)
      const program = new Program(condition)
      for (let host = 0; host < 24; host++) {
        ip.writeUInt32BE(0x0a00_0000 + host, 26)
        ip.writeUInt32BE(0x0a00_0000 + random.below(24), 30)
        ip[22] = random.below(200)
        const packet = packetOf(ip, random)
        expect(program.accepts(packet, frame, NOT_MIRRORED), text).toBe(
          evaluate(condition, ip, ip.length),
        )
      }
    }
  })

  test('takes thousands of hosts, and refuses what would take too long', () => {
    const hosts = (length: number): string =>
      Array.from({ length }, (_, at) => `host 10.${at >> 8}.${at & 255}.1`).join(' or ')
    const program = (text: string): Program =>
      new Program(conditionOf(parseExpression(text)!, LINKTYPE_ETHERNET))
    const ip = Buffer.alloc(34)
    ip.writeUInt16BE(0x0800, 12)
    const thousands = program(hosts(3000))
    for (const [address, isWanted] of [
      [0x0a0b_b701, true],
      [0x0a0b_b801, false],
    ] as const) {
      ip.writeUInt32BE(address, 30)
      expect(thousands.accepts(packetOf(ip, new Random(1)), frame, NOT_MIRRORED)).toBe(isWanted)
    }
    for (const text of [
      hosts(12_000),
      hosts(400).replaceAll(/host (\S+)/g, '(host $1 and port 5)'),
    ]) {
      expect(() => program(text)).toThrow('too many tests')
    }
  })

  test('goes through as many tests as it takes, and takes no more', () => {
    const chain = (length: number): Condition => {
      const text = Array.from({ length }, (_, index) => `ether[${index}] > 200`).join(' or ')
      return conditionOf(parseExpression(text)!, LINKTYPE_ETHERNET)
    }
    const program = new Program(chain(2000))
    const octets = Buffer.alloc(2000)
    expect(program.accepts(packetOf(octets, new Random(1)), frame, NOT_MIRRORED)).toBe(false)
    octets[1999] = 201
    expect(program.accepts(packetOf(octets, new Random(1)), frame, NOT_MIRRORED)).toBe(true)
    expect(() => new Program(chain(2001))).toThrow(OperatorError)
  })
})
