import { ApiError, type Input } from '../../aws/protocol/action.js'
import { FORMATS, type FormatName } from './formats.js'

/** What a parameter may be, as data. `required` ones must be there and not be empty. */
export type Parameter =
  | { readonly type: 'string'; readonly required?: true; readonly lengthMax?: number }
  | {
      readonly type: 'format'
      readonly required?: true
      readonly format: FormatName
      /** An empty value counts as none. */
      readonly orEmpty?: true
    }
  | {
      readonly type: 'integer'
      readonly required?: true
      readonly min: number
      readonly max: number
    }
  | { readonly type: 'boolean'; readonly required?: true }
  | { readonly type: 'choice'; readonly required?: true; readonly values: readonly string[] }
  | {
      readonly type: 'list'
      readonly required?: true
      readonly lengthMax: number
      readonly of: Parameter
    }
  | { readonly type: 'structure'; readonly required?: true; readonly members: Parameters }

/** By wire name, without the numbers of lists: `TagSpecification`, `Tag`. */
export type Parameters = Readonly<Record<string, Parameter>>

/** What a parameter of this description is read into. */
export type Value<P extends Parameter> = P extends { type: 'integer' }
  ? number
  : P extends { type: 'boolean' }
    ? boolean
    : P extends { type: 'choice'; values: readonly (infer V)[] }
      ? V
      : P extends { type: 'list'; of: infer O extends Parameter }
        ? readonly Value<O>[]
        : P extends { type: 'structure'; members: infer M extends Parameters }
          ? Values<M>
          : string

/** A list that was not sent is empty; anything else is undefined. */
export type Values<M extends Parameters> = {
  readonly [K in keyof M]: M[K] extends { required: true } | { type: 'list' }
    ? Value<M[K]>
    : Value<M[K]> | undefined
}

/**
 * Reads what the client sent, in the order of the description. Throws ApiError for a
 * parameter that is missing, not known, or out of its range, under the name that
 * the client would write: `TagSpecification.1.Tag.2.Key`.
 */
export function readParameters<const M extends Parameters>(members: M, input: Input): Values<M> {
  return readMembers(members, input, '') as Values<M>
}

function readMembers(members: Parameters, input: Input, path: string): Record<string, unknown> {
  for (const name of Object.keys(input)) {
    if (Object.hasOwn(members, name)) continue
    throw new ApiError('UnknownParameter', `The parameter ${path}${name} is not recognized`)
  }
  const values: Record<string, unknown> = {}
  for (const [name, parameter] of Object.entries(members)) {
    const given = input[name]
    if (parameter.required && isNothing(given)) {
      throw new ApiError(
        'MissingParameter',
        `The request must contain the parameter ${path}${name}`,
      )
    }
    const isLeftOut =
      given === undefined || (given === '' && parameter.type === 'format' && parameter.orEmpty)
    if (isLeftOut) values[name] = parameter.type === 'list' ? [] : undefined
    else values[name] = readValue(parameter, given, path + name)
  }
  return values
}

function isNothing(given: unknown): boolean {
  return given === undefined || given === '' || (Array.isArray(given) && given.length === 0)
}

function readValue(parameter: Parameter, given: unknown, path: string): unknown {
  if (parameter.type === 'list') return readList(parameter, given, path)
  if (parameter.type === 'structure') {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw invalid('', path, 'Expected a structure')
    }
    return readMembers(parameter.members, given as Input, `${path}.`)
  }
  if (typeof given !== 'string') throw invalid('', path, 'Expected one value')
  switch (parameter.type) {
    case 'string':
      if (isLongerThan(given, parameter.lengthMax ?? Number.POSITIVE_INFINITY)) {
        throw invalid(given, path, `Expected at most ${parameter.lengthMax} characters`)
      }
      return given
    case 'format': {
      const { code, expected, matches } = FORMATS[parameter.format]
      if (!matches(given)) throw invalid(given, path, `Expected ${expected}`, code)
      return given
    }
    case 'integer': {
      const value = /^-?\d{1,15}$/.test(given) ? Number(given) : Number.NaN
      if (value >= parameter.min && value <= parameter.max) return value
      throw invalid(given, path, `Expected an integer from ${parameter.min} to ${parameter.max}`)
    }
    case 'boolean':
      if (/^true$/i.test(given)) return true
      if (/^false$/i.test(given)) return false
      throw invalid(given, path, 'Expected true or false')
    case 'choice':
      if (parameter.values.includes(given)) return given
      throw invalid(given, path, `Expected ${parameter.values.join(' or ')}`)
  }
}

/** In characters, of which a string of UTF-16 has no more than code units. */
function isLongerThan(text: string, lengthMax: number): boolean {
  return text.length > lengthMax && [...text].length > lengthMax
}

function readList(
  { lengthMax, of }: Extract<Parameter, { type: 'list' }>,
  given: unknown,
  path: string,
): unknown[] {
  if (!Array.isArray(given)) throw invalid('', path, `Expected a list: ${path}.1`)
  if (given.length > lengthMax) {
    throw invalid(String(given.length), path, `Expected at most ${lengthMax} entries`)
  }
  return given.map((item, index) => readValue(of, item, `${path}.${index + 1}`))
}

/** The longest part of a client's value that a message repeats. */
const SHOWN_LEN = 256

/** Error of a parameter whose value cannot be, in EC2's wording. `why` has no full stop. */
export function invalid(
  value: string,
  path: string,
  why: string,
  code = 'InvalidParameterValue',
): ApiError {
  return new ApiError(
    code,
    `Value (${value.slice(0, SHOWN_LEN)}) for parameter ${path} is invalid. ${why}.`,
  )
}
