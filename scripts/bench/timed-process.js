/** Whole processes with their time on the clock, on the CPU, and their memory. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'

const TIME = '/usr/bin/time'
/** Nothing here takes that long: it hangs. */
const LONGEST_MS = 120_000
const hasTime = existsSync(TIME)

export function isInstalled(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** Reads a file once, so that it lies in the page cache as far as there is room. */
export function warm(path) {
  const block = Buffer.allocUnsafeSlow(4 << 20)
  const fd = openSync(path, 'r')
  while (readSync(fd, block, 0, block.length, null) > 0);
  closeSync(fd)
}

/**
 * Runs a command to its end: seconds on the clock, CPU seconds of all threads and
 * the largest resident set in MB (both null without /usr/bin/time). `output` takes
 * what it writes to stdout; without it that is thrown away. Throws with what it
 * said when it fails.
 *
 * @param {readonly string[]} command
 * @param {{ scratch: string, output?: string, patienceMs?: number }} where
 */
export async function run(command, { scratch, output, patienceMs = LONGEST_MS }) {
  const report = `${scratch}/time`
  const [program, ...args] = hasTime
    ? [TIME, '-q', '-f', '%U %S %M', '-o', report, ...command]
    : command
  const stdout = output === undefined ? 'ignore' : openSync(output, 'w')
  const said = []
  const start = process.hrtime.bigint()
  const child = spawn(program, args, { stdio: ['ignore', stdout, 'pipe'], timeout: patienceMs })
  child.stderr?.on('data', (chunk) => said.push(chunk))
  const [code] = await once(child, 'close')
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  if (typeof stdout === 'number') closeSync(stdout)
  if (code !== 0) throw new Error(`${command.join(' ')}: exit ${code}\n${Buffer.concat(said)}`)
  if (!hasTime) return { seconds, cpuSeconds: null, rssMB: null }
  const [user, system, kilobytes] = readFileSync(report, 'latin1').trim().split(' ').map(Number)
  rmSync(report)
  return { seconds, cpuSeconds: user + system, rssMB: kilobytes / 1024 }
}
