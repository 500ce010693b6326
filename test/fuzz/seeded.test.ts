import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Random } from '../support/random.js'
import { temporaryDirectory } from '../support/temporary.js'
import { mutation } from './mutation.js'
import { directoryFor, type FuzzTarget, samplesOf, tryInput } from './target.js'
import { TARGETS } from './targets.js'

/** FUZZ_SEED=n tries another; the seed is in the name of the test. */
const SEED = Number(process.env['FUZZ_SEED'] ?? 4789)

/** What was wrong once: `findings/<target>/<what it is>`. */
const FINDINGS = join(import.meta.dirname, 'findings')

function findingsOf({ name }: FuzzTarget): { name: string; bytes: Buffer }[] {
  const directory = join(FINDINGS, name)
  if (!existsSync(directory)) return []
  return readdirSync(directory).map((file) => ({
    name: file,
    bytes: readFileSync(join(directory, file)),
  }))
}

describe.each(TARGETS)('$name', (target) => {
  test('takes its samples', async () => {
    const root = temporaryDirectory()
    let taken = 0
    const samples = await samplesOf(target, root)
    for (const sample of samples) {
      if ((await tryInput(target, sample, directoryFor(target, root))) === 'taken') taken++
    }
    expect(taken).toBeGreaterThan(samples.length / 2)
  })

  test(`takes or refuses ${target.inputs} broken inputs, seed ${SEED}`, async () => {
    const root = temporaryDirectory()
    const random = new Random(SEED)
    const samples = await samplesOf(target, root)
    for (let count = target.inputs; count > 0; count--) {
      const input = mutation(random, random.pick(samples), samples, target.words)
      await tryInput(target, input, directoryFor(target, root))
    }
  })

  for (const { name, bytes } of findingsOf(target)) {
    test(`takes or refuses ${name}`, async () => {
      await tryInput(target, bytes, directoryFor(target, temporaryDirectory()))
    })
  }
})

test('README.md has a row for each target', () => {
  const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')
  const rows = [...readme.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, name]) => name)
  expect(rows.sort()).toEqual(TARGETS.map(({ name }) => name).sort())
})
