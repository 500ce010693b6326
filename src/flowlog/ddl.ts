import { OperatorError } from '../errors.js'
import type { Field, FieldType } from './fields.js'
import type { LogFormat } from './log-format.js'

/** Engines that read the files of flow logs, or keep their records. */
export const DIALECTS = ['athena', 'trino', 'clickhouse', 'duckdb'] as const
export type Dialect = (typeof DIALECTS)[number]

export interface DdlOptions {
  readonly format: LogFormat
  readonly fileFormat: 'plain-text' | 'parquet'
  readonly hiveCompatiblePartitions: boolean
  readonly perHourPartition: boolean
  /** As they are in the keys of files. */
  readonly accountId: string
  readonly region: string
  /** Where `AWSLogs/` is; ends in a slash unless empty. Nothing to ClickHouse, which is given the records. */
  readonly location: string
  readonly windowSeconds: number
}

const TABLE = 'flow_logs'
const MERGED = 'flow_logs_merged'
const WINDOW = 'window_start'

/** What becomes of the values of records that are one: a flow of a window, seen by several appliances. */
const MERGES = {
  packets: 'sum',
  bytes: 'sum',
  start: 'min',
  end: 'max',
  'tcp-flags': 'or',
  // One appliance may not have learnt which way the flow runs.
  'flow-direction': 'max',
  'traffic-path': 'max',
} as const
type Merge = (typeof MERGES)[keyof typeof MERGES]

interface Words {
  readonly types: Readonly<Record<FieldType, string>>
  /** The bits that any value of the group has. */
  readonly or: string
}

const WORDS: Readonly<Record<Dialect, Words>> = {
  athena: { types: { int32: 'int', int64: 'bigint', string: 'string' }, or: 'bitwise_or_agg' },
  trino: { types: { int32: 'integer', int64: 'bigint', string: 'varchar' }, or: 'bitwise_or_agg' },
  clickhouse: { types: { int32: 'Int32', int64: 'Int64', string: 'String' }, or: 'groupBitOr' },
  duckdb: { types: { int32: 'INTEGER', int64: 'BIGINT', string: 'VARCHAR' }, or: 'bit_or' },
}

/**
 * Statements that make a table of a flow log, and a view that makes one record of what several
 * appliances have seen of a flow in a window. Throws OperatorError for a format without what tells
 * windows apart.
 */
export function flowLogDdl(dialect: Dialect, options: DdlOptions): string {
  const columns = [...new Set(options.format.fields)]
  if (!columns.some(({ name }) => name === 'start')) {
    throw new OperatorError('records are merged by their start: add ${start} to the log format', {
      exitCode: 2,
    })
  }
  const statements = TABLES[dialect](columns, options)
  const merge = dialect === 'clickhouse' ? clickhouseMerge : mergedView
  return `${[...statements, ...merge(dialect, columns, options)].join(';\n\n')};\n`
}

type Columns = readonly Field[]

const TABLES: Readonly<
  Record<Dialect, (columns: Columns, options: DdlOptions) => readonly string[]>
> = { athena, trino, clickhouse, duckdb }

