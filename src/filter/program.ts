import { Frame } from '../wire/frame.js'
import { Packet } from '../wire/packet.js'
import { Branch, graphOf, inOrder, type Leaf, type Target, Tests, tooManyTests } from './branch.js'
import type { Condition, Field, Test } from './condition.js'
import {
  type Decision,
  type FilterSubject,
  lengthOf,
  NOT_THERE,
  type Present,
  type Reader,
} from './decision.js'
import { anyBitDecision, equalityDecision } from './field-decisions.js'
import { fieldReader, operandReader } from './field-readers.js'
import { optimize } from './optimizer.js'

/** No frame is this long, and sums with it stay small integers. */
const OFFSET_MAX = 0x0fff_ffff
/** Tests one after the other: each is a call inside the one before. */
const PATH_MAX = 2000
/** Values of one field from which on they are looked up rather than compared. */
const LOOKUP_MIN = 8

const WANTED: Decision = () => true
const NOT_WANTED: Decision = () => false
const NOBODY: FilterSubject = { vni: null, name: null }

/**
 * A condition in a form that decides on a packet in a few nanoseconds a test, and
 * allocates nothing: functions that hold those they call next. Of the forms tried,
 * rows of numbers took twice as long, and generated JavaScript half as long but
 * many times as long where it grew too large for the compiler.
 */
export class Program {
  readonly #present: Present = { packet: new Packet(), frame: new Frame(), subject: NOBODY }
  readonly #decide: Decision

  /** Throws OperatorError where there are too many tests. */
  constructor(condition: Condition) {
    const tests = new Tests()
    const entry = optimize(graphOf(condition, tests), tests)
    this.#decide = decisionOf(entry, this.#present)
  }

  /** Everything is on loan for the length of the call. */
  accepts(packet: Packet, frame: Frame, subject: FilterSubject): boolean {
    const present = this.#present
    present.packet = packet
    present.frame = frame
    present.subject = subject
    return this.#decide(packet.bytes, packet.start, packet.end)
  }
}

/** From the rear, so that what follows a test is there already. */
function decisionOf(entry: Target, present: Present): Decision {
  const decisions = new Map<Target, Decision>([
    [true, WANTED],
    [false, NOT_WANTED],
  ])
  const depths = new Map<Target, number>()
  const order = inOrder(entry)
  const lookups = lookupsIn(order)
  for (const branch of order.reverse()) {
    const found = lookups.get(branch)
    if (found === WITHIN) continue
    const after = found === undefined ? branch.no : found.after
    const yes = decisions.get(branch.yes)!
    const no = decisions.get(after)!
    const depth = 1 + Math.max(depths.get(branch.yes) ?? 0, depths.get(after) ?? 0)
    if (depth > PATH_MAX) throw tooManyTests()
    depths.set(branch, depth)
    const decision =
      found === undefined
        ? leafDecision(branch.test.leaf, yes, no, present)
        : lookup(fieldReader(found.field), found.mask, found.values, yes, no)
    decisions.set(branch, decision)
  }
  return decisions.get(entry)!
}

/** Values of one field that lead to one place, and where any other leads. */
interface Lookup {
  readonly field: Field
  readonly mask: number
  readonly values: readonly number[]
  readonly after: Target
}

/** Of a test that is part of a lookup, and that nothing else leads to. */
const WITHIN = 'within'

/** Which runs of tests become lookups, by the test that each begins with. */
function lookupsIn(order: readonly Branch[]): ReadonlyMap<Branch, Lookup | typeof WITHIN> {
  const leading = new Map<Target, number>()
  for (const { yes, no } of order) {
    for (const target of [yes, no]) leading.set(target, 1 + (leading.get(target) ?? 0))
  }
  const lookups = new Map<Branch, Lookup | typeof WITHIN>()
  for (const branch of order) {
    const { leaf } = branch.test
    if (lookups.has(branch) || leaf.kind !== 'field' || !isReachable(leaf.field)) continue
    const { run, values } = equalities(branch)
    if (values.length < LOOKUP_MIN) continue
    const { field, mask } = leaf
    lookups.set(branch, { field, mask, values, after: run.at(-1)!.no })
    for (const within of run.slice(1)) {
      if (leading.get(within)! > 1) break
      lookups.set(within, WITHIN)
    }
  }
  return lookups
}

