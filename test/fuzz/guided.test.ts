import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Coverage } from './coverage.js'
import { mutation } from './mutation.js'
import { directoryFor, Finding, type FuzzTarget, samplesOf, tryInput } from './target.js'

/**
 * Mutates what reached something new, for FUZZ_SECONDS on each target. FUZZ_TARGETS=a,b names some;
 * FUZZ_SEED=n repeats a run that begins with the same inputs. Those are kept in `out/fuzz/<target>/`,
 * and what was found in `out/fuzz/<target>.findings/`: to become files of `findings/` here.
 */
const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 0)
const WANTED = process.env['FUZZ_TARGETS']?.split(',')
const SEED = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

const OUT = join(import.meta.dirname, '../../out/fuzz')
/** Inputs that are run between two looks at the counters take about as long. */
const BATCH_MS = 200
/** A target that finds this many is not worth more time before they are mended. */
const FINDINGS_MAX = 10

const coverage = new Coverage()
/** Loaded when counting has begun. */
const { TARGETS } =
  SECONDS > 0
    ? await coverage.start().then(() => import('./targets.js'))
    : { TARGETS: [] as readonly FuzzTarget[] }
const targets = TARGETS.filter(({ name }) => WANTED?.includes(name) ?? true)

/** One target, and the inputs of which each has reached something that none before it had. */
class Guided {
  readonly findings: string[] = []
  readonly #target: FuzzTarget
  readonly #random = new Random(SEED)
  readonly #corpus: Buffer[] = []
  readonly #kept: string
  readonly #root: string
  #samples: readonly Buffer[] = []
  inputs = 0

  constructor(target: FuzzTarget, root: string) {
    this.#target = target
    this.#root = root
    this.#kept = join(OUT, target.name)
    mkdirSync(this.#kept, { recursive: true })
  }

  get corpus(): number {
    return this.#corpus.length
  }

  async run(seconds: number): Promise<void> {
    this.#samples = await samplesOf(this.#target, this.#root)
    const kept = readdirSync(this.#kept).map((name) => readFileSync(join(this.#kept, name)))
    await coverage.take()
    for (const input of [...this.#samples, ...kept]) await this.#learn([input])
    const until = performance.now() + 1000 * seconds
    let size = 16
    while (performance.now() < until && this.findings.length < FINDINGS_MAX) {
      const batch = Array.from({ length: size }, () => this.#next())
      const before = performance.now()
      await this.#learn(batch)
      const took = performance.now() - before
      size = Math.min(20_000, Math.max(4, Math.round((size * BATCH_MS) / Math.max(1, took))))
    }
  }

  #next(): Buffer {
    const all = this.#corpus.length > 0 ? this.#corpus : this.#samples
    // Half of the time one of the last found, which nobody has tried much with.
    const last = all.slice(-20)
    const sound = this.#random.below(2) === 0 ? this.#random.pick(last) : this.#random.pick(all)
    return mutation(this.#random, sound, all, this.#target.words)
  }

  /** Runs inputs; halves them until those are found that reach something new. */
  async #learn(inputs: readonly Buffer[]): Promise<void> {
    for (const input of inputs) await this.#try(input)
    const found = await coverage.take()
    if (found.length === 0) return
    if (inputs.length > 1) {
      const half = inputs.length >>> 1
      await this.#learn(inputs.slice(0, half))
      await this.#learn(inputs.slice(half))
      // What only several together reach, or only the first time.
      coverage.learn(found)
      return
    }
    coverage.learn(found)
    const input = inputs[0]!
    this.#corpus.push(input)
    writeFileSync(join(this.#kept, nameOf(input)), input)
  }

  async #try(input: Buffer): Promise<void> {
    this.inputs++
    try {
      await tryInput(this.#target, input, directoryFor(this.#target, this.#root))
    } catch (error) {
      if (!(error instanceof Finding)) throw error
      this.#report(input, error)
    }
  }

  /** Each kind of finding once: by where it was thrown. */
  #report(input: Buffer, { message }: Finding): void {
    const frames = message.split('\n').filter((line) => line.startsWith('    at '))
    const kind =
      frames.length > 0 ? frames.slice(0, 3).join('\n') : message.replace(/[\d\s].*/s, '')
    if (this.findings.some((one) => one.startsWith(kind))) return
    this.findings.push(`${kind}\n${message}`)
    const directory = `${this.#kept}.findings`
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, nameOf(input)), input)
  }
}

function nameOf(input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16)
}

describe.skipIf(SECONDS === 0)(`guided by coverage, FUZZ_SECONDS=${SECONDS}`, () => {
  beforeAll(() => mkdirSync(OUT, { recursive: true }))
  afterAll(() => coverage.stop())

  test.each(targets)(
    `$name has no finding, seed ${SEED}`,
    async (target) => {
      const guided = new Guided(target, temporaryDirectory())
      await guided.run(SECONDS)
      const { inputs, corpus, findings } = guided
      const line = `${target.name}: seed ${SEED}, ${SECONDS} s, ${inputs} inputs, ${corpus} kept, ${findings.length} findings`
      appendFileSync(join(OUT, 'runs.log'), `${new Date().toISOString()} ${line}\n`)
      expect(findings).toEqual([])
    },
    (SECONDS + 600) * 1000,
  )
})
