/**
 * What Kerberos (RFC 4120) says in clear: who asks for a ticket to which service, and what the answer is. DER throughout:
 *
 *     KDC-REQ:   [1] pvno, [2] msg-type, [3] padata, [4] req-body { [1] cname, [2] realm, [3] sname, … }
 *     KDC-REP:   [3] crealm, [4] cname, [5] ticket { [1] realm, [2] sname, … }
 *     KRB-ERROR: [6] error-code, [7] crealm, [8] cname, [9] realm, [10] sname, [11] e-text
 */
import { u8, u32 } from '../wire/bytes.js'
import { textOf } from './text.js'

export const KERBEROS_PORT = 88

/** By the number of their application tag. */
const TYPES = {
  10: 'AS-REQ',
  11: 'AS-REP',
  12: 'TGS-REQ',
  13: 'TGS-REP',
  30: 'KRB-ERROR',
} as const

export interface KerberosMessage {
  readonly type: (typeof TYPES)[keyof typeof TYPES]
  /** `user`, or `host/www.example.com`. */
  readonly client: string | undefined
  /** Of the client; of a request that of the service. */
  readonly realm: string | undefined
  readonly service: string | undefined
  /** Of KRB-ERROR. */
  readonly errorCode: number | undefined
  readonly errorText: string | undefined
}

const APPLICATION = 0x60
const CONTEXT = 0xa0
const SEQUENCE = 0x30
const INTEGER = 0x02
const GENERAL_STRING = 0x1b
const TICKET = APPLICATION | 1

/** More fields of a message, or parts of a name, than any real message has are not read. */
const FIELDS_MAX = 24
const PARTS_MAX = 8
const TEXT_MAX = 255
/** RFC 4120 §7.2.2: over TCP a message has its length before it, whose highest bit is kept for other uses. */
const LENGTH_LEN = 4

/** Of DER, what lies within one element. */
interface Content {
  readonly tag: number
  readonly start: number
  /** Where the packet or what it is in ends, where that comes first. */
  readonly end: number
}

/** Reads the message at `bytes[start, end)`; undefined where it is none, or its names do not lie before `end`. */
export function parseKerberos(
  bytes: Uint8Array,
  start: number,
  end: number,
): KerberosMessage | undefined {
  const outer = elementAt(bytes, start, end)
  const type = outer && TYPES[(outer.tag - APPLICATION) as keyof typeof TYPES]
  if (outer === undefined || type === undefined) return undefined
  const fields = fieldsOf(bytes, outer)
  if (type === 'AS-REQ' || type === 'TGS-REQ') {
    const body = fields.get(4) && fieldsOf(bytes, fields.get(4)!)
    if (body === undefined || body.size === 0) return undefined
    const [client, realm, service] = [body.get(1), body.get(2), body.get(3)]
    return {
      type,
      client: client && nameOf(bytes, client),
      realm: realm && stringOf(bytes, realm),
      service: service && nameOf(bytes, service),
      errorCode: undefined,
      errorText: undefined,
    }
  }
  const isError = type === 'KRB-ERROR'
  const [realm, client] = isError ? [fields.get(7), fields.get(8)] : [fields.get(3), fields.get(4)]
  const ticket = isError ? undefined : fields.get(5)
  const within = ticket && elementAt(bytes, ticket.start, ticket.end)
  const service = isError
    ? fields.get(10)
    : within?.tag === TICKET
      ? fieldsOf(bytes, within).get(2)
      : undefined
  const code = isError ? fields.get(6) : undefined
  const text = isError ? fields.get(11) : undefined
  if (client === undefined && service === undefined && code === undefined) return undefined
  return {
    type,
    client: client && nameOf(bytes, client),
    realm: realm && stringOf(bytes, realm),
    service: service && nameOf(bytes, service),
    errorCode: code && integerOf(bytes, code),
    errorText: text && stringOf(bytes, text),
  }
}

/** The same at the beginning of a stream of TCP. `more`: the message does not end before `end`. */
export function parseKerberosStream(
  bytes: Uint8Array,
  start: number,
  end: number,
  isAll: boolean,
): KerberosMessage | 'more' | undefined {
  if (end - start < LENGTH_LEN + 2) return isAll ? undefined : 'more'
  const length = u32(bytes, start)
  const at = start + LENGTH_LEN
  if (
    u8(bytes, start) !== 0 ||
    TYPES[(u8(bytes, at) - APPLICATION) as keyof typeof TYPES] === undefined
  ) {
    return undefined
  }
  if (end - at < length && !isAll) return 'more'
  return parseKerberos(bytes, at, Math.min(end, at + length))
}

/** The element at `at`; undefined where there is none of a definite length. */
function elementAt(bytes: Uint8Array, at: number, end: number): Content | undefined {
  if (end - at < 2) return undefined
  const tag = u8(bytes, at)
  let length = u8(bytes, at + 1)
  let start = at + 2
  if (length > 0x7f) {
    const count = length & 0x7f
    if (count === 0 || count > 4 || end - start < count) return undefined
    length = 0
    for (; start < at + 2 + count; start++) length = length * 256 + u8(bytes, start)
  }
  return { tag, start, end: Math.min(start + length, end) }
}

