import type { Command, Option } from 'commander'
import { DEFAULT_API } from './api-options.js'
import { nameOf } from './config.js'

/** Options that are no part of a configuration. */
const NOT_CONFIGURED = new Set(['config', 'print-config'])

/**
 * Every option with its value and where that is from, as YAML that `--config` takes: what nobody has
 * set is a comment. `origins`: where a configuration says it, by attribute.
 */
export function formatConfig(command: Command, origins: ReadonlyMap<string, string>): string[] {
  const byAttribute = new Map<string, Option[]>()
  for (const option of command.options) {
    const attribute = option.attributeName()
    byAttribute.set(attribute, [...(byAttribute.get(attribute) ?? []), option])
  }
  const rows = [...byAttribute].flatMap(([attribute, options]) => {
    const row = rowOf(command.getOptionValue(attribute), options)
    if (row === undefined) return []
    const origin = originOf(command, attribute, origins)
    const isSet = origin !== 'default' && origin !== 'not set'
    return [{ text: isSet ? row : `# ${row}`, origin }]
  })
  const width = Math.max(...rows.map(({ text }) => text.length))
  return rows.map(({ text, origin }) => `${text.padEnd(width)}  # ${origin}`)
}

/** One line, of the options that set one value: `--api` and `--no-api`. */
function rowOf(value: unknown, options: readonly Option[]): string | undefined {
  const positive = options.find(({ negate }) => !negate)
  const negative = options.find(({ negate }) => negate)
  const [first] = options
  if (first === undefined || NOT_CONFIGURED.has(nameOf(first))) return undefined
  if (negative !== undefined && value === false) return `${nameOf(negative)}: true`
  if (positive === undefined) return `${nameOf(first)}: false`
  const name = nameOf(positive)
  if (positive.isBoolean()) return `${name}: ${value === true}`
  if (value === undefined || value === true) {
    const usual = name === 'api' ? ` ${textOf(DEFAULT_API)}` : ''
    return `${name}:${usual}`
  }
  return `${name}: ${name === 'file-mode' ? octal(value as number) : textOf(value)}`
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const { host, port } = value as { host: string; port: number }
    return textOf(`${host.includes(':') ? `[${host}]` : host}:${port}`)
  }
  if (typeof value !== 'string') return String(value)
  const isPlain = /^[\w/.](?:[\w/.:+-]*[\w/.+-])?$/.test(value) && Number.isNaN(Number(value))
  return isPlain && !/^(?:true|false|null)$/i.test(value) ? value : JSON.stringify(value)
}

function octal(mode: number): string {
  return `"${mode.toString(8).padStart(4, '0')}"`
}

function originOf(command: Command, attribute: string, origins: ReadonlyMap<string, string>) {
  const source = command.getOptionValueSource(attribute)
  if (source === 'cli') return 'command line'
  if (source === 'config') return origins.get(attribute) ?? 'configuration'
  if (source === 'implied') return 'implied by --deliver'
  return command.getOptionValue(attribute) === undefined ? 'not set' : 'default'
}
