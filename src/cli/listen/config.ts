import type { Command, Option } from 'commander'
import { z } from 'zod'
import type { YamlFile } from '../../control/yaml-file.js'
import { OperatorError } from '../../errors.js'
import { nearestName } from '../../nearest-name.js'
import { collect } from '../options.js'

/**
 * Takes options from a configuration: `port: 4789`, names as on the command line without the
 * dashes. The command line wins. Keys in `others` are not options. Returns where the values that it
 * took stand, by attribute. Throws OperatorError (exit code 2) that names the file, the line and the key.
 */
export function applyConfig(
  command: Command,
  config: YamlFile,
  others: readonly string[] = [],
): ReadonlyMap<string, string> {
  const path = config.name
  const origins = new Map<string, string>()
  const values = config.valueOf(z.unknown())
  // All comments: nothing is set.
  if (values === null) return origins
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new OperatorError(`${path} must hold option names and values, such as "port: 4789"`, {
      exitCode: 2,
    })
  }
  const byName = new Map(command.options.map((option) => [nameOf(option), option]))
  for (const [name, value] of Object.entries(values)) {
    if (others.includes(name)) continue
    const where = `${path}:${config.lineOf(name)}`
    const option = byName.get(name)
    if (option === undefined || name === 'config' || name === 'print-config') {
      const nearest = nearestName(name, [...byName.keys(), ...others])
      const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`
      throw new OperatorError(`${where}: there is no option "${name}"${hint}`, { exitCode: 2 })
    }
    if (apply(command, option, value, where)) origins.set(option.attributeName(), where)
  }
  return origins
}

export function nameOf(option: Option): string {
  return (option.long ?? option.flags).replace(/^--/, '')
}

/** False where the command line has it already. `where` it stands, for messages. */
function apply(command: Command, option: Option, value: unknown, where: string): boolean {
  const attribute = option.attributeName()
  if (command.getOptionValueSource(attribute) === 'cli') return false
  const isSwitch = option.isBoolean() || option.negate
  const values = option.parseArg === collect && Array.isArray(value) ? value : [value]
  if (
    isSwitch
      ? typeof value !== 'boolean'
      : values.some((one) => !['string', 'number'].includes(typeof one))
  ) {
    const off = command.options.find(({ long }) => long === `--no-${nameOf(option)}`)
    const hint = off === undefined ? '' : `; to turn it off, say "${nameOf(off)}: true"`
    const want = isSwitch ? 'true or false' : `a value${hint}`
    throw new OperatorError(`${where}: "${nameOf(option)}" needs ${want}`, { exitCode: 2 })
  }
  if (isSwitch) {
    command.setOptionValueWithSource(attribute, option.negate ? !value : value, 'config')
    return true
  }
  let parsed: unknown
  for (const one of values) {
    const text = String(one)
    if (option.argChoices !== undefined && !option.argChoices.includes(text)) {
      throw new OperatorError(
        `${where}: "${nameOf(option)}" must be one of ${option.argChoices.join(', ')}, not "${text}"`,
        { exitCode: 2 },
      )
    }
    try {
      parsed = option.parseArg?.(text, parsed) ?? text
    } catch (error) {
      throw new OperatorError(
        `${where}: "${nameOf(option)}" cannot be "${text}". ${(error as Error).message}`,
        { exitCode: 2 },
      )
    }
  }
  command.setOptionValueWithSource(attribute, parsed, 'config')
  return true
}
