import { type Command, Option } from 'commander'
import { CONFIGURED_FIELDS, FIELDS } from '../../flowlog/fields.js'
import type { MetadataValues } from '../../flowlog/metadata.js'
import { HELP_WIDTH, wrapped } from '../../terminal/text-width.js'

/** Every field there is, in lines for a help text. */
export function fieldsText(): string {
  const names = FIELDS.map(({ name }) => name).join(' ')
  return ['Fields of --log-format:', ...wrapped(names, HELP_WIDTH, { head: '  ' })].join('\n')
}

const GROUP = 'Fields that no packet carries:'

/** An option for every flow-log field whose value only an operator knows: `--interface-id` and the like. */
export function addMetadataOptions(command: Command): Command {
  for (const { name } of CONFIGURED_FIELDS) {
    command.addOption(
      new Option(`--${name} <value>`, `value of the field ${name} (default: -)`).helpGroup(GROUP),
    )
  }
  return command
}

/** The values given, by field. */
export function metadataOf(options: Record<string, unknown>): MetadataValues {
  const values: Record<string, string> = {}
  for (const { name } of CONFIGURED_FIELDS) {
    const value = options[new Option(`--${name} <value>`).attributeName()]
    if (typeof value === 'string') values[name] = value
  }
  return values
}
