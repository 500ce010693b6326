import { CONNECTION_STATES } from '../flow/connection-state.js'
import { STATE_NAMES } from '../flow/flow-state.js'
import { FIELDS, type Field, type FieldType } from '../flowlog/fields.js'
import { NO_TIME } from '../flowlog/record-values.js'
import { FAULTS } from '../wire/fault.js'
import { identifier, quoted } from './duckdb.js'
import type { NumberType } from './duckdb-rows.js'
import { addressColumns, addressText } from './sql-addresses.js'

/** A table that captures fill: what is kept, and the view of it that people query. */
export interface FilledTable<Name extends string, Type extends string> {
  readonly name: Name
  /** Kept in `loaded.<name>_kept`. */
  readonly kept: readonly (readonly [name: string, type: Type])[]
  /** What people see, by column: SQL over what is kept. */
  readonly shown: readonly (readonly [name: string, sql: string])[]
}

/** One of rows that are numbers. */
export type CaptureTable = FilledTable<'packets' | 'flows' | 'pairs' | 'records', NumberType>

/** Ways of a flow, as codes from 1 on; 0 is none, and SQL's lists begin at 1. */
export const DIRECTIONS = ['ingress', 'egress'] as const

/** What AWS's own table over flow logs has: the fields of versions 2 to 5. */
export const RECORD_FIELDS: readonly Field[] = FIELDS.filter(({ version }) => version <= 5)

const SQL_TYPES = { int32: 'INTEGER', int64: 'BIGINT', string: 'VARCHAR' } as const

/** The SQL type of the column of a field of this type. */
export function sqlType(type: FieldType): string {
  return SQL_TYPES[type]
}

type Kept = CaptureTable['kept'][number]

/** What every table of packets and flows begins with. */
const ENDS = [
  ['session', 'USMALLINT'],
  ['version', 'UTINYINT'],
  ['src_0', 'UINTEGER'],
  ['src_1', 'UINTEGER'],
  ['src_2', 'UINTEGER'],
  ['src_3', 'UINTEGER'],
  ['dst_0', 'UINTEGER'],
  ['dst_1', 'UINTEGER'],
  ['dst_2', 'UINTEGER'],
  ['dst_3', 'UINTEGER'],
  ['src_port', 'USMALLINT'],
  ['dst_port', 'USMALLINT'],
  ['protocol', 'UTINYINT'],
] as const

const PACKETS_KEPT = [
  ...ENDS,
  ['seconds', 'DOUBLE'],
  ['nanoseconds', 'UINTEGER'],
  ['timed', 'UTINYINT'],
  ['tcp_flags', 'UTINYINT'],
  ['bytes', 'UINTEGER'],
  ['length', 'UINTEGER'],
  ['captured_length', 'UINTEGER'],
  ['ether_type', 'USMALLINT'],
  ['direction', 'UTINYINT'],
  ['duplicate', 'UTINYINT'],
  ['fault', 'UTINYINT'],
  ['named', 'UTINYINT'],
  ['network_id', 'UINTEGER'],
  ['endpoint_high', 'UINTEGER'],
  ['endpoint_low', 'UINTEGER'],
] as const

/** In `named`: which of the ids GENEVE gave. */
export const NAMED_NETWORK = 1
export const NAMED_ENDPOINT = 2

const FLOWS_KEPT = [
  ...ENDS,
  ['packets', 'DOUBLE'],
  ['bytes', 'DOUBLE'],
  ['timed', 'UTINYINT'],
  ['first_seconds', 'DOUBLE'],
  ['first_nanoseconds', 'UINTEGER'],
  ['last_seconds', 'DOUBLE'],
  ['last_nanoseconds', 'UINTEGER'],
  ['tcp_flags', 'UTINYINT'],
  ['state', 'UTINYINT'],
  ['direction', 'UTINYINT'],
  ['src_name', 'UINTEGER'],
  ['dst_name', 'UINTEGER'],
] as const

const PAIRS_KEPT = [
  ...ENDS,
  ['orig_packets', 'DOUBLE'],
  ['resp_packets', 'DOUBLE'],
  ['orig_bytes', 'DOUBLE'],
  ['resp_bytes', 'DOUBLE'],
  ['timed', 'UTINYINT'],
  ['first_seconds', 'DOUBLE'],
  ['first_nanoseconds', 'UINTEGER'],
  ['last_seconds', 'DOUBLE'],
  ['last_nanoseconds', 'UINTEGER'],
  ['orig_tcp_flags', 'UTINYINT'],
  ['resp_tcp_flags', 'UTINYINT'],
  ['state', 'UTINYINT'],
  ['direction', 'UTINYINT'],
  ['src_name', 'UINTEGER'],
  ['dst_name', 'UINTEGER'],
  ['conn_state', 'UTINYINT'],
  ['history', 'UINTEGER'],
  ['handshake', 'DOUBLE'],
  ['orig_payload', 'DOUBLE'],
  ['resp_payload', 'DOUBLE'],
  ['orig_retransmissions', 'UINTEGER'],
  ['resp_retransmissions', 'UINTEGER'],
  ['missed_bytes', 'DOUBLE'],
] as const

