import { OperatorError } from '../errors.js'
import { DEFAULT_FIELDS, FIELDS, type FieldSet, type FieldType } from '../flowlog/fields.js'
import { parseLogFormat } from '../flowlog/log-format.js'
import { TRANSIT_GATEWAY_FIELDS } from '../flowlog/transit-gateway-fields.js'
import { identifier, quoted } from './duckdb.js'
import { columnOf, sqlType } from './sql-tables.js'

/** Which fields the lines of a flow log hold, in their order. */
export interface RecordFormat {
  /** As `${…}` spells them, each once. */
  readonly names: readonly string[]
  /** Of fields that no version known here has: string. */
  readonly types: readonly FieldType[]
}

/** All fields of all kinds of flow logs. */
const ALL_FIELDS: FieldSet = {
  all: [
    ...FIELDS,
    ...TRANSIT_GATEWAY_FIELDS.all.filter(({ name }) => !FIELDS.some((one) => one.name === name)),
  ],
  defaults: DEFAULT_FIELDS,
}

const TYPES = new Map(ALL_FIELDS.all.map(({ name, type }) => [name, type]))

const DEFAULT_FORMAT = formatOf(DEFAULT_FIELDS.map(({ name }) => name))
const TRANSIT_GATEWAY_FORMAT = formatOf(TRANSIT_GATEWAY_FIELDS.all.map(({ name }) => name))

export function formatOf(names: readonly string[]): RecordFormat {
  return { names, types: names.map((name) => TYPES.get(name) ?? 'string') }
}

/** What `--log-format` says of lines without a header. Throws OperatorError (exit code 2). */
export function formatOfOption(text: string): RecordFormat {
  const names = parseLogFormat(text, ALL_FIELDS).fields.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice === undefined) return formatOf(names)
  throw new OperatorError(
    `the log format names '${twice}' twice, and a table has a column once: leave one of them out`,
    { exitCode: 2 },
  )
}

/** Words that may name fields, and mostly do: fields of later versions are not known here. */
export function formatOfHeader(line: string): RecordFormat | undefined {
  return formatOfNames(line.split(' '))
}

/** As the columns of a table are named that was made of flow logs: `account_id`, in quotes or not. */
export function formatOfTable(columns: readonly string[]): RecordFormat | undefined {
  if (columns.length < 2) return undefined
  return formatOfNames(
    columns.map((column) =>
      column
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .toLowerCase()
        .replaceAll('_', '-'),
    ),
  )
}

function formatOfNames(names: readonly string[]): RecordFormat | undefined {
  if (!names.every((name) => /^[a-z][a-z0-9-]*$/.test(name))) return undefined
  const known = names.filter((name) => TYPES.has(name)).length
  return 2 * known >= names.length ? formatOf(names) : undefined
}

/** The format of a line that is a record, where no header says so; `expected` is asked first. */
export function formatOfRecord(
  line: string,
  expected: RecordFormat | undefined,
): RecordFormat | undefined {
  const words = line.split(' ')
  const formats = [expected, DEFAULT_FORMAT, TRANSIT_GATEWAY_FORMAT]
  return formats.find((format) => format !== undefined && fits(words, format))
}

function fits(words: readonly string[], { names, types }: RecordFormat): boolean {
  return (
    words.length === names.length &&
    words.every((word, at) => (types[at] === 'string' ? word !== '' : /^(?:\d+|-)$/.test(word))) &&
    // Two formats may have as many words.
    (names[1] !== 'resource-type' || words[1]!.startsWith('TransitGateway'))
  )
}

/** Names a table cannot have: the field that is in the format twice. */
export function fieldTwice({ names }: RecordFormat): string | undefined {
  return names.find((name, at) => names.indexOf(name) < at)
}

/** As a field is named in JSON of flow logs and in columns of tables. */
export function fieldOfKey(key: string): string | undefined {
  const name = key.replaceAll('_', '-')
  return TYPES.has(name) ? name : undefined
}

/** Formats that are the same have the same. */
export function formatKey({ names }: RecordFormat): string {
  return names.join(' ')
}

/** A SELECT of no such records. */
export function selectNone({ names, types }: RecordFormat): string {
  const columns = names.map(
    (name, at) => `CAST(NULL AS ${sqlType(types[at]!)}) AS ${identifier(columnOf(name))}`,
  )
  return `SELECT ${columns.join(', ')} WHERE false`
}

/** A SELECT over files of such lines. */
export function selectLines(
  { names, types }: RecordFormat,
  paths: readonly string[],
  hasHeader: boolean,
): string {
  const columns = names.map(
    (name, at) => `${quoted(columnOf(name))}: ${quoted(sqlType(types[at]!))}`,
  )
  return (
    `SELECT * FROM read_csv([${paths.map(quoted).join(', ')}], auto_detect = false, compression = 'none', ` +
    `header = ${hasHeader}, delim = ' ', quote = '', escape = '', nullstr = '-', ` +
    `columns = {${columns.join(', ')}})`
  )
}
