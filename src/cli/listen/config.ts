import type { Command, Option } from 'commander'
import { z } from 'zod'
import type { YamlFile } from '../../control/yaml-file.js'
import { OperatorError } from '../../errors.js'
import { nearestName } from '../../nearest-name.js'

/**
 * Takes options from a configuration: `port: 4789`, names as on the command line without the
 * dashes. The command line wins. Keys in `others` are not options. Throws OperatorError
 * (exit code 2) that names the file and the key.
 */
export function applyConfig(
  command: Command,
  config: YamlFile,
  others: readonly string[] = [],
): void {
  const path = config.name
  const values = config.valueOf(z.unknown())
  // All comments: nothing is set.
  if (values === null) return
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new OperatorError(`${path} must hold option names and values, such as "port: 4789"`, {
      exitCode: 2,
    })
  }
  const byName = new Map(command.options.map((option) => [nameOf(option), option]))
  for (const [name, value] of Object.entries(values)) {
    if (others.includes(name)) continue
    const option = byName.get(name)
    if (option === undefined || name === 'config') {
      const nearest = nearestName(name, [...byName.keys(), ...others])
      const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`
      throw new OperatorError(`${path}: there is no option "${name}"${hint}`, { exitCode: 2 })
    }
    apply(command, option, value, path)
  }
}

function nameOf(option: Option): string {
  return (option.long ?? option.flags).replace(/^--/, '')
}

function apply(command: Command, option: Option, value: unknown, path: string): void {
  const attribute = option.attributeName()
  if (command.getOptionValueSource(attribute) === 'cli') return
  const isSwitch = option.isBoolean() || option.negate
  if (isSwitch ? typeof value !== 'boolean' : !['string', 'number'].includes(typeof value)) {
    const off = command.options.find(({ long }) => long === `--no-${nameOf(option)}`)
    const hint = off === undefined ? '' : `; to turn it off, say "${nameOf(off)}: true"`
    const want = isSwitch ? 'true or false' : `a value${hint}`
    throw new OperatorError(`${path}: "${nameOf(option)}" needs ${want}`, { exitCode: 2 })
  }
  if (isSwitch) {
    command.setOptionValueWithSource(attribute, option.negate ? !value : value, 'config')
    return
  }
  const text = String(value)
  if (option.argChoices !== undefined && !option.argChoices.includes(text)) {
    throw new OperatorError(
      `${path}: "${nameOf(option)}" must be one of ${option.argChoices.join(', ')}, not "${text}"`,
      { exitCode: 2 },
    )
  }
  try {
    const parsed: unknown = option.parseArg?.(text, undefined) ?? text
    command.setOptionValueWithSource(attribute, parsed, 'config')
  } catch (error) {
    throw new OperatorError(
      `${path}: "${nameOf(option)}" cannot be "${text}". ${(error as Error).message}`,
      { exitCode: 2 },
    )
  }
}
