import { renameSync, writeFileSync } from 'node:fs'
import { OperatorError } from '../errors.js'
import type { LedgerReport } from '../session/ledger.js'

/** What `--stats` names, whole or not at all. Throws OperatorError. */
export function writeStats(path: string, report: LedgerReport): void {
  try {
    writeFileSync(`${path}.part`, `${JSON.stringify(report, null, 2)}\n`)
    renameSync(`${path}.part`, path)
  } catch (error) {
    throw new OperatorError(`cannot write ${path}: ${(error as Error).message}`)
  }
}