/** Where in a row each column is kept. */
function positionsOf<Columns extends readonly Kept[]>(
  columns: Columns,
): { readonly [Name in Columns[number][0]]: number } {
  const positions = Object.fromEntries(columns.map(([name], at) => [name, at]))
  return positions as { [Name in Columns[number][0]]: number }
}

export const PACKET_AT = positionsOf(PACKETS_KEPT)
export const FLOW_AT = positionsOf(FLOWS_KEPT)
export const PAIR_AT = positionsOf(PAIRS_KEPT)

function oneOf(words: readonly string[], code: string): string {
  return `[${words.map(quoted).join(', ')}][${code}]`
}

/** Of the row's session. */
export function ofSession(column: string): string {
  return `list_extract((SELECT list(${column} ORDER BY id) FROM loaded.sessions), session + 1)`
}

/** The last whole second that DuckDB's nanoseconds since 1970, 63 bits, can tell: in the year 2262. */
export const SECONDS_MAX = 9_223_372_035

/** NULL for a time that DuckDB cannot tell. */
export function timestamp(prefix: string): string {
  const nanoseconds = `CAST(${prefix}seconds AS BIGINT) * 1000000000 + ${prefix}nanoseconds`
  return `CASE WHEN ${prefix}seconds <= ${SECONDS_MAX} THEN make_timestamp_ns(${nanoseconds}) END`
}

function ifTimed(sql: string): string {
  return `CASE WHEN timed = 1 THEN ${sql} END`
}

/** Of the names of both ends: a name for each number. */
export const NAMES_TABLE = 'names'

function nameOf(column: string): string {
  return `list_extract((SELECT list(name ORDER BY id) FROM loaded.${NAMES_TABLE}), ${column})`
}

const COMMUNITY_ID = `loaded.community_id(version, protocol, ${endText('src')}, ${endText('dst')})`

/** An address and its port in hexadecimal digits, which compare as the numbers do. */
function endText(prefix: string): string {
  const words = addressColumns(prefix).join(', ')
  return `loaded.end_text(version, ${words}, ${prefix}_port)`
}

const SHOWN_ENDS: CaptureTable['shown'] = [
  ['session', ofSession('name')],
  ['vni', ofSession('vni')],
  ['source', ofSession('source')],
  ['src_addr', addressText('src')],
  ['dst_addr', addressText('dst')],
  ['src_port', 'src_port'],
  ['dst_port', 'dst_port'],
  ['protocol', 'CASE WHEN version > 0 THEN protocol END'],
]

export const PACKETS: CaptureTable = {
  name: 'packets',
  kept: PACKETS_KEPT,
  shown: [
    ['time', ifTimed(timestamp(''))],
    ...SHOWN_ENDS,
    ['tcp_flags', 'tcp_flags'],
    ['bytes', 'CASE WHEN version > 0 THEN bytes END'],
    ['length', 'length'],
    ['captured_length', 'captured_length'],
    ['ether_type', 'ether_type'],
    ['direction', oneOf(DIRECTIONS, 'direction')],
    ['duplicate', 'duplicate = 1'],
    ['fault', oneOf(FAULTS, 'fault')],
    ['community_id', COMMUNITY_ID],
    ['network_id', `CASE WHEN named & ${NAMED_NETWORK} > 0 THEN network_id END`],
    [
      'endpoint_id',
      `CASE WHEN named & ${NAMED_ENDPOINT} > 0 THEN format('{:08x}{:08x}', endpoint_high, endpoint_low) END`,
    ],
  ],
}

export const FLOWS: CaptureTable = {
  name: 'flows',
  kept: FLOWS_KEPT,
  shown: [
    ...SHOWN_ENDS,
    ['packets', 'CAST(packets AS BIGINT)'],
    ['bytes', 'CAST(bytes AS BIGINT)'],
    ['first_seen', ifTimed(timestamp('first_'))],
    ['last_seen', ifTimed(timestamp('last_'))],
    ['tcp_flags', 'tcp_flags'],
    ['state', oneOf(STATE_NAMES, 'state')],
    ['direction', oneOf(DIRECTIONS, 'direction')],
    ['src_name', nameOf('src_name')],
    ['dst_name', nameOf('dst_name')],
    ['community_id', COMMUNITY_ID],
  ],
}

