import type { Argument, Command, Option } from 'commander'

/** What an argument or a value may be: one of these words, a path, or text that cannot be completed. */
export type Value = readonly string[] | 'file' | 'directory' | 'text'

/** An option as a shell completes it. */
export interface CompletedOption {
  /** As typed, with the hyphens: the long form, then the short one if there is one. */
  readonly spellings: readonly string[]
  readonly description: string
  /** Undefined for an option without a value. */
  readonly value: Value | undefined
}

/** A command as a shell completes it. */
export interface CompletedCommand {
  readonly name: string
  readonly description: string
  readonly options: readonly CompletedOption[]
  /** What its arguments are; undefined without arguments. */
  readonly argument: Value | undefined
}

/** The words of every command that help shows, from commander's own table. */
export function completedCommands(program: Command): CompletedCommand[] {
  const help = program.createHelp()
  const commands = help.visibleCommands(program)
  const names = commands.map((command) => command.name())
  return commands.map((command) => ({
    name: command.name(),
    description: help.subcommandDescription(command),
    options: completedOptions(command),
    argument: command.name() === 'help' ? names : valueOfArguments(command.registeredArguments),
  }))
}

/** The options of one command, or of the program itself. */
export function completedOptions(command: Command): CompletedOption[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      spellings: [option.long, option.short].filter((spelling) => spelling !== undefined),
      description: firstClause(option.description),
      value: option.required || option.optional ? valueOfOption(option) : undefined,
    }))
}

function valueOfOption({ argChoices, flags }: Option): Value {
  return argChoices ?? named(/[<[]([^>\]]+)[>\]]/.exec(flags)?.[1])
}

/** Of several kinds of arguments, files: the others (SQL, an expression) are one quoted word. */
function valueOfArguments(given: readonly Argument[]): Value | undefined {
  if (given.length === 0) return undefined
  const values = given.map((argument) => argument.argChoices ?? named(argument.name()))
  return values.find((value) => value !== 'text') ?? 'text'
}

/** The help calls paths `file` and `dir`. */
function named(placeholder: string | undefined): Value {
  const name = placeholder?.replace(/\.\.\.$/, '')
  if (name === 'file') return 'file'
  return name === 'dir' ? 'directory' : 'text'
}

/** Enough beside a list of options; the help has the rest. */
function firstClause(text: string): string {
  return text.split(/[;:.] | \(/, 1)[0]!
}