function athena(columns: Columns, options: DdlOptions): string[] {
  const { fileFormat, hiveCompatiblePartitions: isHive } = options
  const stored =
    fileFormat === 'parquet'
      ? 'STORED AS PARQUET'
      : "ROW FORMAT DELIMITED FIELDS TERMINATED BY ' '\nSTORED AS TEXTFILE"
  const names = partitionsOf(options)
  const properties: [string, string][] = []
  if (fileFormat !== 'parquet') properties.push(['skip.header.line.count', '1'])
  if (!isHive) properties.push(...projection(options))
  const lines = [
    `CREATE EXTERNAL TABLE IF NOT EXISTS ${TABLE} (`,
    `${columns.map((field) => `  \`${columnOf(field)}\` ${typeOf('athena', field)}`).join(',\n')}\n)`,
    `PARTITIONED BY (${names.map((name) => `\`${name}\` string`).join(', ')})`,
    stored,
    `LOCATION '${isHive ? `${options.location}AWSLogs/` : dayLocation(options)}'`,
  ]
  if (properties.length > 0) {
    const all = properties.map(([key, value]) => `  '${key}' = '${value}'`)
    lines.push(`TBLPROPERTIES (\n${all.join(',\n')}\n)`)
  }
  return [lines.join('\n'), ...(isHive ? [`MSCK REPAIR TABLE ${TABLE}`] : [])]
}

/** Athena finds the directories of AWS's plain layout by computing their names. */
function projection(options: DdlOptions): [string, string][] {
  const { perHourPartition } = options
  const hour: [string, string][] = [
    ['projection.hour.type', 'integer'],
    ['projection.hour.range', '0,23'],
    ['projection.hour.digits', '2'],
  ]
  return [
    ['projection.enabled', 'true'],
    ['projection.day.type', 'date'],
    ['projection.day.range', '2026/01/01,NOW'],
    ['projection.day.format', 'yyyy/MM/dd'],
    ...(perHourPartition ? hour : []),
    [
      'storage.location.template',
      `${dayLocation(options)}\${day}${perHourPartition ? '/${hour}' : ''}`,
    ],
  ]
}

/** Below which the directories of days are. */
function dayLocation({ location, accountId, region }: DdlOptions): string {
  return `${location}AWSLogs/${accountId}/vpcflowlogs/${region}/`
}

function partitionsOf({ hiveCompatiblePartitions, perHourPartition }: DdlOptions): string[] {
  const days = hiveCompatiblePartitions
    ? ['aws-account-id', 'aws-service', 'aws-region', 'year', 'month', 'day']
    : ['day']
  return perHourPartition ? [...days, 'hour'] : days
}

function trino(columns: Columns, options: DdlOptions): string[] {
  const { fileFormat, hiveCompatiblePartitions: isHive } = options
  const names = isHive ? partitionsOf(options) : []
  const properties =
    fileFormat === 'parquet'
      ? ["format = 'PARQUET'"]
      : ["format = 'TEXTFILE'", "textfile_field_separator = ' '", 'skip_header_line_count = 1']
  properties.push(
    `external_location = '${isHive ? `${options.location}AWSLogs/` : dayLocation(options)}'`,
  )
  if (isHive)
    properties.push(`partitioned_by = ARRAY[${names.map((name) => `'${name}'`).join(', ')}]`)
  const all = [
    ...columns.map((field) => `  "${columnOf(field)}" ${typeOf('trino', field)}`),
    ...names.map((name) => `  "${name}" varchar`),
  ]
  const table = `CREATE TABLE IF NOT EXISTS ${TABLE} (\n${all.join(',\n')}\n)\nWITH (\n${properties
    .map((property) => `  ${property}`)
    .join(',\n')}\n)`
  return isHive
    ? [table, `CALL system.sync_partition_metadata('default', '${TABLE}', 'ADD')`]
    : [`-- The catalog needs hive.recursive-directories=true.\n${table}`]
}

function duckdb(columns: Columns, { location, fileFormat, ...options }: DdlOptions): string[] {
  const { hiveCompatiblePartitions } = options
  const files = `${location}AWSLogs/**/*.log.${fileFormat === 'parquet' ? 'parquet' : 'gz'}`
  const hive = `hive_partitioning = ${hiveCompatiblePartitions}`
  const types = columns.map((field) => `    '${columnOf(field)}': '${typeOf('duckdb', field)}'`)
  const read =
    fileFormat === 'parquet'
      ? `read_parquet('${files}', ${hive}, union_by_name = true)`
      : `read_csv('${files}', ${hive}, delim = ' ', skip = 1, header = false,\n  auto_detect = false, nullstr = '-', columns = {\n${types.join(',\n')}\n  })`
  return [`CREATE OR REPLACE VIEW ${TABLE} AS\nSELECT * FROM ${read}`]
}

/** Records are inserted; only what every record has cannot be NULL. */
function clickhouse(columns: Columns): string[] {
  const all = columns.map((field) => {
    const type = typeOf('clickhouse', field)
    return `  \`${columnOf(field)}\` ${isAlways(field) ? type : `Nullable(${type})`}`
  })
  return [
    `CREATE TABLE IF NOT EXISTS ${TABLE} (\n${all.join(',\n')}\n)\n` +
      'ENGINE = MergeTree()\nPARTITION BY toYYYYMMDD(toDateTime(`start`))\nORDER BY (`start`)',
  ]
}

