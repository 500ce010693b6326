import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  clearRedrawn,
  redraw,
  say,
  sayBug,
  sayDetail,
  sayProblem,
  setLines,
  warn,
} from '../../../src/cli/process/console.js'
import { BIN, IS_BUILT, NEEDS_BUILD } from '../../e2e/program.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { runMain } from '../run-main.js'

/** What an attacker puts into names and files: ends of lines, escape sequences, C1, text turned around. */
const EVIL = 'x\x1b[2J\x1b]0;t\x07\r\nmirrortap: all is well\u009b2J\u202etxt\u2028y\x7f'
/** Anything but printable text and the ends of lines. */
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

function written() {
  let text = ''
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((piece) => {
    text += piece
    return true
  })
  onTestFinished(() => spy.mockRestore())
  return () => text
}

describe('a line on standard error', () => {
  test('is one line, with what a terminal would obey escaped', () => {
    const text = written()
    say(EVIL)
    expect(text()).not.toMatch(UNSAFE)
    expect(text().match(/\n/g)).toHaveLength(1)
  })

  test('has a greatest length', () => {
    const text = written()
    say('\x1b'.repeat(1_000_000))
    expect(text().length).toBeLessThan(64 * 1024)
  })

  test('takes the place of a redrawn line, and only of that', () => {
    const text = written()
    redraw('1 of 2\x1b')
    say('a')
    say('b')
    clearRedrawn()
    expect(text()).toBe('\r1 of 2\\u001b\x1b[K\r\x1b[Ka\nb\n')
  })

  test('is left out where it matters less than is asked for, and JSON where that is wanted', () => {
    onTestFinished(() => setLines('info', false))
    const text = written()
    sayDetail('not this')
    setLines('debug', false)
    sayDetail('a')
    setLines('warn', true)
    redraw('not this')
    say('not this')
    warn(`b ${EVIL}`)
    sayProblem('c')
    const [first, ...others] = text().trimEnd().split('\n')
    expect(first).toBe('a')
    expect(text()).not.toMatch(UNSAFE)
    const time = expect.stringMatching(/^\d{4}-.*Z$/)
    expect(others.map((line) => JSON.parse(line))).toEqual([
      { time, level: 'warn', message: `b ${EVIL}` },
      { time, level: 'error', message: 'mirrortap: c' },
    ])
  })

  test('of a bug has the message in one line and the stack behind it', () => {
    const text = written()
    sayBug(new TypeError(EVIL))
    const [first, second] = text().split('\n')
    expect(first).toMatch(/^mirrortap: a bug, please report it: TypeError: x\\u001b/)
    expect(second).toMatch(/^ {4}at /)
    expect(text()).not.toMatch(UNSAFE)
  })
})

function fileWith(name: string, text: string): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, text)
  return path
}

describe('nothing foreign reaches standard error as it came', () => {
  test.each([
    ['a file that is missing', () => ['analyze', EVIL.replaceAll('/', '')]],
    ['a file that is no capture', () => ['flows', fileWith(EVIL, 'rubbish')]],
    ['an option', () => ['listen', `--${EVIL}`]],
    ['a value', () => ['listen', '--port', EVIL]],
    ['a command', () => [EVIL]],
    ['a filter', () => ['flows', `host ${EVIL}`, '--filter', EVIL]],
    ['flow filters', () => ['flows', 'x', '--flow-filters', EVIL]],
    ['a log format', () => ['listen', '--no-api', '--flow-log-dir', 'x', '--log-format', EVIL]],
    [
      'a key of YAML',
      () => ['listen', '--config', fileWith('c.yaml', `${JSON.stringify(EVIL)}: 1`)],
    ],
    [
      'a value of YAML',
      () => ['listen', '--config', fileWith('c.yaml', `port: ${JSON.stringify(EVIL)}`)],
    ],
    ['broken YAML', () => ['listen', '--config', fileWith('c.yaml', `a: [\x1b${EVIL}`)]],
    [
      'a session file',
      () => [
        'mirror',
        '--read',
        'x',
        '--session',
        fileWith('s.yaml', `{${JSON.stringify(EVIL)}: 1}`),
      ],
    ],
    ['SQL', () => ['query', `SELECT ${EVIL}`]],
    ['a value in an error of SQL', () => ['query', `SELECT CAST('${EVIL}' AS INTEGER)`]],
    ['a state file', () => ['query', 'SELECT 1', '--state', fileWith('s.json', `{"${EVIL}`)]],
  ])('%s', async (_, args) => {
    const { code, err } = await runMain(...args())
    expect(code).toBeGreaterThan(0)
    expect(err).not.toMatch(UNSAFE)
    expect(err).not.toMatch(/^mirrortap: all is well/m)
    expect(err).toMatch(/^mirrortap: [^\n]+\n$/)
  })
})

const HAS_SCRIPT = spawnSync('script', ['--version']).status === 0

describe.skipIf(!IS_BUILT || !HAS_SCRIPT)(`on a terminal (needs script)${NEEDS_BUILD}`, () => {
  /** The same command with standard output on a terminal, and in a pipe. */
  const shown = (...args: string[]): string => {
    const command = [process.execPath, BIN, ...args].map((word) => `'${word}'`).join(' ')
    return spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' }).stdout
  }
  const piped = (...args: string[]): string =>
    spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' }).stdout

  const SQL = 'SELECT chr(27) || chr(155) || chr(10) || chr(8238) AS a'
  test.each(['csv', 'json', 'table'])('query --format %s shows values escaped', (format) => {
    const text = shown('query', SQL, '--format', format)
    expect(text.replaceAll('\r\n', '\n')).not.toMatch(UNSAFE)
    expect(text).toContain('\\u001b\\u009b\\n\\u202e')
  })

  test('in a pipe CSV has the values as they are', () => {
    expect(piped('query', SQL, '--format', 'csv')).toBe('a\n"\x1b\u009b\n\u202e"\n')
  })
})
