import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { runMain } from './run-main.js'

/** What is typed before the tabulator, and what the shell may offer, in the directory made below. */
const OFFERED: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ['flow', ['flow-log', 'flows']],
  ['help ana', ['analyze']],
  ['--ver', ['--version']],
  ['flows --dup', ['--duplicates']],
  ['flows --duplicates ', ['drop', 'keep', 'mark']],
  ['listen --receiver recv', ['recvmmsg']],
  ['completion ', ['bash', 'fish', 'zsh']],
  ['analyze we', ['web and dns.pcap']],
  ['capture -w we', ['web and dns.pcap']],
  ['listen --capture-dir ', ['captures']],
  ['listen --port ', []],
  ['listen no', []],
]

/** Of those, what only one thing may complete, as the whole line. */
const COMPLETED = OFFERED.filter(([, offered]) => offered.length === 1)

const BASH = `
source "$1"
for line in "\${@:2}"; do
  read -ra COMP_WORDS <<< "mirrortap $line"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _mirrortap 2>/dev/null
  printf '%s\\t' "\${COMPREPLY[@]}"
  echo
done`

const FISH = `
source $argv[1]
for line in $argv[2..]
  echo (complete -C "mirrortap $line" | string replace -r '\\t.*' '' | string join \\t)
end`

/** A terminal of its own, as only an interactive zsh completes. */
const ZSH = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= RPS1=; autoload -U compinit; compinit -D -u; source $1
show() { print -r -- \\"<<\\$BUFFER>>\\"; BUFFER= }; zle -N show; bindkey '^X' show; print ready"
zpty -r z out $'*\\nready*'
for line in "\${@:2}"; do
  zpty -w -n z "mirrortap $line"$'\\t\\x18'
  zpty -r z out '*<<*>>*'
  out=\${out##*<<}
  print -r -- "\${out%%>>*}"
done
zpty -d z`

/** What a shell prints, line by line, for the lines typed. */
async function asked(shell: string, script: string, typed: readonly string[]): Promise<string[]> {
  const directory = temporaryDirectory()
  const { code, out, err } = await runMain('completion', shell)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const completion = join(directory, 'completion')
  writeFileSync(completion, out)
  const place = join(directory, 'place')
  mkdirSync(join(place, 'captures'), { recursive: true })
  writeFileSync(join(place, 'web and dns.pcap'), '')
  const given = shell === 'fish' ? [] : [shell]
  const run = spawnSync(shell, ['-c', script, ...given, completion, ...typed], {
    cwd: place,
    encoding: 'utf8',
    env: { ...process.env, HOME: directory, TERM: 'dumb' },
  })
  expect(run).toMatchObject({ status: 0, stderr: '' })
  return run.stdout.split(/\r?\n/).slice(0, typed.length)
}

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish'])('of %s knows every option of every command', async (shell) => {
    const { out } = await runMain('completion', shell)
    for (const command of createProgram().commands) {
      expect(out).toContain(command.name())
      for (const { long } of command.options) {
        expect(out).toMatch(new RegExp(`(--|-l )${long!.slice(2)}\\b`))
      }
    }
  })

  test('is what bash offers', async () => {
    const lines = await asked(
      'bash',
      BASH,
      OFFERED.map(([typed]) => typed),
    )
    const found = lines.map((line) => line.split('\t').filter(Boolean).sort())
    expect(found).toEqual(OFFERED.map(([, offered]) => offered))
  })

  test('takes a value behind = in bash', async () => {
    const script = BASH.replace('read -ra COMP_WORDS <<< "mirrortap $line"', 'COMP_WORDS=($line)')
    expect(await asked('bash', script, ['mirrortap flows --duplicates = k'])).toEqual(['keep\t'])
  })

  test.skipIf(!hasTool('fish'))('is what fish offers (needs fish)', async () => {
    const lines = await asked(
      'fish',
      FISH,
      OFFERED.map(([typed]) => typed),
    )
    const found = lines.map((line) =>
      line
        .split('\t')
        .filter(Boolean)
        .map((word) => word.replace(/\/$/, '').replaceAll('\\ ', ' '))
        .sort(),
    )
    expect(found).toEqual(OFFERED.map(([, offered]) => offered))
  })

  test.skipIf(!hasTool('zsh'))('is what zsh completes (needs zsh)', async () => {
    const lines = await asked(
      'zsh',
      ZSH,
      COMPLETED.map(([typed]) => typed),
    )
    const expected = COMPLETED.map(([typed, [only]]) => {
      const word = only!.replaceAll(' ', '\\ ')
      return `mirrortap ${typed.replace(/\S*$/, word)}${word === 'captures' ? '/' : ' '}`
    })
    expect(lines).toEqual(expected)
  })

  test('names the shells there are', async () => {
    expect(await runMain('completion', 'tcsh')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('Allowed choices are bash, zsh, fish.'),
    })
  })
})
