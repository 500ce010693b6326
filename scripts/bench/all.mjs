/** Runs every benchmark one after the other, each as it is by itself. See README.md. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

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
