/**
 * Runs every benchmark one after the other, each as it is by itself. With `--compare [COMMIT]`
 * holds those of the packet path against another commit. See README.md.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compare } from './compare.js'

const { values, positionals } = parseArgs({
  options: { compare: { type: 'boolean', default: false } },
  allowPositionals: true,
})
if (values.compare) compare(positionals[0])
else runAll()

function runAll() {
  let failed = false
  for (const [name, ...options] of [
    ['flow-table.mjs'],
    ['filter.mjs'],
    ['mirror.mjs'],
    ['mirror-rules.mjs'],
    ['offline.mjs', '--rounds', '3'],
    ['receive.mjs', '--rates', '200000,max,backlog'],
    ['api.mjs'],
  ]) {
    console.log(`\n== ${[name, ...options].join(' ')}`)
    const args = [join(import.meta.dirname, name), ...options]
    failed = spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0 || failed
  }
  if (failed) process.exitCode = 1
}
