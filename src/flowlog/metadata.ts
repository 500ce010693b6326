import { OperatorError } from '../errors.js'
import { Ascii } from './ascii.js'
import { type ConfiguredFieldName, configuredOf, type Field, VPC_FIELDS } from './fields.js'
import type { TransitGatewayValues } from './transit-gateway-fields.js'

/** What no packet carries, as the operator or the session's record gives it. */
export type MetadataValues = { readonly [Name in ConfiguredFieldName]?: string | undefined }

/** The longest value, encoded. A tag of 256 characters of four bytes each, percent-encoded, fits. */
export const MAX_METADATA_LEN = 3072

const INT32_MAX = 2 ** 31 - 1

/** Visible ASCII. A space would shift every later column, a line feed would make a row of its own. */
const PLAIN = /^[\x21-\x7e]+$/

/** RFC 3986 §2.3. */
const UNRESERVED = /[A-Za-z0-9._~-]/

const NOTHING = new Ascii('-')
const NULL = new Ascii('null')

/**
 * What is configured for one session, encoded once so that a record's encoder
 * only copies bytes. Immutable; one instance serves every record of its session.
 *
 * A value left out, empty, or `-` is written `-`.
 */
export class SessionMetadata {
  /** By the field's index among those of its kind of flow log: its text, or `-`. */
  readonly text: readonly Ascii[]
  /** By the same index: its JSON, or `null`. */
  readonly json: readonly Ascii[]
  /** Bytes of the longest entry of `text` and of `json`. */
  readonly textLengthMax: number
  readonly jsonLengthMax: number

  /** Throws OperatorError (exit code 2) naming the field whose value cannot be written. */
  constructor(values: MetadataValues | TransitGatewayValues = {}, { all: fields } = VPC_FIELDS) {
    const known = new Set<string>(configuredOf(fields).map((field) => field.name))
    for (const name of Object.keys(values)) {
      if (known.has(name)) continue
      throw new OperatorError(`${name} cannot be configured: it is not a field of the interface.`, {
        exitCode: 2,
      })
    }

    const given: Readonly<Record<string, string | undefined>> = values
    const encoded = fields.map((field) => encodeValue(field, given[field.name]))
    this.text = encoded.map((value) => (value === undefined ? NOTHING : new Ascii(value)))
    this.json = encoded.map((value, index) => {
      if (value === undefined) return NULL
      const isText = fields[index]!.type === 'string'
      return new Ascii(isText ? JSON.stringify(value) : value)
    })
    this.textLengthMax = longest(this.text)
    this.jsonLengthMax = longest(this.json)
  }
}

/** A session nothing is known of but its packets. */
export const NO_METADATA = new SessionMetadata()

function longest(entries: readonly Ascii[]): number {
  return entries.reduce((length, entry) => Math.max(length, entry.length), 0)
}

/** The value as a column holds it, or undefined for `-`. */
function encodeValue(field: Field, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined
  const { filling } = field
  const isTag = filling.from === 'interface' && filling.tag === true
  if (value === '-' && !isTag) return undefined

  const encoded = isTag ? encodeTag(value) : value
  if (!PLAIN.test(encoded)) {
    throw new OperatorError(
      `${field.name}: ${JSON.stringify(value)} has a space, a control character or a character outside ASCII, which flow logs cannot have.`,
      { exitCode: 2 },
    )
  }
  if (field.type !== 'string' && !(/^\d{1,10}$/.test(encoded) && Number(encoded) <= INT32_MAX)) {
    throw new OperatorError(
      `${field.name}: '${value}' is not a whole number from 0 to ${INT32_MAX}.`,
      { exitCode: 2 },
    )
  }
  if (encoded.length > MAX_METADATA_LEN) {
    throw new OperatorError(
      `${field.name}: the value takes ${encoded.length} bytes, the most is ${MAX_METADATA_LEN}.`,
      { exitCode: 2 },
    )
  }
  // 007 would not be a number in JSON.
  return field.type === 'string' ? encoded : String(Number(encoded))
}

/**
 * A tag's value with everything but RFC 3986's unreserved characters as
 * percent-encoded UTF-8, as AWS writes tags. A tag that is a lone hyphen is
 * encoded too: as it stands it would say that there is no tag.
 */
function encodeTag(value: string): string {
  if (value === '-') return '%2D'
  let encoded = ''
  for (const octet of Buffer.from(value, 'utf8')) {
    const letter = String.fromCharCode(octet)
    encoded += UNRESERVED.test(letter)
      ? letter
      : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
