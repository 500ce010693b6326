import { Branch, inOrder, type Target, type Test, type Tests, tooManyTests } from './branch.js'

/** Far more rounds than anything takes; each makes the graph smaller or groups more. */
const ROUNDS_MAX = 100

/**
 * Steps for one expression, half a second at most. What is known at each of n tests is about n tests, so the
 * work grows with the square of them: it takes 4,700 hosts, or 11,000 ports of one direction.
 */
const STEPS_MAX = 1 << 26

/**
 * Leaves out tests whose outcome is known from those before them, and groups tests of
 * the same field. It makes programs faster, and it matters for frames that were cut:
 * a test that is not made cannot refuse them. tcpdump's does the same, by default.
 *
 * Throws OperatorError where that would take too long.
 */
export function optimize(entry: Target, tests: Tests): Target {
  const steps = { left: STEPS_MAX }
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const shortened = new Shortening(tests, steps).run(entry)
    const hasGrouped = group(shortened.entry)
    if (!shortened.hasChanged && !hasGrouped) return shortened.entry
    entry = shortened.entry
  }
  return entry
}

/** One walk along the graph with what is known at each place of it. */
class Shortening {
  readonly #tests: Tests
  /** By subject, the facts that it has a certain value. */
  readonly #equalities = new Map<number, Set<number>>()
  /**
   * What every way to a branch has found out: bit 2 × test id, and the next one for true; behind these a
   * bit a subject, which is set if a test for a value of it was true.
   */
  readonly #known = new Map<Branch, Uint32Array>()
  readonly #steps: { left: number }
  #hasChanged = false

  constructor(tests: Tests, steps: { left: number }) {
    this.#tests = tests
    this.#steps = steps
  }

  run(entry: Target): { entry: Target; hasChanged: boolean } {
    const { size, subjects } = this.#tests
    const nothing = new Uint32Array((2 * size + subjects + 31) >>> 5)
    const isTrue = nothing.slice()
    const end = this.#skip(entry, nothing)
    const start = typeof end === 'boolean' ? end : entry
    const order = inOrder(start)
    for (const { test } of order) this.#noteEquality(test)
    if (typeof start !== 'boolean') this.#known.set(start, nothing)
    for (const branch of order) {
      const known = this.#known.get(branch)
      if (known === undefined) continue
      this.#known.delete(branch)
      this.#steps.left -= known.length
      if (this.#steps.left < 0) throw tooManyTests()
      const { test } = branch
      isTrue.set(known)
      learn(isTrue, factOf(test, true))
      if (test.isEquality) learn(isTrue, this.#valueOf(test))
      branch.yes = this.#lead(branch.yes, isTrue, (facts) => facts.slice())
      // Nobody else needs what was known here.
      learn(known, factOf(test, false))
      branch.no = this.#lead(branch.no, known, (facts) => facts)
    }
    return { entry: start, hasChanged: this.#hasChanged }
  }

  #noteEquality(test: Test): void {
    if (!test.isEquality) return
    const facts = this.#equalities.get(test.subject) ?? new Set()
    this.#equalities.set(test.subject, facts.add(factOf(test, true)))
  }

  /** Where an edge should lead, on which `facts` are known; `keep` gives them as what may be changed. */
  #lead(target: Target, facts: Uint32Array, keep: (facts: Uint32Array) => Uint32Array): Target {
    const end = this.#skip(target, facts)
    if (end !== target) this.#hasChanged = true
    if (typeof end === 'boolean') return end
    const known = this.#known.get(end)
    if (known === undefined) this.#known.set(end, keep(facts))
    else for (let word = 0; word < known.length; word++) known[word]! &= facts[word]!
    return end
  }

  /** The first place from `target` on whose outcome is not known, and makes a difference. */
  #skip(target: Target, facts: Uint32Array): Target {
    for (;;) {
      if (typeof target === 'boolean') return target
      if (target.yes === target.no) {
        target = target.yes
        continue
      }
      this.#steps.left--
      const outcome = this.#outcome(target.test, facts)
      if (outcome === undefined) return target
      target = outcome ? target.yes : target.no
    }
  }

  #outcome(test: Test, facts: Uint32Array): boolean | undefined {
    if (has(facts, factOf(test, true))) return true
    if (has(facts, factOf(test, false))) return false
    if (!test.isEquality || !has(facts, this.#valueOf(test))) return undefined
    // It has another value.
    const others = this.#equalities.get(test.subject)!
    this.#steps.left -= others.size
    for (const fact of others) if (has(facts, fact)) return false
    return undefined
  }

  /** The fact that some value of the test's subject is known. */
  #valueOf({ subject }: Test): number {
    return 2 * this.#tests.size + subject
  }
}

function factOf(test: Test, isTrue: boolean): number {
  return 2 * test.id + (isTrue ? 1 : 0)
}

function learn(facts: Uint32Array, fact: number): void {
  facts[fact >>> 5]! |= 1 << (fact & 31)
}

function has(facts: Uint32Array, fact: number): boolean {
  return (facts[fact >>> 5]! & (1 << (fact & 31))) !== 0
}

/**
 * In a run of tests that all lead to one place when true (or all when false), puts
 * those of one subject together: `src port 53 or dst port 53 or src port 443` looks at
 * the source first. Says whether anything has moved.
 */
function group(entry: Target): boolean {
  const order = inOrder(entry)
  const before = new Map<Branch, Branch[]>()
  for (const branch of order) {
    for (const target of [branch.yes, branch.no]) {
      if (typeof target === 'boolean') continue
      const leading = before.get(target)
      if (leading === undefined) before.set(target, [branch])
      else leading.push(branch)
    }
  }
  let hasMoved = false
  for (const side of ['no', 'yes'] as const) {
    const done = new Set<Branch>()
    for (const head of order) {
      if (done.has(head)) continue
      const run = runFrom(head, side, before)
      for (const branch of run) done.add(branch)
      if (regroup(run, commonSubject(before.get(head)))) hasMoved = true
    }
  }
  return hasMoved
}

/** Branches that follow each other on `side`, lead to one place on the other, and nobody else leads to. */
function runFrom(
  head: Branch,
  side: 'yes' | 'no',
  before: ReadonlyMap<Branch, readonly Branch[]>,
): Branch[] {
  const other = side === 'yes' ? 'no' : 'yes'
  const run = [head]
  for (let next = head[side]; next instanceof Branch; next = next[side]) {
    if (next[other] !== head[other] || before.get(next)!.length > 1) break
    run.push(next)
  }
  return run
}

function commonSubject(branches: readonly Branch[] | undefined): number | undefined {
  const subject = branches?.[0]?.test.subject
  return branches?.every(({ test }) => test.subject === subject) ? subject : undefined
}

/** Tests of `first` come first, then subject by subject as they appear. The branches stay where they are. */
function regroup(run: readonly Branch[], first: number | undefined): boolean {
  if (run.length < 2) return false
  const groups = new Map<number | undefined, Test[]>([[first, []]])
  for (const { test } of run) {
    const tests = groups.get(test.subject) ?? []
    groups.set(test.subject, tests)
    tests.push(test)
  }
  const grouped = [...groups.values()].flat()
  let hasMoved = false
  for (const [index, branch] of run.entries()) {
    if (branch.test !== grouped[index]) hasMoved = true
    branch.test = grouped[index]!
  }
  return hasMoved
}
