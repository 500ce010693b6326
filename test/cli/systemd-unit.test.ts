import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'

const UNIT = join(import.meta.dirname, '../../scripts/package/mirrortap.service')

/** Of ten: what systemd calls exposed begins at five. */
const EXPOSURE_MAX = 2

test.skipIf(!hasTool('systemd-analyze'))(
  'systemd takes the unit, and finds it little exposed (needs systemd-analyze)',
  () => {
    // The program is not installed here.
    const unit = readFileSync(UNIT, 'utf8').replaceAll('/usr/bin/mirrortap', process.execPath)
    const path = join(temporaryDirectory(), 'mirrortap.service')
    writeFileSync(path, unit)
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
      return { status, said: stdout + stderr }
    }
    expect(run('verify', '--man=no', path)).toEqual({ status: 0, said: '' })
    const { said } = run('security', '--offline=true', '--no-pager', path)
    const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(said) ?? []
    expect(Number(exposure)).toBeLessThanOrEqual(EXPOSURE_MAX)
  },
)
