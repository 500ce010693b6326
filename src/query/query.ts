import { mkdir } from 'node:fs/promises'
import type { DuckDBConnection, DuckDBResult } from '@duckdb/node-api'
import { OperatorError } from '../errors.js'
import { APPLICATION_TABLES } from './application-tables.js'
import {
  type Confined,
  type DuckDb,
  identifier,
  isNumeric,
  lock,
  openConfined,
  quoted,
} from './duckdb.js'
import { type FlowLogReader, FlowLogTables, storeDirectory } from './flow-log-tables.js'
import { apart, EXPLAIN, mayName, tablesNamed } from './named-tables.js'
import type { FlowLogFile, ParquetFile, QueryFiles } from './query-files.js'
import { type CaptureRun, type LoadOptions, loadCaptures } from './query-load.js'
import { RecordStore } from './record-files.js'
import { ADDRESS_MACROS } from './sql-addresses.js'
import { COMMUNITY_ID_MACROS } from './sql-community-id.js'
import { FUNCTION_MACROS } from './sql-functions.js'
import { CAPTURE_TABLES, createKept, NAMES_TABLE, RECORDS, selectShown } from './sql-tables.js'

/** Tables that are filled from captures. */
const FILLED_TABLES = [...CAPTURE_TABLES, ...APPLICATION_TABLES]

/** A row of `traffic_mirror_sessions`, with the names and the order of StackQL's columns. */
export interface MirrorSessionRow {
  readonly description: string | null
  readonly network_interface_id: string
  readonly owner_id: string
  readonly packet_length: number | null
  readonly session_number: number
  /** JSON, as in the reply of DescribeTrafficMirrorSessions. */
  readonly tags: string
  readonly traffic_mirror_filter_id: string
  readonly traffic_mirror_session_id: string
  readonly traffic_mirror_target_id: string
  readonly virtual_network_id: number
}

const SESSION_COLUMNS: readonly (readonly [keyof MirrorSessionRow, string])[] = [
  ['description', 'VARCHAR'],
  ['network_interface_id', 'VARCHAR'],
  ['owner_id', 'VARCHAR'],
  ['packet_length', 'INTEGER'],
  ['session_number', 'INTEGER'],
  ['tags', 'VARCHAR'],
  ['traffic_mirror_filter_id', 'VARCHAR'],
  ['traffic_mirror_session_id', 'VARCHAR'],
  ['traffic_mirror_target_id', 'VARCHAR'],
  ['virtual_network_id', 'INTEGER'],
]

const MIRROR_SESSIONS = 'traffic_mirror_sessions'

interface QueryOptions {
  readonly sql: string
  readonly files: QueryFiles
  /** The column to sort by, and the order; by default the usual one for its type. */
  readonly sort?: { readonly field: string; readonly way: 'asc' | 'desc' | undefined }
  /** How many rows to return. */
  readonly top?: number
  /** Undefined if no state file was named. */
  readonly mirrorSessions: readonly MirrorSessionRow[] | undefined
  readonly load: LoadOptions
  readonly temporaryDirectory: string
  readonly memoryBytes: number
  readonly temporaryBytes: number
  /** Absolute paths of files that the program lets DuckDB write, in addition to those of the query. */
  readonly outputs: readonly string[]
  /** Called to read every capture, if the SQL needs one of their tables. */
  readonly read: (run: CaptureRun) => Promise<void>
  readonly flowLogs: FlowLogReader
  /** Called when the SQL is valid and needs files, with the number of those that can be read. May throw to stop. */
  readonly onNeeded: (readable: number) => void
  /** Called for a Parquet file that cannot be read; the others are read. */
  readonly onProblem: (line: string) => void
}

/** An answer that is computed while it is read. */
export interface Answer {
  readonly result: DuckDBResult
  readonly database: Confined
  /** The rows, computed as they are read. */
  readonly parquets: readonly ParquetFile[]
}

/**
 * Answers a SELECT over files and the tables made of them. Only the tables that it names are
 * filled. Throws OperatorError for invalid SQL, before any long work.
 */
