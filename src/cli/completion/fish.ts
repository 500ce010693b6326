import type { CompletedCommand, CompletedOption, Value } from './words.js'

/** A script for fish 3 and later. */
export function fishScript(
  commands: readonly CompletedCommand[],
  options: readonly CompletedOption[],
): string {
  const lines = [
    '# Completion of mirrortap for fish: mirrortap completion fish > ~/.config/fish/completions/mirrortap.fish',
    // The command is the first word; a file of the same name further on is none.
    'function __mirrortap_command',
    '    set -l words (commandline -opc)',
    '    if test (count $argv) = 0',
    '        test (count $words) = 1',
    '    else',
    '        test (count $words) -gt 1; and test "$words[2]" = "$argv[1]"',
    '    end',
    'end',
    'complete -c mirrortap -f',
    ...options.map((option) => optionLine('__mirrortap_command', option)),
    ...commands.map(
      ({ name, description }) =>
        `complete -c mirrortap -n __mirrortap_command -a ${name} -d ${quoted(description)}`,
    ),
  ]
  for (const { name, options: ofCommand, argument } of commands) {
    const condition = `'__mirrortap_command ${name}'`
    if (argument !== undefined && argument !== 'text') {
      lines.push(`complete -c mirrortap -n ${condition} ${values(argument)}`)
    }
    lines.push(...ofCommand.map((option) => optionLine(condition, option)))
  }
  return `${lines.join('\n')}\n`
}

function optionLine(condition: string, { spellings, description, value }: CompletedOption): string {
  const words = [`complete -c mirrortap -n ${condition}`]
  for (const spelling of spellings) {
    words.push(spelling.startsWith('--') ? `-l ${spelling.slice(2)}` : `-s ${spelling.slice(1)}`)
  }
  if (value !== undefined) words.push('-r', values(value))
  words.push(`-d ${quoted(description)}`)
  return words.join(' ')
}

function values(value: Value): string {
  if (value === 'file') return '-F'
  if (value === 'directory') return "-f -a '(__fish_complete_directories)'"
  return value === 'text' ? '-f' : `-f -a ${quoted(value.join(' '))}`
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
