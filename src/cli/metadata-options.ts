import { type Command, Option } from 'commander'
import { CONFIGURED_FIELDS } from '../flowlog/fields.js'
import type { MetadataValues } from '../flowlog/metadata.js'

const GROUP = 'What no packet carries (written as - unless given):'

/** An option for every flow-log field whose value only an operator knows: `--interface-id` and the like. */
export function addMetadataOptions(command: Command): Command {
  for (const { name } of CONFIGURED_FIELDS) {
    command.addOption(new Option(`--${name} <value>`, `the ${name} field`).helpGroup(GROUP))
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
