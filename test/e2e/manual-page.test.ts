import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { hasTool } from '../support/tools.js'
import { IS_BUILT, NEEDS_BUILD } from './program.js'

const PAGE = join(import.meta.dirname, '../../dist/mirrortap.1')

describe.skipIf(!IS_BUILT)(`the manual page${NEEDS_BUILD}`, () => {
  test('has every command with every option', () => {
    const text = readFileSync(PAGE, 'utf8').replaceAll('\\-', '-')
    for (const command of createProgram().commands) {
      expect(text).toContain(`.SH MIRRORTAP ${command.name().toUpperCase()}\n`)
      for (const { flags } of command.options) expect(text).toContain(`.B ${flags}\n`)
    }
  })

  test.skipIf(!hasTool('groff'))('is roff without a warning (needs groff)', () => {
    const run = spawnSync('groff', ['-man', '-ww', '-z', PAGE], { encoding: 'utf8' })
    expect(run).toMatchObject({ status: 0, stderr: '' })
  })
})
