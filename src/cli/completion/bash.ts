import type { CompletedCommand, CompletedOption, Value } from './words.js'

/**
 * A script for bash that does not need the package bash-completion. Bash also splits words at `=`
 * (COMP_WORDBREAKS), so `--format=json` arrives as three.
 */
export function bashScript(
  commands: readonly CompletedCommand[],
  options: readonly CompletedOption[],
): string {
  const none = { name: "''", options, argument: commands.map(({ name }) => name) }
  return `# Completion of mirrortap for bash: source <(mirrortap completion bash)
_mirrortap() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command= options= kind= values=
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  ((COMP_CWORD > 1)) && command=\${COMP_WORDS[1]}
  case $command in
${[none, ...commands].map(caseOfCommand).join('')}  esac
  local IFS=$' \\t\\n'
  COMPREPLY=()
  if [[ $current == -* && -n $options ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ $kind == words ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  elif [[ $kind == file || $kind == directory ]]; then
    IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    [[ $kind == file ]] && COMPREPLY=($(compgen -f -- "$current")) || COMPREPLY=($(compgen -d -- "$current"))
  fi
}
complete -F _mirrortap mirrortap
`
}

function caseOfCommand({
  name,
  options,
  argument,
}: Pick<CompletedCommand, 'name' | 'options' | 'argument'>): string {
  const withValue = options.filter(({ value }) => value !== undefined)
  const cases = withValue.map(
    ({ spellings, value }) =>
      `        ${spellings.join(' | ')}) options= ${assignments(value)} ;;\n`,
  )
  return `    ${name})
      options='${options.flatMap(({ spellings }) => spellings).join(' ')}' ${assignments(argument)}
      case $previous in
${cases.join('')}      esac
      ;;
`
}

/** The variables that say what comes next. */
function assignments(value: Value | undefined): string {
  if (value === undefined) return 'kind= values='
  return typeof value === 'string'
    ? `kind=${value} values=`
    : `kind=words values='${value.join(' ')}'`
}
