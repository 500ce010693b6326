import { OperatorError } from '../errors.js'
import type { Condition } from './condition.js'

/** A condition that is one test. */
export type Leaf = Exclude<Condition, { kind: 'and' | 'or' | 'not' | 'constant' }>

/** A test with the numbers that tell whether two of them are about the same. */
export interface Test {
  readonly leaf: Leaf
  /** The same for equal tests. */
  readonly id: number
  /** The same for tests of the same thing, be it against other values. */
  readonly subject: number
  /** Of no more than one value of its subject can it be true. */
  readonly isEquality: boolean
}

/** More tests than are looked at. */
export function tooManyTests(): OperatorError {
  return new OperatorError('the filter needs too many tests: use fewer and larger networks', {
    exitCode: 2,
    code: 'ERR_FILTER',
  })
}

/** Where a test leads: to another one, or to what becomes of the packet. */
export type Target = Branch | boolean

/** A test on the way to a decision. They make a graph without cycles. */
export class Branch {
  test: Test
  yes: Target
  no: Target

  constructor(test: Test, yes: Target, no: Target) {
    this.test = test
    this.yes = yes
    this.no = no
  }
}

/** Tells the tests of one expression apart. */
export class Tests {
  readonly #byKey = new Map<string, Test>()
  readonly #subjects = new Map<string, number>()

  get size(): number {
    return this.#byKey.size
  }

  get subjects(): number {
    return this.#subjects.size
  }

  of(leaf: Leaf): Test {
    const key = JSON.stringify(leaf)
    let test = this.#byKey.get(key)
    if (test === undefined) {
      test = {
        leaf,
        id: this.#byKey.size,
        subject: this.#subjectOf(leaf),
        isEquality: 'test' in leaf ? leaf.test === '=' : leaf.kind === 'vni',
      }
      this.#byKey.set(key, test)
    }
    return test
  }

  #subjectOf(leaf: Leaf): number {
    const { kind } = leaf
    const about =
      kind === 'field'
        ? [leaf.field, leaf.mask, leaf.isWritten === true ? leaf.value : undefined]
        : kind === 'values'
          ? [leaf.left, leaf.right]
          : kind === 'session'
            ? leaf.name
            : undefined
    const key = JSON.stringify([kind, about])
    const subject = this.#subjects.get(key) ?? this.#subjects.size
    this.#subjects.set(key, subject)
    return subject
  }
}

/** The graph of a condition, from the test that comes first. */
export function graphOf(condition: Condition, tests: Tests): Target {
  return link(condition, true, false, tests)
}

/** Where `condition` begins, which ends at `yes` or `no`. Goes down on the right alone: chains are long. */
function link(condition: Condition, yes: Target, no: Target, tests: Tests): Target {
  for (;;) {
    switch (condition.kind) {
      case 'and':
        yes = link(condition.right, yes, no, tests)
        condition = condition.left
        break
      case 'or':
        no = link(condition.right, yes, no, tests)
        condition = condition.left
        break
      case 'not': {
        const other: Target = yes
        yes = no
        no = other
        condition = condition.of
        break
      }
      case 'constant':
        return condition.value ? yes : no
      default:
        return new Branch(tests.of(condition), yes, no)
    }
  }
}

/** Every branch that can be reached, each before those it leads to. */
export function inOrder(entry: Target): Branch[] {
  const order: Branch[] = []
  const seen = new Set<Branch>()
  // A branch is put down when it is met again, all after it being down by then.
  const waiting: { branch: Branch; isOpen: boolean }[] = []
  const visit = (target: Target): void => {
    if (typeof target === 'boolean' || seen.has(target)) return
    waiting.push({ branch: target, isOpen: false })
  }
  visit(entry)
  for (let top = waiting.at(-1); top !== undefined; top = waiting.at(-1)) {
    if (top.isOpen) {
      order.push(top.branch)
      waiting.pop()
    } else if (seen.has(top.branch)) {
      waiting.pop()
    } else {
      seen.add(top.branch)
      top.isOpen = true
      visit(top.branch.yes)
      visit(top.branch.no)
    }
  }
  return order.reverse()
}