/** The fields of the sequence in an element, by their number. */
function fieldsOf(bytes: Uint8Array, { start, end }: Content): Map<number, Content> {
  const fields = new Map<number, Content>()
  const sequence = elementAt(bytes, start, end)
  if (sequence?.tag !== SEQUENCE) return fields
  for (let at = sequence.start; fields.size < FIELDS_MAX; ) {
    const field = elementAt(bytes, at, sequence.end)
    if (field === undefined || (field.tag & 0xe0) !== CONTEXT) break
    const number = field.tag & 0x1f
    if (fields.has(number)) break
    fields.set(number, field)
    at = field.end
  }
  return fields
}

function stringOf(bytes: Uint8Array, { start, end }: Content): string | undefined {
  const text = elementAt(bytes, start, end)
  if (text?.tag !== GENERAL_STRING) return undefined
  return textOf(bytes, text.start, Math.min(text.end, text.start + TEXT_MAX))
}

/** `PrincipalName`: its parts, which Kerberos writes with slashes between them. */
function nameOf(bytes: Uint8Array, field: Content): string | undefined {
  const parts: string[] = []
  const list = fieldsOf(bytes, field).get(1)
  const sequence = list && elementAt(bytes, list.start, list.end)
  if (sequence?.tag !== SEQUENCE) return undefined
  for (let at = sequence.start; parts.length < PARTS_MAX; ) {
    const part = elementAt(bytes, at, sequence.end)
    if (part?.tag !== GENERAL_STRING) break
    parts.push(textOf(bytes, part.start, Math.min(part.end, part.start + TEXT_MAX)))
    at = part.end
  }
  return parts.length === 0 ? undefined : parts.join('/')
}

function integerOf(bytes: Uint8Array, { start, end }: Content): number | undefined {
  const number = elementAt(bytes, start, end)
  if (number?.tag !== INTEGER || number.end - number.start > 4) return undefined
  let value = 0
  for (let at = number.start; at < number.end; at++) value = value * 256 + u8(bytes, at)
  return value
}

/** RFC 4120 §7.5.9, RFC 4556 and RFC 6806. */
const ERRORS = [
  ...['NONE', 'NAME_EXP', 'SERVICE_EXP', 'BAD_PVNO', 'C_OLD_MAST_KVNO', 'S_OLD_MAST_KVNO'],
  ...['C_PRINCIPAL_UNKNOWN', 'S_PRINCIPAL_UNKNOWN', 'PRINCIPAL_NOT_UNIQUE', 'NULL_KEY'],
  ...['CANNOT_POSTDATE', 'NEVER_VALID', 'POLICY', 'BADOPTION', 'ETYPE_NOSUPP', 'SUMTYPE_NOSUPP'],
  ...['PADATA_TYPE_NOSUPP', 'TRTYPE_NOSUPP', 'CLIENT_REVOKED', 'SERVICE_REVOKED', 'TGT_REVOKED'],
  ...['CLIENT_NOTYET', 'SERVICE_NOTYET', 'KEY_EXPIRED', 'PREAUTH_FAILED', 'PREAUTH_REQUIRED'],
  ...['SERVER_NOMATCH', 'MUST_USE_USER2USER', 'PATH_NOT_ACCEPTED', 'SVC_UNAVAILABLE'],
]
const OTHER_ERRORS: Readonly<Record<number, string>> = {
  31: 'KRB_AP_ERR_BAD_INTEGRITY',
  32: 'KRB_AP_ERR_TKT_EXPIRED',
  33: 'KRB_AP_ERR_TKT_NYV',
  34: 'KRB_AP_ERR_REPEAT',
  35: 'KRB_AP_ERR_NOT_US',
  36: 'KRB_AP_ERR_BADMATCH',
  37: 'KRB_AP_ERR_SKEW',
  41: 'KRB_AP_ERR_MODIFIED',
  52: 'KRB_ERR_RESPONSE_TOO_BIG',
  60: 'KRB_ERR_GENERIC',
  68: 'KDC_ERR_WRONG_REALM',
  69: 'KRB_AP_ERR_USER_TO_USER_REQUIRED',
}

/** `KDC_ERR_PREAUTH_REQUIRED`. */
export function kerberosErrorName(code: number): string {
  const ofKdc = ERRORS[code]
  return ofKdc === undefined ? (OTHER_ERRORS[code] ?? `unknown-${code}`) : `KDC_ERR_${ofKdc}`
}

/** What Zeek has for why there is no ticket: the text of the answer, else the name of its code. */
export function kerberosFailure(response: KerberosMessage | undefined): string | undefined {
  if (response?.errorCode === undefined) return undefined
  return response.errorText || kerberosErrorName(response.errorCode)
}

/** `user/EXAMPLE.COM`; a request for another ticket says who asks only within the ticket that it has. */
export function kerberosClient(
  request: KerberosMessage | undefined,
  response: KerberosMessage | undefined,
): string | undefined {
  const of = request?.type === 'AS-REQ' ? request : response
  if (of?.client === undefined && of?.realm === undefined) return undefined
  return `${of.client ?? ''}/${of.realm ?? ''}`
}
