import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommanderError } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.js'

const ROOT = join(import.meta.dirname, '../..')
const PAGES = [
  'README.md',
  'samples/README.md',
  ...readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('src', name)),
]

/** What a page shows as a command line: code that begins with `mirrortap`, in blocks and in tables. */
function commandLines(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8').replaceAll('\\\n', ' ')
  const fenced = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!)
  const rows = [...text.matchAll(/^\|.*$/gm)].map(([row]) => row)
  return [
    ...text.matchAll(/^ {4}(mirrortap .+)$/gm),
    ...fenced.flatMap((block) => [...block.matchAll(/^(mirrortap .+)$/gm)]),
    ...rows.flatMap((row) => [...row.matchAll(/`(mirrortap [^`]+)`/g)]),
  ].map(([, line]) => line!.replaceAll('\\|', '|'))
}

/** The words that a shell gives to mirrortap, before `|`, `>`, `&` and comments. */
function wordsOf(line: string): string[] {
  const words: string[] = []
  for (const [word, double, single] of line.matchAll(/"([^"]*)"|'([^']*)'|[^\s"']+/g)) {
    if (word === '|' || word === '&' || word === '#' || word.startsWith('>')) break
    // A glob: where it stands, files would.
    words.push(double ?? single ?? word.replace('*', 'x'))
  }
  return words.slice(1)
}

/** Parses a command line and does nothing else. */
function parse(words: readonly string[]): void {
  const program = createProgram().configureOutput({
    writeErr: () => undefined,
    writeOut: () => undefined,
  })
  for (const command of program.commands) {
    command.exitOverride().action(() => undefined)
    for (const under of command.commands) under.exitOverride().action(() => undefined)
  }
  program.parse(words, { from: 'user' })
}

const shown = PAGES.map((page) => ({ page, lines: commandLines(page) }))

test.each(shown.filter(({ lines }) => lines.length > 0))(
  '$page shows command lines that mirrortap takes',
  ({ lines }) => {
    const refused = lines.flatMap((line) => {
      try {
        parse(wordsOf(line))
        return []
      } catch (error) {
        return [`${line}: ${error instanceof CommanderError ? error.message : String(error)}`]
      }
    })
    expect(refused).toEqual([])
  },
)

test('README.md shows command lines of every command', () => {
  const names = new Set(commandLines('README.md').map((line) => wordsOf(line)[0]))
  const commands = createProgram().commands.map((command) => command.name())
  expect(commands.filter((name) => !names.has(name))).toEqual([])
})
