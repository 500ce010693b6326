import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ExpressionFilter } from '../../src/filter/expression-filter.js'
import { Frame } from '../../src/wire/frame.js'
import { LINKTYPE_ETHERNET } from '../../src/wire/link-type.js'
import { Packet } from '../../src/wire/packet.js'
import { captureFiles } from '../support/captures.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { EXPRESSIONS } from './expressions.js'
import { captureFrames, everyPrefix, onOtherLinks, sampleFrames } from './frame-collection.js'
import { tcpdumpSelects } from './tcpdump.js'

/**
 * tcpdump reads the same frames with the same expressions. FILTER_MATRIX=all tries
 * each expression on every frame of the captures and on every link type, which takes
 * minutes; else frames from the beginning of each capture, and each expression on
 * one other link type.
 */
const WHOLE_MATRIX = process.env['FILTER_MATRIX'] === 'all'
const FRAMES_A_FILE = 40
const AT_ONCE = 3

/**
 * Where tcpdump's optimizer keeps a look at octets that it could leave out, or leaves
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

/** The expressions that select differently, with what only we and only tcpdump selected. */
async function differences(
  shots: readonly Shot[],
  linkType: number,
  expressions: readonly string[],
): Promise<string[]> {
  const file = join(temporaryDirectory(), `link-type-${linkType}.pcap`)
  writeFileSync(
    file,
    pcapFile(
      shots.map((shot, seconds) => ({ ...shot, seconds })),
      linkType,
    ),
  )
  const found: string[] = []
  const waiting = expressions.values()
  const work = async (): Promise<void> => {
    for (const text of waiting) {
      const theirs = await tcpdumpSelects(file, text)
      const ours = ourSelection(shots, linkType, text)
      // Both must refuse what this link type does not have.
      if (typeof ours === 'string' || typeof theirs === 'string') {
        if (typeof ours !== typeof theirs) found.push(`"${text}": we ${ours}, tcpdump ${theirs}`)
        continue
      }
      const onlyOurs = missingIn(theirs, ours)
      const onlyTheirs = missingIn(ours, theirs)
      if (onlyOurs.length + onlyTheirs.length > 0) {
        found.push(
          `"${text}": only we ${onlyOurs.slice(0, 5)}, only tcpdump ${onlyTheirs.slice(0, 5)}`,
        )
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return found
}

describe('tcpdump selects the same packets', () => {
  const noTcpdump = !hasTool('tcpdump')
  const noCaptures = captureFiles().length === 0

  test.skipIf(noTcpdump || noCaptures)(
    'of captures made by others and of what was mirrored in them (needs tcpdump and the captures)',
    async () => {
      const frames = await captureFrames(WHOLE_MATRIX ? Number.POSITIVE_INFINITY : FRAMES_A_FILE)
      const others = [...frames.keys()].filter((linkType) => linkType !== LINKTYPE_ETHERNET)
      expect(others.length).toBeGreaterThan(6)
      for (const [linkType, shots] of frames) {
        const turn = others.indexOf(linkType)
        const expressions = EXPRESSIONS.filter(
          (_, index) => WHOLE_MATRIX || turn < 0 || index % others.length === turn,
        )
        expect(await differences(shots, linkType, expressions), `link type ${linkType}`).toEqual([])
      }
    },
    600_000,
  )

  test.skipIf(noTcpdump)(
    'of one frame of each kind, cut at every length (needs tcpdump)',
    async () => {
      const shots = everyPrefix(sampleFrames())
      expect(await differences(shots, LINKTYPE_ETHERNET, EXPRESSIONS)).toEqual([])
    },
    60_000,
  )

  test.skipIf(noTcpdump)(
    'of the same frames on other link types (needs tcpdump)',
    async () => {
      const frames = [...onOtherLinks(sampleFrames())]
      for (const [turn, [linkType, shots]] of frames.entries()) {
        const expressions = EXPRESSIONS.filter(
          (_, index) => WHOLE_MATRIX || index % frames.length === turn,
        )
        expect(await differences(shots, linkType, expressions), `link type ${linkType}`).toEqual([])
      }
    },
    600_000,
  )

  test.skipIf(noTcpdump).each([1, 2])(
    'by expressions put together at random, seed %i (needs tcpdump)',
    async (seed) => {
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
      expect(await differences(everyPrefix(sampleFrames()), LINKTYPE_ETHERNET, few)).toEqual([])
      // Of whole frames optimizers may leave out what they like.
      const whole = sampleFrames().map((frame) => ({ frame }))
      const many = expressions(WHOLE_MATRIX ? 1000 : 30)
      expect(await differences(whole, LINKTYPE_ETHERNET, many)).toEqual([])
    },
    600_000,
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