export async function query(duckdb: DuckDb, options: QueryOptions): Promise<Answer> {
  const { files: given, mirrorSessions } = options
  const directory = storeDirectory(options.temporaryDirectory)
  await mkdir(directory)
  const isOnDisk = ({ name }: FlowLogFile): boolean => !given.pipes.has(name)
  const database = await openConfined(duckdb, {
    files: [
      ...given.logs.filter(isOnDisk).map(({ path }) => path),
      ...given.parquets.map(({ path }) => path),
      ...options.outputs,
    ],
    directory,
    temporaryDirectory: options.temporaryDirectory,
    memoryBytes: options.memoryBytes,
  })
  const { connection } = database
  try {
    const files = await sortParquets(connection, given, options.onProblem)
    const { captures, logs, parquets } = files
    const store = new RecordStore(directory, options.temporaryBytes)
    const flowLogs = new FlowLogTables(files, store)
    const { sql, views, isShown } = await nameFiles(connection, flowLogs, files, options.sql)
    await createTables(connection, isShown)
    const createViews = async (): Promise<void> => {
      if (isShown(RECORDS.name)) {
        await createRecords(connection, [...flowLogs.selects(), ...selectsOf(parquets)])
      }
      for (const { view, select } of views) await createView(connection, view, select())
    }
    await createViews()
    await fillMirrorSessions(connection, mirrorSessions ?? [])
    await checkStatement(duckdb, connection, sql)
    const arranged = await arrange(duckdb, connection, sql, options)
    const named = OF_SHAPE.test(sql) ? new Set<string>() : await tablesToFill(connection, sql)
    const tables = FILLED_TABLES.filter(({ name }) => named.has(name))
    const hasOther = (name: string): boolean =>
      name === RECORDS.name && logs.length + parquets.length > 0
    if (tables.length > 0) options.onNeeded(captures.length + logs.length + parquets.length)
    for (const { name } of tables) {
      if (captures.length === 0 && !hasOther(name)) throw noSource(name)
    }
    if (named.has(MIRROR_SESSIONS) && mirrorSessions === undefined) throw noSource(MIRROR_SESSIONS)

    const namedLogs = new Set(OF_SHAPE.test(sql) ? [] : views.map(({ log }) => log))
    await flowLogs.read(named.has(RECORDS.name), (log) => namedLogs.has(log), options.flowLogs)
    await createViews()
    await lock(database, options.temporaryBytes - store.used)
    if (tables.length > 0 && captures.length > 0) {
      const load = { ...options.load, names: options.load.names && mayAskForNames(sql) }
      await loadCaptures(duckdb, database, named, load, options.read)
    }
    try {
      return { result: await connection.stream(arranged), database, parquets }
    } catch (error) {
      throw await answerError({ database, parquets }, error)
    }
  } catch (error) {
    throw withQuotes(asOperatorError(error), options)
  }
}

/** A name with a dot or a hyphen is something else to SQL, and what DuckDB says of it does not help. */
function withQuotes(error: unknown, { sql, files }: QueryOptions): unknown {
  if (!(error instanceof OperatorError) || !/^(?:Parser|Catalog) Error/.test(error.message)) {
    return error
  }
  const words = sql.split(/[\s,;()]+/)
  // Standard input has a name that is an operator.
  const bare = [...files.logs, ...files.parquets].find(
    ({ name }) => name !== '-' && words.includes(name),
  )
  if (bare === undefined) return error
  const advice = `the name of a file stands in quotes: ${quoted(bare.name)}`
  return new OperatorError(`${error.message}; ${advice}`, { cause: error })
}

/** The same SQL with sorted rows, and no more of them than asked for. */
async function arrange(
  duckdb: DuckDb,
  connection: DuckDBConnection,
  sql: string,
  { sort, top }: QueryOptions,
): Promise<string> {
  if (sort === undefined && top === undefined) return sql
  if (EXPLAIN.test(sql)) {
    throw new OperatorError('--sort and --top cannot be used with EXPLAIN', {
      exitCode: 2,
    })
  }
  const rows = `SELECT * FROM (\n${sql.replace(/;\s*$/, '')}\n) AS answer`
  const limit = top === undefined ? '' : ` LIMIT ${top}`
  if (sort === undefined) return rows + limit
  const prepared = await connection.prepare(rows)
  const names = Array.from({ length: prepared.columnCount }, (_, at) => prepared.columnName(at))
  const wanted = sort.field.toLowerCase()
  const at = names.findIndex((name) => name.toLowerCase() === wanted)
  const isNumber = at !== -1 && isNumeric(duckdb, prepared.columnTypeId(at))
  prepared.destroySync()
  if (at === -1) {
    throw new OperatorError(
      `--sort: the answer has no column ${sort.field}; it has ${names.join(', ')}`,
      { exitCode: 2 },
    )
  }
  const way = sort.way ?? (isNumber ? 'desc' : 'asc')
  return `${rows} ORDER BY ${identifier(names[at]!)} ${way} NULLS LAST${limit}`
}

