/**
 * Compares this commit with another one: both are built, their benchmarks of the packet path take
 * turns, and a number that has got worse by more than noise is named, exit code 1.
 *
 * Each commit runs its own scripts, since folders move; rows are compared by their names. Of each
 * row the least of all rounds counts, as in the benchmarks themselves. Noise is how far the two
 * best rounds of a commit are apart, but at least `TOLERANCE`: on a shared machine the same program
 * differs by that much. A row that seems worse gets as many rounds again before it is believed.
 *
 * Not compared: whole programs (offline.mjs, receive.mjs, mirror.mjs, api.mjs), which take minutes
 * and depend on the disk and the kernel.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const ROUNDS = 3
const TOLERANCE = 0.1

/**
 * What each benchmark prints: in every match `what` is the name of a row and `ns` its number.
 */
export const BENCHMARKS = {
  'filter.mjs': /^(?<ns>[\d.]+) +[\d.]+ % +(?<what>.+)$/gm,
  'flow-table.mjs': /^(?<what>\d+ +\d+) +(?<ns>\d+) +\d+ +\d+$/gm,
  'mirror-rules.mjs': /^(?<what>.+?) +(?<ns>[\d.]+) ns,.*$/gm,
  'pipeline.mjs': /^(?<what>.+?) +(?<ns>[\d.]+) ns.*$/gm,
}

/** @typedef {Map<string, number[]>} Samples nanoseconds of each round, by row */

/**
 * @param {string} output what a benchmark has printed
 * @param {RegExp} row
 * @param {Samples} samples
 */
export function takeRows(output, row, samples) {
  for (const { groups = {} } of output.matchAll(row)) {
    const what = String(groups['what']).replaceAll(/ +/g, ' ')
    samples.set(what, [...(samples.get(what) ?? []), Number(groups['ns'])])
  }
}

/**
 * @param {readonly number[]} here
 * @param {readonly number[]} there
 * @returns {{ ratio: number, noise: number, isWorse: boolean }} ratio above 1: slower than there
 */
export function judged(here, there) {
  const ratio = Math.min(...here) / Math.min(...there)
  const noise = Math.max(TOLERANCE, spreadOf(here), spreadOf(there))
  return { ratio, noise, isWorse: ratio > 1 + noise }
}

/** How far the two best rounds are apart. @param {readonly number[]} rounds */
function spreadOf(rounds) {
  const [best, second] = [...rounds].sort((a, b) => a - b)
  return best === undefined || second === undefined ? 0 : second / best - 1
}

/** @param {string} directory @param {string} command @param {readonly string[]} args */
function run(directory, command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} in ${directory}: ${error?.message ?? stderr}`)
}

/** The commit of the newest kept run of offline.mjs. */
function keptCommit() {
  const runs = join(import.meta.dirname, 'runs')
  const isOffline = (name) => existsSync(join(runs, name, 'raw.json'))
  const newest = readdirSync(runs).filter(isOffline).sort().at(-1)
  if (newest === undefined) throw new Error(`there is no run in ${runs}: name a commit`)
  return String(JSON.parse(readFileSync(join(runs, newest, 'raw.json'), 'utf8')).commit)
}

/** @param {string} [commit] by default that of the newest kept run */
export function compare(commit = keptCommit()) {
  const other = mkdtempSync(join(tmpdir(), 'mirrortap-compare-'))
  let isWorse = false
  try {
    run(ROOT, 'git', ['worktree', 'add', '--detach', other, commit])
    run(other, 'npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'])
    for (const directory of [ROOT, other]) run(directory, 'npm', ['run', 'build'])
    console.log(`this commit against ${commit}: ns there, ns here, ratio (noise)`)
    for (const [name, row] of Object.entries(BENCHMARKS)) {
      isWorse = compareOne(name, row, other) || isWorse
    }
  } finally {
    spawnSync('git', ['worktree', 'remove', '--force', other], { cwd: ROOT })
    rmSync(other, { recursive: true, force: true })
  }
  if (isWorse) process.exitCode = 1
}

/**
 * Prints a benchmark's rows.
 *
 * @param {string} name
 * @param {RegExp} row
 * @param {string} other directory of the other commit
 * @returns {boolean} whether one is worse
 */
function compareOne(name, row, other) {
  console.log(`\n${name}`)
  /** @type {Samples} */
  const here = new Map()
  /** @type {Samples} */
  const there = new Map()
  const script = join('scripts/bench', name)
  const takeTurns = () => {
    for (let round = 0; round < ROUNDS; round++) {
      takeRows(run(ROOT, process.execPath, [script]), row, here)
      takeRows(run(other, process.execPath, [script]), row, there)
    }
  }
  const worse = () =>
    [...here].filter(
      ([what, ns]) => judged(ns, there.get(what) ?? [Number.POSITIVE_INFINITY]).isWorse,
    )
  takeTurns()
  if (here.size === 0) throw new Error(`${name} printed no row that compare.js can read`)
  if (worse().length > 0) takeTurns()
  const found = new Set(worse().map(([what]) => what))
  for (const [what, ns] of here) {
    const before = there.get(what)
    if (before === undefined) {
      console.log(`  ${what}: ${Math.min(...ns)}, not there before`)
      continue
    }
    const { ratio, noise } = judged(ns, before)
    const figures = `${Math.min(...before)} → ${Math.min(...ns)} ns, ${ratio.toFixed(2)} (${noise.toFixed(2)})`
    console.log(`${found.has(what) ? '! ' : '  '}${what}: ${figures}`)
  }
  return found.size > 0
}
