import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { widthOf } from '../../src/terminal/text-width.js'
import { BIN, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const HAS_SCRIPT = spawnSync('script', ['--version']).status === 0
const SAMPLE = join(import.meta.dirname, '../../samples/vxlan-two-sessions.pcap')

describe.skipIf(!IS_BUILT || !HAS_SCRIPT)(
  `on a terminal (needs script)${NEEDS_BUILD}`,
  UNHURRIED,
  () => {
    const shown = (env: NodeJS.ProcessEnv, ...args: string[]): string => {
      const command = [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(' ')
      // Node takes no colours for granted where CI is set.
      const { FORCE_COLOR: _, NO_COLOR: __, CI: ___, ...rest } = process.env
      const run = spawnSync('script', ['-qec', command, '/dev/null'], {
        encoding: 'utf8',
        env: { ...rest, TERM: 'xterm-256color', ...env },
      })
      return run.stdout.replaceAll('\r\n', '\n')
    }

    test.each([
      ['flows', SAMPLE],
      ['flows', '--pairs', SAMPLE],
      ['flows', '--vertical', SAMPLE],
      ['query', 'FROM flows', SAMPLE],
      ['query', 'SELECT repeat(chr(26085), 90) AS text', '--vertical'],
    ])(
      '%s %s fits 80 and 200 columns',
      (...args) => {
        for (const columns of [80, 200]) {
          const lines = shown({ COLUMNS: String(columns) }, ...args)
            .trimEnd()
            .split('\n')
          expect(lines.length).toBeGreaterThan(1)
          // What is said on standard error is a sentence, not a table.
          const table = lines.filter((line) => !line.startsWith('no room for '))
          for (const line of table) expect(widthOf(line), line).toBeLessThanOrEqual(columns)
        }
      },
      60_000,
    )

    test('a query says which columns there is no room for', () => {
      const text = shown({ COLUMNS: '80' }, 'query', 'FROM flows', SAMPLE)
      expect(text).toMatch(
        /\nno room for [a-z_, ]*, direction, src_name, dst_name, community_id: select fewer columns, or see all with --vertical\n$/,
      )
    })

    test('colours are as NO_COLOR and FORCE_COLOR say', () => {
      const isColoured = (text: string) => stripVTControlCharacters(text) !== text
      expect(isColoured(shown({}, 'analyze', SAMPLE))).toBe(true)
      expect(isColoured(shown({ NO_COLOR: '1' }, 'analyze', SAMPLE))).toBe(false)
      const piped = (env: NodeJS.ProcessEnv) =>
        spawnSync(process.execPath, [BIN, 'analyze', SAMPLE], {
          encoding: 'utf8',
          env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: undefined, ...env },
        }).stdout
      expect(isColoured(piped({}))).toBe(false)
      expect(isColoured(piped({ FORCE_COLOR: '1' }))).toBe(true)
    })
  },
)