/** The tests from `branch` on that compare one field with values which lead to one place. */
function equalities(branch: Branch): { run: Branch[]; values: number[] } {
  const run: Branch[] = []
  const values: number[] = []
  for (let next: Target = branch; next instanceof Branch; next = next.no) {
    const { leaf, subject, isEquality } = next.test
    if (leaf.kind !== 'field' || !isEquality) break
    if (subject !== branch.test.subject || next.yes !== branch.yes) break
    values.push(leaf.value | 0)
    run.push(next)
  }
  return { run, values }
}

function lookup(
  read: Reader,
  mask: number,
  values: readonly number[],
  yes: Decision,
  no: Decision,
): Decision {
  const wanted = new Set(values)
  return (bytes, start, end) => {
    const found = read(bytes, start, end)
    if (found === NOT_THERE) return false
    return wanted.has(found & mask) ? yes(bytes, start, end) : no(bytes, start, end)
  }
}

function leafDecision(leaf: Leaf, yes: Decision, no: Decision, present: Present): Decision {
  switch (leaf.kind) {
    case 'field':
      return fieldDecision(leaf, yes, no)
    case 'length': {
      const holds = relation(leaf.test)
      const { value } = leaf
      return (bytes, start, end) =>
        holds(lengthOf(present), value) ? yes(bytes, start, end) : no(bytes, start, end)
    }
    case 'vni': {
      const { vni } = leaf
      return (bytes, start, end) =>
        present.subject.vni === vni ? yes(bytes, start, end) : no(bytes, start, end)
    }
    case 'session': {
      const { name } = leaf
      return (bytes, start, end) =>
        present.subject.name === name ? yes(bytes, start, end) : no(bytes, start, end)
    }
    case 'values': {
      const left = operandReader(leaf.left, present)
      const right = operandReader(leaf.right, present)
      const holds = relation(leaf.test)
      return (bytes, start, end) => {
        const first = left(bytes, start, end)
        if (first === NOT_THERE) return false
        const second = right(bytes, start, end)
        if (second === NOT_THERE) return false
        return holds(first, second) ? yes(bytes, start, end) : no(bytes, start, end)
      }
    }
  }
}

function fieldDecision(
  { field, mask, test, value }: Leaf & { kind: 'field' },
  yes: Decision,
  no: Decision,
): Decision {
  if (!isReachable(field)) return NOT_WANTED
  if (test === '=') {
    const decision = equalityDecision(field, mask, value, yes, no)
    if (decision !== undefined) return decision
  }
  if (test === 'any' && field.base === 'frame' && field.size === 2) {
    return anyBitDecision(field.at, mask & value, yes, no)
  }
  const read = fieldReader(field)
  const holds = relation(test)
  return (bytes, start, end) => {
    const found = read(bytes, start, end)
    if (found === NOT_THERE) return false
    return holds((found & mask) >>> 0, value) ? yes(bytes, start, end) : no(bytes, start, end)
  }
}

/** On unsigned numbers. */
function relation(test: Test): (left: number, right: number) => boolean {
  switch (test) {
    case '=':
      return (left, right) => left === right
    case '>':
      return (left, right) => left > right
    case '>=':
      return (left, right) => left >= right
    case 'any':
      return (left, right) => (left & right) !== 0
  }
}

/** What no frame can have refuses every frame. */
function isReachable({ at, ipv4At }: Field): boolean {
  return at <= OFFSET_MAX && ipv4At <= OFFSET_MAX
}
