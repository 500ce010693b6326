import type { Expression } from '../filter/expression.js'
import type { CapturePart } from '../pcap/capture-merge.js'
import { PCAP_HEADER_LEN } from '../pcap/pcap.js'
import type { ByteRange } from '../pcap/reader.js'
import { vniInName } from '../session/session.js'
import { GENEVE_PORT } from '../wire/geneve.js'
import { VXLAN_PORT } from '../wire/vxlan.js'
import { type CaptureFile, isPart } from './capture-files.js'
import { expressionTerms, type Term } from './expression-keys.js'
import { ReusedMemory, readFilters, readIndex, restartsOf } from './index-file.js'
import { type CaptureIndex, filterOf, type IndexBlock, type Moment } from './index-format.js'
import { KEY_VNI, key1 } from './key.js'
import { mayHold } from './key-filter.js'

/** What is looked for, as far as an index can tell. */
export interface Search {
  readonly expression: Expression | undefined
  /** Of packets that are looked for; both ends belong to it. Packets without a time are in none. */
  readonly since: Moment | undefined
  readonly until: Moment | undefined
  /** Of packets that are looked for; undefined: any, and packets that were not mirrored. */
  readonly session: string | undefined
  /** How packets of captures that others made are unwrapped. */
  readonly decap: 'auto' | 'none'
  readonly vxlanPort: number
  readonly genevePort: number
}

/** What of one capture has to be read. */
export interface FilePlan {
  readonly file: CaptureFile
  /** `used`, or why it could not be: there is none, it is of an earlier state of the file, … */
  readonly index: 'used' | 'none' | 'stale' | 'damaged' | 'unusable'
  /** In the order of the file; undefined: all of it. Without any there is nothing to find. */
  readonly ranges: readonly ByteRange[] | undefined
  readonly restarts?: CapturePart['restarts']
  /** The earliest packet in the ranges, where that is known. */
  readonly begins: Moment | undefined
  readonly blocks: number
  readonly candidates: number
}

/** Decides for one capture after the other what of it can hold what is looked for. */
export class SearchPlanner {
  readonly #search: Search
  readonly #terms = new Map<number, readonly Term[]>()
  readonly #heads = new ReusedMemory()
  readonly #filters = new ReusedMemory()

  constructor(search: Search) {
    this.#search = search
  }

  plan(file: CaptureFile): FilePlan {
    const { session } = this.#search
    if (file.session !== undefined && session !== undefined && file.session !== session) {
      return { file, index: 'used', ranges: [], begins: undefined, blocks: 0, candidates: 0 }
    }
    const index = isPart(file.path) ? 'none' : readIndex(file.path, this.#heads)
    if (typeof index === 'string') return whole(file, index)
    return this.#isUsable(file, index) ? this.#planIndexed(file, index) : whole(file, 'unusable')
  }

  /** Whether the packets that the index knows are those that a reader will see. */
  #isUsable(file: CaptureFile, index: CaptureIndex): boolean {
    if (index.isUnlisted) return false
    const { decap, vxlanPort, genevePort } = this.#search
    if (file.session !== undefined || decap === 'none') return true
    const arePorts = vxlanPort === VXLAN_PORT && genevePort === GENEVE_PORT
    return arePorts && !(index.isMirrored && index.isDoubtful)
  }

  #planIndexed(file: CaptureFile, index: CaptureIndex): FilePlan {
    const matcher = new Matcher(this.#search, file, index, this.#filters, (linkType) =>
      this.#termsOf(linkType),
    )
    const candidates = matcher.candidates()
    const isTailUnknown = index.isDamaged
    const ranges = rangesOf(index, candidates, isTailUnknown)
    return {
      file,
      index: 'used',
      ranges,
      restarts: restartsOf(file.path, index),
      begins: isTailUnknown ? undefined : earliestOf(candidates),
      blocks: index.blockCount,
      candidates: candidates.length,
    }
  }

  #termsOf(linkType: number): readonly Term[] {
    let terms = this.#terms.get(linkType)
    if (terms === undefined) {
      terms = expressionTerms(this.#search.expression, linkType)
      this.#terms.set(linkType, terms)
    }
    return terms
  }
}

function whole(file: CaptureFile, index: FilePlan['index']): FilePlan {
  return { file, index, ranges: undefined, begins: undefined, blocks: 0, candidates: 0 }
}

/**
 * What of captures has to be read for the packets between two moments. Something of each is: a summary
 * of it is wanted, whatever it has.
 */
export function partsBetween(
  paths: readonly string[],
  since: Moment | undefined,
  until: Moment | undefined,
): (file: number) => CapturePart {
  const parts = paths.map((path): CapturePart => {
    const index = path === '-' ? 'none' : readIndex(path)
    if (typeof index === 'string') return { ranges: undefined, begins: undefined }
    const timely = index.blocks.filter((block) => isTimely(block, since, until))
    const ranges = rangesOf(index, timely, index.isDamaged)
    const first = index.blocks[0]
    if (ranges.length > 0 || first === undefined) {
      const begins = index.isDamaged ? undefined : earliestOf(timely)
      return { ranges, restarts: restartsOf(path, index), begins }
    }
    const end = index.isPlainPcap ? PCAP_HEADER_LEN : index.isCompressed ? 1 : first.end
    return { ranges: [{ start: 0, end }], begins: until ?? since }
  })
  return (file) => parts[file]!
}

