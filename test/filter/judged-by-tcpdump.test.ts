import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ExpressionFilter } from '../../src/filter/expression-filter.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { Packet } from '../../src/wire/packet.js'
import { captureFiles } from '../support/captures.js'
import { HAS_LIBPCAP, libpcapSelects } from '../support/libpcap.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { tcpdumpSelects } from '../support/tcpdump.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { EXPRESSIONS } from './expressions.js'
import { captureFrames, everyPrefix, onOtherLinks, sampleFrames } from './frame-collection.js'

/**
 * libpcap, by which tcpdump selects, is given the same frames with the same expressions; that
 * it answers as tcpdump does is tried for a few of them. LONG_TESTS=1 tries each expression on
 * every frame of the captures and on every link type, which takes minutes; else frames from
 * the beginning of each capture, and each expression on one other link type.
 */
const WHOLE_MATRIX = process.env['LONG_TESTS'] !== undefined
const FRAMES_A_FILE = 15

/**
 * Where tcpdump's optimizer keeps a look at bytes that it could leave out, or leaves
 * out one that ours keeps; of frames that end before them.
 */
const UNLIKE_THE_OPTIMIZER = ['1 = 1', 'not 1 = 2', '0xffffffff + 1 = 0', '100 >= len', '/0']

function ourSelection(shots: readonly Shot[], linkType: number, text: string): number[] | string {
  let problem: string | undefined
  const filter = new ExpressionFilter(text, (line) => {
    problem = line
  })
  const packet = new Packet()
  const frame = new Frame()
  packet.linkType = linkType
  const selected = shots.flatMap(({ frame: octets, originalLength }, index) => {
    packet.bytes = octets
    packet.end = octets.length
    packet.originalLength = originalLength ?? octets.length
    return filter.accepts(packet, frame, { vni: null, name: null }) ? [index] : []
  })
  return problem ?? selected
}

/** The expressions that select differently, with what only we and only libpcap selected. */
function differences(
  shots: readonly Shot[],
  linkType: number,
  expressions: readonly string[],
): string[] {
  return libpcapSelects(shots, linkType, expressions).flatMap((theirs, index) => {
    const text = expressions[index]!
    const ours = ourSelection(shots, linkType, text)
    // Both must refuse what this link type does not have.
    if (typeof ours === 'string' || typeof theirs === 'string') {
      if (typeof ours === typeof theirs) return []
      return [`"${text}": we ${ours}, libpcap ${theirs}`]
    }
    const onlyOurs = missingIn(theirs, ours)
    const onlyTheirs = missingIn(ours, theirs)
    if (onlyOurs.length + onlyTheirs.length === 0) return []
    return [`"${text}": only we ${onlyOurs.slice(0, 5)}, only libpcap ${onlyTheirs.slice(0, 5)}`]
  })
}

describe('libpcap, and so tcpdump, selects the same packets', () => {
  const noCaptures = captureFiles().length === 0

  test.skipIf(!HAS_LIBPCAP || noCaptures)(
    'of captures made by others and of what was mirrored in them (needs libpcap, koffi and the captures)',
    async () => {
      const frames = await captureFrames(WHOLE_MATRIX ? Number.POSITIVE_INFINITY : FRAMES_A_FILE)
      const others = [...frames.keys()].filter((linkType) => linkType !== LINKTYPE_ETHERNET)
      expect(others.length).toBeGreaterThan(6)
      for (const [linkType, shots] of frames) {
        const turn = others.indexOf(linkType)
        const expressions = EXPRESSIONS.filter(
          (_, index) => WHOLE_MATRIX || turn < 0 || index % others.length === turn,
        )
        expect(differences(shots, linkType, expressions), `link type ${linkType}`).toEqual([])
      }
    },
  )

  test.skipIf(!HAS_LIBPCAP)(
    'of one frame of each kind, cut at every length (needs libpcap and koffi)',
    () => {
      const shots = everyPrefix(sampleFrames())
      expect(differences(shots, LINKTYPE_ETHERNET, EXPRESSIONS)).toEqual([])
    },
  )

  test.skipIf(!HAS_LIBPCAP)(
    'of the same frames on other link types (needs libpcap and koffi)',
    () => {
      const frames = [...onOtherLinks(sampleFrames())]
      for (const [turn, [linkType, shots]] of frames.entries()) {
        const expressions = EXPRESSIONS.filter(
          (_, index) => WHOLE_MATRIX || index % frames.length === turn,
        )
        expect(differences(shots, linkType, expressions), `link type ${linkType}`).toEqual([])
      }
    },
  )

  test.skipIf(!HAS_LIBPCAP || !hasTool('tcpdump'))(
    'which is what tcpdump itself selects (needs libpcap, koffi and tcpdump)',
    async () => {
      const frames = [...onOtherLinks(sampleFrames())]
      frames.push([LINKTYPE_ETHERNET, everyPrefix(sampleFrames())])
      for (const [turn, [linkType, shots]] of frames.entries()) {
        const file = join(temporaryDirectory(), 'frames.pcap')
        const timed = shots.map((shot, seconds) => ({ ...shot, seconds }))
        writeFileSync(file, pcapFile(timed, linkType))
        const few = (WHOLE_MATRIX ? 10 : 20) * frames.length
        const some = EXPRESSIONS.filter((_, index) => index % few === turn)
        expect(some.length).toBeGreaterThan(0)
        const selected = libpcapSelects(shots, linkType, some)
        for (const [index, text] of some.entries()) {
          const theirs = await tcpdumpSelects(file, text)
          expect(theirs, `"${text}" of link type ${linkType}`).toEqual(selected[index])
        }
      }
    },
  )

  test.skipIf(!HAS_LIBPCAP).each([1, 2])(
    'by expressions put together at random, seed %i (needs libpcap and koffi)',
    (seed) => {
      const random = new Random(seed)
      const parts = EXPRESSIONS.filter(
        (text) => text !== '' && !UNLIKE_THE_OPTIMIZER.some((part) => text.includes(part)),
      )
      const make = (depth: number): string => {
        if (depth === 0) return random.pick(parts)
        const joined = `${make(depth - 1)} ${random.pick(['and', 'or'])} ${make(depth - 1)}`
        return random.pick([joined, `(${joined})`, `not (${joined})`])
      }
      // What ours refuses tcpdump refuses too; the other way is seen in `differences`.
      const expressions = (count: number): string[] =>
        Array.from({ length: count }, () => make(2)).filter(isAccepted)
      const few = expressions(30)
      expect(few.length).toBeGreaterThan(15)
      expect(differences(everyPrefix(sampleFrames()), LINKTYPE_ETHERNET, few)).toEqual([])
      // Of whole frames optimizers may leave out what they like.
      const whole = sampleFrames().map((frame) => ({ frame }))
      const many = expressions(WHOLE_MATRIX ? 1000 : 30)
      expect(differences(whole, LINKTYPE_ETHERNET, many)).toEqual([])
    },
  )
})

function missingIn(among: readonly number[], indices: readonly number[]): number[] {
  const known = new Set(among)
  return indices.filter((index) => !known.has(index))
}

function isAccepted(text: string): boolean {
  try {
    new ExpressionFilter(text)
    return true
  } catch {
    return false
  }
}
