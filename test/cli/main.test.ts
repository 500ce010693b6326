import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { runMain } from './run-main.js'

/** Commands, and what they cannot do without. */
const NEEDED = {
  listen: [],
  capture: ['-w', 'x'],
  flows: [],
  'flow-log': [],
  analyze: [],
  query: [],
  find: [],
  index: [],
  mirror: ['--read', 'x', '--to', '127.0.0.1:1', '--vni', '1'],
  top: [],
  doctor: [],
}
const COMMANDS = Object.keys(NEEDED)
const PACKAGE = join(import.meta.dirname, '../../package.json')

describe('main', () => {
  test.each(['--version', '-V'])('%s prints the version', async (option) => {
    const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string }
    expect(await runMain(option)).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })

  test('explains itself, and every command with an example', async () => {
    const { code, out, err } = await runMain('--help')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const command of COMMANDS) {
      expect(out).toMatch(new RegExp(`^  ${command} .*\\w`, 'm'))
      const help = await runMain(command, '--help')
      expect(help).toMatchObject({ code: 0, err: '' })
      expect(help.out).toMatch(new RegExp(`^Usage: mirrortap ${command} `))
      expect(help.out).toMatch(new RegExp(`\nExamples?:\n(  # .*\n)?  mirrortap ${command} `))
      for (const line of help.out.split('\n')) expect(line.length).toBeLessThan(100)
    }
  })

  test('every option says what it does and what goes without it', () => {
    for (const command of createProgram().commands) {
      expect(command.description(), command.name()).not.toContain('\n')
      for (const { flags, description, defaultValue, ...option } of command.options) {
        expect(description.split(' ').length, flags).toBeGreaterThan(2)
        const takesValue = option.required || option.optional
        if (!takesValue || defaultValue !== undefined || option.mandatory) continue
        // Where the other option is not given, neither is there a value.
        if (/^with --control:/.test(description)) continue
        expect(description, `${command.name()} ${flags}`).toMatch(/\(default: |\(required/)
      }
    }
  })

  test('help has 80 columns, but for command lines that are to be copied', async () => {
    const { commands } = createProgram()
    for (const name of commands.map((command) => command.name())) {
      const { out } = await runMain(name, '--help')
      const wide = out.split('\n').filter((line) => line.length > 80)
      expect(
        wide.filter((line) => !line.startsWith('  mirrortap ')),
        name,
      ).toEqual([])
    }
  })

  test('shows its help for no command at all, as a mistake', async () => {
    const { code, out, err } = await runMain()
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^Usage: mirrortap /)
  })

  test.each([
    { args: ['flow'], says: "unknown command 'flow' (Did you mean flows?) (see mirrortap --help)" },
    { args: ['nothing'], says: "unknown command 'nothing' (see mirrortap --help)" },
    { args: ['--jsn'], says: "unknown option '--jsn' (see mirrortap --help)" },
    {
      args: ['flows', '--jsn', 'x'],
      says: "unknown option '--jsn' (Did you mean --json?) (see mirrortap flows --help)",
    },
    ...Object.entries(NEEDED).map(([command, needed]) => ({
      args: [command, ...needed, '--no-such-option'],
      says: `unknown option '--no-such-option' (see mirrortap ${command} --help)`,
    })),
    {
      args: ['flows'],
      says: 'name capture files, or directories of them with --dir',
    },
    {
      args: ['listen', 'extra'],
      says: "too many arguments for 'listen'. Expected 0 arguments but got 1. (see mirrortap listen --help)",
    },
  ])('refuses $args in one line', async ({ args, says }) => {
    expect(await runMain(...args)).toEqual({ code: 2, out: '', err: `mirrortap: ${says}\n` })
  })
})