async function createTables(
  connection: DuckDBConnection,
  isShown: (table: string) => boolean,
): Promise<void> {
  await connection.run('CREATE SCHEMA loaded')
  for (const macro of [...ADDRESS_MACROS, ...COMMUNITY_ID_MACROS, ...FUNCTION_MACROS])
    await connection.run(macro)
  await connection.run(
    'CREATE TABLE loaded.sessions (id USMALLINT, name VARCHAR, vni UINTEGER, source VARCHAR)',
  )
  await connection.run(`CREATE TABLE loaded.${NAMES_TABLE} (id UINTEGER, name VARCHAR)`)
  for (const table of FILLED_TABLES) {
    if (!isShown(table.name)) continue
    await connection.run(createKept(table))
    if (table !== RECORDS) await createView(connection, table.name, selectShown(table))
  }
  const columns = SESSION_COLUMNS.map(([name, type]) => `${name} ${type}`)
  await connection.run(`CREATE TABLE loaded.${MIRROR_SESSIONS}_kept (${columns.join(', ')})`)
  await createView(connection, MIRROR_SESSIONS, `SELECT * FROM loaded.${MIRROR_SESSIONS}_kept`)
}

async function createView(
  connection: DuckDBConnection,
  name: string,
  select: string,
): Promise<void> {
  await connection.run(`CREATE OR REPLACE VIEW ${identifier(name)} AS ${select}`)
}

/** The table of the records of captures and of flow logs. */
async function createRecords(
  connection: DuckDBConnection,
  selects: readonly string[],
): Promise<void> {
  const parts = [selectShown(RECORDS), ...selects]
  await createView(connection, RECORDS.name, parts.join(' UNION ALL BY NAME '))
}

function selectsOf(parquets: readonly ParquetFile[]): string[] {
  return parquets.length === 0 ? [] : [selectParquet(parquets)]
}

function selectParquet(files: readonly ParquetFile[]): string {
  const paths = files.map(({ path }) => quoted(path)).join(', ')
  // Otherwise a path such as year=2026/ would add a column.
  return `SELECT * FROM read_parquet([${paths}], union_by_name = true, hive_partitioning = false)`
}

/** Moves Parquet files that DuckDB cannot open to the others. */
async function sortParquets(
  connection: DuckDBConnection,
  files: QueryFiles,
  onProblem: (line: string) => void,
): Promise<QueryFiles> {
  const parquets: ParquetFile[] = []
  const others = [...files.others]
  for (const file of files.parquets) {
    try {
      await connection.run(`DESCRIBE ${selectParquet([file])}`)
      parquets.push(file)
    } catch (error) {
      const problem = damagedParquet(file, (asOperatorError(error) as Error).message)
      onProblem(problem)
      others.push({ name: file.name, problem })
    }
  }
  return { ...files, parquets, others }
}

function damagedParquet({ name }: ParquetFile, why: string): string {
  return `${name} is damaged (${why}): copy it again; nothing of it is used`
}

/** A file that the SQL uses as a table. */
interface FileView {
  readonly view: string
  /** Undefined for Parquet. */
  readonly log: FlowLogFile | undefined
  readonly select: () => string
}