function mergedView(dialect: Dialect, columns: Columns, { windowSeconds }: DdlOptions): string[] {
  const window = `"start" - "start" % ${windowSeconds}`
  const values = columns.map((field) => {
    const name = `"${columnOf(field)}"`
    const merge = mergeOf(field)
    return `  ${merge === undefined ? name : `${functionOf(dialect, merge)}(${name}) AS ${name}`}`
  })
  const keys = columns.filter((field) => mergeOf(field) === undefined)
  const groups = [...keys.map((field) => `"${columnOf(field)}"`), window]
  return [
    `CREATE OR REPLACE VIEW ${MERGED} AS\nSELECT\n${values.join(',\n')},\n  ${window} AS "${WINDOW}"\n` +
      `FROM ${TABLE}${withoutNodata(columns, '"')}\nGROUP BY ${groups.join(', ')}`,
  ]
}

/** A table that merges as records come, and the view that asks it. NULL cannot be a key. */
function clickhouseMerge(_: Dialect, columns: Columns, options: DdlOptions): string[] {
  const window = `\`start\` - \`start\` % ${options.windowSeconds}`
  const keys = columns.filter((field) => mergeOf(field) === undefined)
  const merged = columns.filter((field) => mergeOf(field) !== undefined)
  const keyOf = (field: Field) => {
    const name = `\`${columnOf(field)}\``
    if (isAlways(field)) return name
    return `ifNull(${name}, ${field.type === 'string' ? "'-'" : '-1'})`
  }
  const stateOf = (field: Field, suffix: 'State' | 'Merge') =>
    functionOf('clickhouse', mergeOf(field)!) + suffix
  const groups = [...keys.map((field) => `\`${columnOf(field)}_key\``), `\`${WINDOW}\``]
  const stateOfColumn = (field: Field) => {
    const name = columnOf(field)
    const value = `assumeNotNull(\`${name}\`)`
    // It combines the bits of unsigned numbers alone.
    const bits = mergeOf(field) === 'or' ? `toUInt32(${value})` : value
    return `  ${stateOf(field, 'State')}(${bits}) AS \`${name}_state\``
  }
  const states = merged.map(stateOfColumn)
  const values = columns.map((field) => {
    const name = columnOf(field)
    return mergeOf(field) === undefined
      ? `  \`${name}_key\` AS \`${name}\``
      : `  ${stateOf(field, 'Merge')}(\`${name}_state\`) AS \`${name}\``
  })
  return [
    `CREATE MATERIALIZED VIEW IF NOT EXISTS ${MERGED}_states\nENGINE = AggregatingMergeTree()\n` +
      `ORDER BY (${groups.join(', ')})\nAS SELECT\n${[
        ...keys.map((field) => `  ${keyOf(field)} AS \`${columnOf(field)}_key\``),
        ...states,
        `  ${window} AS \`${WINDOW}\``,
      ].join(',\n')}\nFROM ${TABLE}${withoutNodata(columns, '`')}\nGROUP BY ${groups.join(', ')}`,
    `CREATE VIEW IF NOT EXISTS ${MERGED} AS\nSELECT\n${values.join(',\n')},\n  \`${WINDOW}\`\n` +
      `FROM ${MERGED}_states\nGROUP BY ${groups.join(', ')}`,
  ]
}

/** NODATA says something of an appliance, and nothing of an interface that another one sees too. */
function withoutNodata(columns: Columns, quote: string): string {
  return columns.some(({ name }) => name === 'log-status')
    ? `\nWHERE ${quote}log_status${quote} <> 'NODATA'`
    : ''
}

function functionOf(dialect: Dialect, merge: Merge): string {
  return merge === 'or' ? WORDS[dialect].or : merge
}

function mergeOf({ name }: Field): Merge | undefined {
  return Object.hasOwn(MERGES, name) ? MERGES[name as keyof typeof MERGES] : undefined
}

function isAlways({ name, filling }: Field): boolean {
  return name === 'version' || ('quiet' in filling && filling.quiet === true)
}

/** As Parquet and Athena have it. */
export function columnOf({ name }: Field): string {
  return name.replaceAll('-', '_')
}

/** What the engine calls the type of the field's column. */
export function typeOf(dialect: Dialect, { type }: Field): string {
  return WORDS[dialect].types[type]
}