/** Which blocks of one capture can have what is looked for. */
class Matcher {
  readonly #search: Search
  readonly #file: CaptureFile
  readonly #index: CaptureIndex
  /** For the filters of blocks. */
  readonly #memory: ReusedMemory
  readonly #terms: readonly Term[]
  /** Of packets that were not mirrored: what the file as a whole is. */
  readonly #vni: number | undefined

  constructor(
    search: Search,
    file: CaptureFile,
    index: CaptureIndex,
    memory: ReusedMemory,
    termsOf: (linkType: number) => readonly Term[],
  ) {
    this.#search = search
    this.#file = file
    this.#index = index
    this.#memory = memory
    this.#terms = index.linkTypes.flatMap(termsOf)
    this.#vni = file.session === undefined ? undefined : vniInName(file.session)
  }

  candidates(): IndexBlock[] {
    const index = this.#index
    const { since, until } = this.#search
    if (since !== undefined && index.to < since.seconds) return []
    if (until !== undefined && index.from > until.seconds) return []
    const { filter, probes } = index
    if (filter.length > 0 && !this.#mayMatch(filter, probes)) return []
    const timely = index.blocks.filter((block) => isTimely(block, since, until))
    if (timely.length === 0) return []
    const filters = readFilters(this.#file.path, index, this.#memory)
    // Without them all may match.
    if (filters === undefined) return timely
    return timely.filter((block) => {
      const blockFilter = block.isUnfiltered ? undefined : filterOf(filters, block)
      return blockFilter === undefined || this.#mayMatch(blockFilter, block.probes)
    })
  }

  #mayMatch(filter: Uint8Array, probes: number): boolean {
    const { session } = this.#search
    // Of a capture of others, mirrored packets alone are of a session.
    if (session !== undefined && this.#file.session === undefined) {
      if (!this.#mayBeOf(session, filter, probes)) return false
    }
    return this.#terms.some((term) => this.#mayFulfil(term, filter, probes))
  }

  #mayFulfil({ keys, vni, session, also }: Term, filter: Uint8Array, probes: number): boolean {
    for (const key of keys) if (!mayHold(filter, probes, key)) return false
    if (vni !== undefined && !this.#mayHaveVni(vni, filter, probes)) return false
    if (session !== undefined && !this.#mayBeOf(session, filter, probes)) return false
    return also.every((terms) => terms.some((term) => this.#mayFulfil(term, filter, probes)))
  }

  #mayHaveVni(vni: number, filter: Uint8Array, probes: number): boolean {
    if (this.#file.session !== undefined) return this.#vni === vni
    return this.#isUnwrapped && mayHold(filter, probes, key1(KEY_VNI, vni))
  }

  #mayBeOf(session: string, filter: Uint8Array, probes: number): boolean {
    if (this.#file.session !== undefined) return this.#file.session === session
    if (!this.#isUnwrapped || !this.#index.sessions.includes(session)) return false
    const vni = vniInName(session)
    return vni === undefined || mayHold(filter, probes, key1(KEY_VNI, vni))
  }

  get #isUnwrapped(): boolean {
    return this.#search.decap === 'auto'
  }
}

/** The blocks to read, and what has to be read so that they can be understood. */
function rangesOf(
  index: CaptureIndex,
  candidates: readonly IndexBlock[],
  isTailUnknown: boolean,
): ByteRange[] {
  const last = candidates.at(-1)
  if (last === undefined && !isTailUnknown) return []
  const end = isTailUnknown ? Number.POSITIVE_INFINITY : last!.end
  if (index.isCompressed && index.places.length === 0) return [{ start: 0, end }]
  const wanted = new Set(candidates)
  const ranges: ByteRange[] = []
  const add = (start: number, until: number): void => {
    const before = ranges.at(-1)
    if (before?.end === start) ranges[ranges.length - 1] = { start: before.start, end: until }
    else ranges.push({ start, end: until })
  }
  if (index.isPlainPcap && !wanted.has(index.blocks[0]!)) add(0, PCAP_HEADER_LEN)
  for (const block of index.blocks) {
    if (block.start >= end) break
    if (wanted.has(block) || (block.describes && !index.isPlainPcap)) add(block.start, block.end)
  }
  if (isTailUnknown) add(index.covered, Number.POSITIVE_INFINITY)
  return ranges
}

function isTimely(
  { earliest, latest }: IndexBlock,
  since: Moment | undefined,
  until: Moment | undefined,
): boolean {
  if (since === undefined && until === undefined) return true
  if (earliest === undefined || latest === undefined) return false
  if (since !== undefined && isBefore(latest, since)) return false
  return until === undefined || !isBefore(until, earliest)
}

function earliestOf(blocks: readonly IndexBlock[]): Moment | undefined {
  let found: Moment | undefined
  for (const { earliest } of blocks) {
    if (earliest !== undefined && (found === undefined || isBefore(earliest, found))) {
      found = earliest
    }
  }
  return found
}

export function isBefore(one: Moment, other: Moment): boolean {
  return (
    one.seconds < other.seconds ||
    (one.seconds === other.seconds && one.nanoseconds < other.nanoseconds)
  )
}
