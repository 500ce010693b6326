import type { CompletedCommand, CompletedOption, Value } from './words.js'

/** A script for zsh that may be sourced after compinit or lie in a directory of fpath as `_mirrortap`. */
export function zshScript(
  commands: readonly CompletedCommand[],
  options: readonly CompletedOption[],
): string {
  return `#compdef mirrortap
# Completion of mirrortap for zsh: source <(mirrortap completion zsh)
_mirrortap() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C ${[...options.map(optionSpecification), "'1: :->command'", "'*:: :->rest'"].join(CONTINUED)}
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, description }) => `        ${quoted(`${name}:${escaped(description)}`)}\n`).join('')}      )
      _describe -t commands command commands
      ;;
    rest)
      case $words[1] in
${commands.map(caseOfCommand).join('')}      esac
      ;;
  esac
}
if [[ $funcstack[1] == _mirrortap ]]; then
  _mirrortap "$@"
else
  compdef _mirrortap mirrortap
fi
`
}

const CONTINUED = ' \\\n          '

function caseOfCommand({ name, options, argument }: CompletedCommand): string {
  const specifications = options.map(optionSpecification)
  if (argument !== undefined) specifications.push(quoted(`*:argument:${action(argument)}`))
  return `        ${name})
          _arguments -s ${specifications.join(CONTINUED)}
          ;;
`
}

/** An option of `_arguments` (zshcompsys(1)); `*` because most that take a value may be repeated. */
function optionSpecification({ spellings, description, value }: CompletedOption): string {
  const rest = `[${escaped(description)}]${value === undefined ? '' : `:value:${action(value)}`}`
  if (value !== undefined)
    return spellings.map((spelling) => quoted(`*${spelling}${rest}`)).join(' ')
  const exclusive = quoted(`(${spellings.join(' ')})`)
  return spellings.map((spelling) => `${exclusive}${quoted(`${spelling}${rest}`)}`).join(' ')
}

function action(value: Value): string {
  if (value === 'file') return '_files'
  if (value === 'directory') return '_files -/'
  return value === 'text'
    ? ' '
    : `(${value.map((word) => word.replace(/[:\\ ]/g, '\\$&')).join(' ')})`
}

function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
