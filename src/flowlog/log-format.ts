import { OperatorError } from '../errors.js'
import { nearestName } from '../nearest-name.js'
import { type Field, type FieldSet, VPC_FIELDS } from './fields.js'

/** Which fields a flow log holds, and in which order: the `LogFormat` of `CreateFlowLogs`. */
export interface LogFormat {
  /** At least one. A field named twice is written twice. */
  readonly fields: readonly Field[]
  /** The fields it was chosen from: SessionMetadata of these goes with it. */
  readonly of: FieldSet
  /** The value of the `version` field: the highest version among the fields. */
  readonly version: number
  /** `${version} ${account-id} …`, as `DescribeFlowLogs` gives it back. */
  readonly text: string
}

/** Ten more than there are: a line stays within a sink's block, whatever is configured. */
export const FIELDS_MAX = 64

export const DEFAULT_LOG_FORMAT: LogFormat = logFormatOf(VPC_FIELDS.defaults, VPC_FIELDS)

function logFormatOf(fields: readonly Field[], of: FieldSet): LogFormat {
  return {
    fields,
    of,
    version: Math.max(...fields.map((field) => field.version)),
    text: fields.map((field) => `\${${field.name}}`).join(' '),
  }
}

/** One field: `${name}`, and `\${name}` and `$${name}` as shells and Terraform want it written. */
const FIELD = /(?:\\?\$|\$\$)\{([^{}\s]*)\}/y
const SPACE = /\s+/y

/**
 * Reads `${version} ${account-id} …`, made of fields of `of`; undefined means their default format.
 *
 * Takes what people paste from a command line along with it: one or two pairs of
 * quotes around the whole, the dollar escaped, any white space between fields.
 * Throws OperatorError (exit code 2) naming the field, or the column counted
 * from 1, that is wrong.
 */
export function parseLogFormat(text: string | undefined, of: FieldSet = VPC_FIELDS): LogFormat {
  if (text === undefined) {
    return of === VPC_FIELDS ? DEFAULT_LOG_FORMAT : logFormatOf(of.defaults, of)
  }

  const { start, end } = insideQuotes(text)
  if (start === end) {
    throw new OperatorError(
      `the log format is empty: name at least one field, such as '\${srcaddr} \${dstaddr}'`,
      { exitCode: 2, code: 'ERR_LOG_FORMAT' },
    )
  }

  const fields: Field[] = []
  let at = start
  while (at < end) {
    FIELD.lastIndex = at
    const found = FIELD.exec(text)
    if (found === null) throw malformed(text, at, end)
    const name = found[1]!
    const field = of.all.find((one) => one.name === name)
    if (field === undefined) throw unknownField(name, at + found[0].indexOf('{') + 2, of)
    fields.push(field)

    at = FIELD.lastIndex
    if (at === end) break
    SPACE.lastIndex = at
    if (!SPACE.test(text)) {
      throw new OperatorError(
        `the log format needs a space between fields at column ${at + 1}: ${quoted(text, at, end)}`,
        { exitCode: 2, code: 'ERR_LOG_FORMAT' },
      )
    }
    at = SPACE.lastIndex
  }
  if (fields.length > FIELDS_MAX) {
    throw new OperatorError(
      `the log format names ${fields.length} fields: name at most ${FIELDS_MAX}`,
      { exitCode: 2, code: 'ERR_LOG_FORMAT' },
    )
  }
  return logFormatOf(fields, of)
}

/** The bounds of `text` without the white space and the pairs of quotes around it. */
function insideQuotes(text: string): { start: number; end: number } {
  let start = 0
  let end = text.length
  const trim = (): void => {
    while (start < end && /\s/.test(text[start]!)) start++
    while (end > start && /\s/.test(text[end - 1]!)) end--
  }
  trim()
  for (let pairs = 0; pairs < 2; pairs++) {
    const quote = text[start]
    if (end - start < 2 || (quote !== "'" && quote !== '"') || text[end - 1] !== quote) break
    start++
    end--
    trim()
  }
  return { start, end }
}

function unknownField(name: string, column: number, of: FieldSet): OperatorError {
  const names = of.all.map((field) => field.name)
  const nearest = nearestName(name, names)
  const all = `there are ${names.join(' ')}`
  const hint = nearest === undefined ? all : `did you mean '${nearest}'?`
  return new OperatorError(
    `the log format names an unknown field '${cut(name)}' at column ${column}: ${hint}`,
    { exitCode: 2, code: 'ERR_LOG_FORMAT' },
  )
}

function malformed(text: string, at: number, end: number): OperatorError {
  // A shell replaces ${version} in double quotes by nothing and leaves only the hyphenated halves or spaces.
  return new OperatorError(
    `the log format is malformed at column ${at + 1}: expected \${field}, found ${quoted(text, at, end)}`,
    { exitCode: 2, code: 'ERR_LOG_FORMAT' },
  )
}

/** More than the longest name of a field. */
const QUOTED_LEN = 48

function quoted(text: string, at: number, end: number): string {
  const rest = text.slice(at, end)
  return JSON.stringify(cut(rest))
}

function cut(text: string): string {
  return text.length > QUOTED_LEN ? `${text.slice(0, QUOTED_LEN)}…` : text
}