/** SQL that may tell what tables there are. */
const OF_CATALOG = /\b(?:duckdb|pragma)_|\b(?:show|describe|summarize)\b|\(\s*desc\b/i

/**
 * The files that the SQL names, and the SQL with their names in DuckDB instead. `isShown`: a table is to be
 * there. Each takes DuckDB a while, so the others are made only where the SQL, or what is said about an
 * unknown table in it, may tell of them.
 */
async function nameFiles(
  connection: DuckDBConnection,
  flowLogs: FlowLogTables,
  { logs, parquets, others }: QueryFiles,
  asked: string,
): Promise<{
  sql: string
  views: readonly FileView[]
  isShown: (table: string) => boolean
}> {
  const tables = await tablesNamed(connection, asked)
  for (const { name, problem } of others) {
    if (mayName(asked, tables, name)) throw new OperatorError(problem)
  }
  const found = new Map<string, Omit<FileView, 'view'>>()
  const find = (name: string, path: string, file: Omit<FileView, 'view'>): void => {
    for (const named of [name, path]) if (mayName(asked, tables, named)) found.set(named, file)
  }
  for (const log of logs) {
    find(log.name, log.path, { log, select: () => flowLogs.selectOf(log) })
  }
  for (const file of parquets) {
    find(file.name, file.path, { log: undefined, select: () => selectParquet([file]) })
  }
  const { sql, nameOf } = apart(asked, tables, [...found.keys()])
  const views = [...found].map(([name, file]) => ({ ...file, view: nameOf.get(name)! }))
  const own = new Set([...FILLED_TABLES.map((table) => table.name), MIRROR_SESSIONS])
  const named = new Set(tables?.map((table) => table.name.toLowerCase()))
  const areKnown = tables?.every(({ name }) => own.has(name.toLowerCase()) || found.has(name))
  const isShown = (name: string): boolean =>
    areKnown !== true || named.has(name) || OF_CATALOG.test(asked)
  return { sql, views, isShown }
}

/**
 * The tables that the SQL names, in lower case. If DuckDB cannot tell, every word counts:
 * a table too many costs time, one too few would look empty.
 */
async function tablesToFill(
  connection: DuckDBConnection,
  sql: string,
): Promise<ReadonlySet<string>> {
  const tables = await tablesNamed(connection, sql)
  const words = tables?.map(({ name }) => name) ?? sql.match(/\w+/g) ?? []
  return new Set(words.map((name) => name.toLowerCase()))
}

/** Whether the SQL may use a column of names: it names one, or all columns. */
function mayAskForNames(sql: string): boolean {
  return /_name\b|\*|\bcolumns\b/i.test(sql) || !/\bselect\b/i.test(sql)
}

async function fillMirrorSessions(
  connection: DuckDBConnection,
  rows: readonly MirrorSessionRow[],
): Promise<void> {
  const places = SESSION_COLUMNS.map((_, at) => `$${at + 1}`).join(', ')
  const insert = await connection.prepare(
    `INSERT INTO loaded.${MIRROR_SESSIONS}_kept VALUES (${places})`,
  )
  for (const row of rows) {
    insert.bind(SESSION_COLUMNS.map(([name]) => row[name]))
    await insert.run()
  }
  insert.destroySync()
}

/** Statements about tables that do not read their rows. */
const OF_SHAPE = /^\s*(?:DESCRIBE|DESC|SHOW|EXPLAIN(?!\s+ANALYZE))\b/i

/** Checks that the SQL is a single, valid statement that only reads. */
async function checkStatement(
  duckdb: DuckDb,
  connection: DuckDBConnection,
  sql: string,
): Promise<void> {
  const isExplained = EXPLAIN.test(sql)
  const asked = sql.replace(EXPLAIN, '')
  // For empty SQL, DuckDB gives neither a statement nor a message.
  const statements = await connection.extractStatements(asked).catch((error: Error) => {
    throw error.message === 'Error in native callback' ? new OperatorError(NO_SELECT) : error
  })
  if (statements.count !== 1) throw new OperatorError(NO_SELECT)
  const statement = await statements.prepare(0)
  const type = statement.statementType
  statement.destroySync()
  if (type !== duckdb.StatementType.SELECT) {
    const name = isExplained ? 'an explained statement' : duckdb.StatementType[type]
    throw new OperatorError(`${NO_SELECT}: not ${name}, since it changes nothing`)
  }
  await checkPlan(connection, asked)
}

/** Functions that a SELECT can call and that change settings or write files. */
const CHANGES = /^(?:(?:ENABLE|DISABLE|TRUNCATE)_.*|(?:FORCE_)?CHECKPOINT)$/

interface PlanNode {
  readonly name: string
  readonly children: readonly PlanNode[]
}

/** Looks at the plan, which has the name of a function however the SQL spells it. */
async function checkPlan(connection: DuckDBConnection, sql: string): Promise<void> {
  const explained = await connection.runAndReadAll(`EXPLAIN (FORMAT json) ${sql}`)
  const walk = ({ name, children }: PlanNode): void => {
    if (CHANGES.test(name.trim())) {
      throw new OperatorError(`${NO_SELECT}: not ${name.trim()}, since it changes nothing`)
    }
    children.forEach(walk)
  }
  for (const row of explained.getRows()) (JSON.parse(String(row[1])) as PlanNode[]).forEach(walk)
}

const NO_SELECT = 'query takes one SELECT'

function noSource(table: string): OperatorError {
  const what =
    table === MIRROR_SESSIONS
      ? 'a state file: name one with --state FILE'
      : `captures${table === RECORDS.name ? ' or flow logs' : ''}: name one`
  return new OperatorError(`the table ${table} is made of ${what}`, { exitCode: 2 })
}

/** DuckDB's message about SQL, data or memory, as one line. */
function asOperatorError(error: unknown): unknown {
  if (error instanceof OperatorError || !(error instanceof Error)) return error
  const isOfDuckDb = /^[A-Z][A-Za-z ]* (?:Error|exception)\b/.test(error.message)
  const isExtraction = error.message.startsWith('Failed to extract statements: ')
  if (!isOfDuckDb && !isExtraction) return error
  const [text] = error.message
    .replace('Failed to extract statements: ', '')
    .split(/\n\s*(?:LINE \d+|Possible solutions):/)
  const line = text!.replace(/\s*\n\s*/g, ' ').trim()
  return new OperatorError(withOurAdvice(line), { cause: error })
}

/** Removes advice to install extensions or change settings, which a query cannot do. */
function withOurAdvice(line: string): string {
  if (/^Out of Memory/.test(line)) {
    return `${line}; raise --memory-limit or --temporary-limit, or ask for less`
  }
  const missing = /^(.*?\bin the (\w+) extension)\b.*\bINSTALL\b/.exec(line)
  if (missing === null) return line
  const instead =
    missing[2] === 'inet'
      ? 'in_cidr(address, cidr) and is_private(address)'
      : 'what is in DuckDB itself (SELECT function_name FROM duckdb_functions())'
  return `${missing[1]}, and query loads no extensions: use ${instead}`
}

/** Why an answer could not be read to its end, and in which file, which DuckDB does not say. */
export async function answerError(
  answer: Omit<Answer, 'result'>,
  error: unknown,
): Promise<unknown> {
  const known = asOperatorError(error)
  if (!(known instanceof OperatorError) || known === error || known.message.startsWith('Out of')) {
    return known
  }
  const connection = await answer.database.instance.connect()
  try {
    for (const file of answer.parquets) {
      try {
        await connection.run(`SELECT any_value(COLUMNS(*)) FROM (${selectParquet([file])})`)
      } catch (what) {
        const { message } = asOperatorError(what) as Error
        return new OperatorError(damagedParquet(file, message), { cause: what })
      }
    }
  } finally {
    connection.closeSync()
  }
  return known
}

/** Writes an answer as Parquet to the file at `path`, one of `outputs`. Returns the number of rows. */
export async function writeParquet(answer: Answer, path: string): Promise<number> {
  const { result, database } = answer
  const { instance, catalog } = database
  // The connection of the query is still computing the answer.
  const other = await instance.connect()
  try {
    await other.run(`USE ${catalog}`)
    const types = result.columnTypes()
    const columns = columnNames(result).map((name, at) => `${identifier(name)} ${types[at]}`)
    await other.run(`CREATE TABLE loaded.answer (${columns.join(', ')})`)
    const appender = await other.createAppender('answer', 'loaded', catalog)
    let rows = 0
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      appender.appendDataChunk(chunk)
      rows += chunk.rowCount
    }
    appender.closeSync()
    const options = 'FORMAT parquet, COMPRESSION gzip, USE_TMP_FILE false'
    await other.run(`COPY loaded.answer TO ${quoted(path)} (${options})`)
    return rows
  } finally {
    other.closeSync()
  }
}

/** In DuckDB, names of columns that differ only in case are the same. */
function columnNames(result: DuckDBResult): string[] {
  const taken = new Set<string>()
  return result.deduplicatedColumnNames().map((name) => {
    let free = name
    for (let count = 1; taken.has(free.toLowerCase()); count++) free = `${name}_${count}`
    taken.add(free.toLowerCase())
    return free
  })
}