/** Zeek's words: the originator sent the first packet that was seen, unless that came from the port of a server. */
const PAIR_NAMES: Readonly<Record<string, string>> = {
  src_addr: 'orig_addr',
  dst_addr: 'resp_addr',
  src_port: 'orig_port',
  dst_port: 'resp_port',
}

const PAIRS: CaptureTable = {
  name: 'pairs',
  kept: PAIRS_KEPT,
  shown: [
    ...SHOWN_ENDS.map(([name, sql]) => [PAIR_NAMES[name] ?? name, sql] as const),
    ['orig_packets', 'CAST(orig_packets AS BIGINT)'],
    ['resp_packets', 'CAST(resp_packets AS BIGINT)'],
    ['orig_bytes', 'CAST(orig_bytes AS BIGINT)'],
    ['resp_bytes', 'CAST(resp_bytes AS BIGINT)'],
    ['first_seen', ifTimed(timestamp('first_'))],
    ['last_seen', ifTimed(timestamp('last_'))],
    [
      'duration',
      ifTimed(
        'last_seconds - first_seconds + ' +
          '(CAST(last_nanoseconds AS DOUBLE) - CAST(first_nanoseconds AS DOUBLE)) / 1e9',
      ),
    ],
    ['orig_tcp_flags', 'orig_tcp_flags'],
    ['resp_tcp_flags', 'resp_tcp_flags'],
    ['state', oneOf(STATE_NAMES, 'state')],
    ['conn_state', oneOf(CONNECTION_STATES, 'conn_state')],
    ['history', nameOf('history')],
    ['handshake_seconds', 'CASE WHEN handshake >= 0 THEN handshake / 1e9 END'],
    ['orig_payload_bytes', 'CAST(orig_payload AS BIGINT)'],
    ['resp_payload_bytes', 'CAST(resp_payload AS BIGINT)'],
    ['orig_retransmissions', 'orig_retransmissions'],
    ['resp_retransmissions', 'resp_retransmissions'],
    ['missed_bytes', 'CAST(missed_bytes AS BIGINT)'],
    ['direction', oneOf(DIRECTIONS, 'direction')],
    ['orig_name', nameOf('src_name')],
    ['resp_name', nameOf('dst_name')],
    ['community_id', COMMUNITY_ID],
  ],
}

export const RECORDS: CaptureTable = {
  name: 'records',
  kept: [['version', 'UTINYINT'], ...RECORD_FIELDS.flatMap(keptOf)],
  shown: RECORD_FIELDS.map((field) => [columnOf(field.name), shownOf(field)]),
}

export const CAPTURE_TABLES: readonly CaptureTable[] = [PACKETS, FLOWS, PAIRS, RECORDS]

/** `account-id` → `account_id`. */
export function columnOf(name: string): string {
  return name.replaceAll('-', '_')
}

/** The IP version is kept under that name: a field's columns are apart from it. */
function keptName(field: Field): string {
  return `field_${columnOf(field.name)}`
}

function keptOf(field: Field): Kept[] {
  switch (field.filling.from) {
    case 'number':
      return [[keptName(field), 'DOUBLE']]
    case 'word':
      return [[keptName(field), 'UTINYINT']]
    case 'address':
      return addressColumns(keptName(field)).map((name): Kept => [name, 'UINTEGER'])
    default:
      return []
  }
}

function shownOf(field: Field): string {
  const { filling } = field
  const type = sqlType(field.type)
  switch (filling.from) {
    case 'format':
      return `CAST(${Math.max(...RECORD_FIELDS.map(({ version }) => version))} AS ${type})`
    case 'number':
      return `CAST(nullif(${keptName(field)}, ${NO_TIME}) AS ${type})`
    case 'word':
      return oneOf(filling.words, keptName(field))
    case 'address':
      return addressText(keptName(field))
    default:
      return `CAST(NULL AS ${type})`
  }
}

/** The name of the table behind the view. */
export function keptTable({ name }: { readonly name: string }): string {
  return `${name}_kept`
}

/** What makes the table, to be run once. */
export function createKept(table: FilledTable<string, string>): string {
  const columns = table.kept.map(([name, type]) => `${identifier(name)} ${type}`)
  return `CREATE TABLE loaded.${keptTable(table)} (${columns.join(', ')})`
}

/** What people query, as far as it comes from captures. */
export function selectShown(table: FilledTable<string, string>): string {
  const columns = table.shown.map(([name, sql]) => `${sql} AS ${identifier(name)}`)
  return `SELECT ${columns.join(', ')} FROM loaded.${keptTable(table)}`
}
