/**
 * Writes dist/mirrortap.1, the manual page, from the same table of commands and options that is
 * parsed and that the help shows. Runs behind the compiler and before the bundler, which replaces
 * dist/cli.
 */
import { rmSync, writeFileSync } from 'node:fs'

// What the bundler of the last build left says that these files are CommonJS.
rmSync('dist/cli/package.json', { force: true })
/** @type {string} Named apart: the bundler removes the file, so that a check of types does not find it. */
const path = '../dist/cli/program.js'
const { createProgram } = await import(path)

const program = createProgram()
const help = program.createHelp()
const commands = help.visibleCommands(program).filter((command) => command.name() !== 'help')

const page = [
  `.TH MIRRORTAP 1 "" "mirrortap ${program.version()}" "User Commands"`,
  // Ragged on the right and without hyphens, which would look like part of a name.
  '.ad l',
  '.nh',
  '.SH NAME',
  `mirrortap \\- ${escaped('receive mirrored VPC traffic, capture it, and analyze captures')}`,
  '.SH SYNOPSIS',
  ...commands.flatMap((command) => [
    '.B mirrortap',
    escaped(`${command.name()} ${usage(command)}`),
    '.br',
  ]),
  '.SH DESCRIPTION',
  paragraph(help.commandDescription(program)),
  ...commands.flatMap(section),
  '.SH EXIT STATUS',
  ...[
    ['0', 'Done.'],
    ['1', 'Something went wrong; a line on standard error says what.'],
    ['2', 'The command line could not be understood; nothing was done.'],
  ].flatMap(([code, meaning]) => ['.TP', `.B ${code}`, meaning]),
]
writeFileSync('dist/mirrortap.1', `${page.join('\n')}\n`)

/** One command: what it does, its arguments and options by group, and what its help says behind them. */
function section(command) {
  const lines = [`.SH ${escaped(`mirrortap ${command.name()}`).toUpperCase()}`]
  lines.push(paragraph(help.commandDescription(command)))
  for (const argument of help.visibleArguments(command)) {
    lines.push(
      '.TP',
      `.I ${escaped(argument.name())}`,
      paragraph(help.argumentDescription(argument)),
    )
  }
  for (const [heading, options] of grouped(command)) {
    lines.push(`.SS ${escaped(heading.replace(/:$/, ''))}`)
    for (const option of options) {
      lines.push('.TP', `.B ${escaped(help.optionTerm(option))}`)
      lines.push(paragraph(help.optionDescription(option)))
    }
  }
  const after = textBehind(command)
  if (after !== '') lines.push('.SS Notes', '.nf', escaped(after), '.fi')
  return lines
}

function grouped(command) {
  const groups = new Map()
  for (const option of help.visibleOptions(command)) {
    const heading = option.helpGroupHeading ?? 'Options:'
    groups.set(heading, [...(groups.get(heading) ?? []), option])
  }
  return groups
}

function usage(command) {
  return help.commandUsage(command).replace(/^mirrortap \S+ /, '')
}

/** Examples and what else `addHelpText` gives: only printing the help tells it. */
function textBehind(command) {
  let text = ''
  command.configureOutput({ writeOut: (more) => (text += more) }).outputHelp()
  return text.slice(command.helpInformation().length).trim()
}

function paragraph(text) {
  return escaped(text.replace(/\s*\n\s*/g, ' '))
}

/** Text that roff shows as it is (groff_man(7)): no escapes, no requests, hyphens that can be copied. */
function escaped(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')
    .replace(
      /[^\0-\x7f]/gu,
      (character) => `\\[u${character.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
}
