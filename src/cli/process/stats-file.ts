import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import type { LedgerReport } from '../../session/ledger.js'
import { WriteError } from '../../sink/write-error.js'
import { print } from './console.js'
import { sayWritten } from './written.js'

/** Throws OperatorError where `writeStats` would have to: rather now than after a month. */
export function checkStats(path: string): void {
  if (path === '-') return
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw Object.assign(new Error('a directory'), { code: 'EISDIR' })
    }
    accessSync(dirname(path), constants.W_OK)
  } catch (error) {
    throw new WriteError(path, error)
  }
}

/** To what `--stats` names, `-` being standard output: whole or not at all. Throws OperatorError. */
export function writeStats(path: string, report: LedgerReport): void {
  const text = `${JSON.stringify(report, null, 2)}\n`
  if (path === '-') {
    print(text)
    return
  }
  try {
    writeFileAtomic.sync(path, text)
    sayWritten('the ledger was', path)
  } catch (error) {
    throw new WriteError(path, error)
  }
}
