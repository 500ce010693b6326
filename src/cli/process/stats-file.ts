import { closeSync, openSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { LedgerReport } from '../../session/ledger.js'
import { WriteError } from '../../sink/write-error.js'
import { print } from './console.js'
import { sayWritten } from './written.js'

const PART = '.part'

/** Throws OperatorError where `writeStats` would have to: rather now than after a month. */
export function checkStats(path: string): void {
  if (path === '-') return
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw Object.assign(new Error('a directory'), { code: 'EISDIR' })
    }
    closeSync(openSync(path + PART, 'w'))
    rmSync(path + PART)
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
    writeFileSync(path + PART, text)
    renameSync(path + PART, path)
    sayWritten('the ledger was', path)
  } catch (error) {
    throw new WriteError(path, error)
  }
}
