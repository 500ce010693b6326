/** How Zeek writes a log: lines of fields between tabs under a header, or a JSON object a line. */

export type ZeekValue = string | number | boolean | bigint | readonly ZeekValue[] | undefined

/** A type of Zeek's, as the header names it. */
export type ZeekType =
  | 'time'
  | 'interval'
  | 'string'
  | 'addr'
  | 'port'
  | 'enum'
  | 'count'
  | 'bool'
  | 'vector[string]'
  | 'vector[interval]'

export interface ZeekField<Row> {
  readonly name: string
  readonly type: ZeekType
  readonly value: (row: Row) => ZeekValue
}

export interface ZeekLog<Row> {
  /** `conn`, of conn.log. */
  readonly path: string
  readonly fields: readonly ZeekField<Row>[]
}

export function zeekHeader<Row>({ path, fields }: ZeekLog<Row>): string {
  return [
    '#separator \\x09',
    '#set_separator\t,',
    '#empty_field\t(empty)',
    '#unset_field\t-',
    `#path\t${path}`,
    `#fields\t${fields.map(({ name }) => name).join('\t')}`,
    `#types\t${fields.map(({ type }) => type).join('\t')}`,
  ].join('\n')
}

export function zeekLine<Row>({ fields }: ZeekLog<Row>, row: Row): string {
  return fields.map(({ type, value }) => cell(type, value(row))).join('\t')
}

function cell(type: ZeekType, value: ZeekValue): string {
  if (value === undefined) return '-'
  if (Array.isArray(value)) {
    if (value.length === 0) return '(empty)'
    return value.map((each) => cell(type, each).replaceAll(',', '\\x2c')).join(',')
  }
  if (typeof value === 'boolean') return value ? 'T' : 'F'
  if (typeof value === 'number')
    return /time|interval/.test(type) ? value.toFixed(6) : String(value)
  const text = String(value)
  if (text === '') return '(empty)'
  // What means something else in a log is told apart from it.
  return text === '-' || text === '(empty)'
    ? escaped(text[0]!) + text.slice(1)
    : text.replace(UNSAFE, escaped)
}

/** A backslash, and what separates or a terminal obeys. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is meant.
const UNSAFE = /[\\\x00-\x1f\x7f-\x9f]/g

function escaped(character: string): string {
  if (character === '\\') return '\\\\'
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

export function zeekJson<Row>({ fields }: ZeekLog<Row>, row: Row): string {
  const members = fields.flatMap(({ name, value }) => {
    const said = value(row)
    return said === undefined ? [] : [[name, said] as const]
  })
  return JSON.stringify(Object.fromEntries(members))
}
