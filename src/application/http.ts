/** Heads of HTTP/1 messages (RFC 9112). */
import { u8 } from '../wire/bytes.js'
import { latin1 } from './text.js'

/** SSDP (UPnP Device Architecture §1): heads of HTTP/1, each in a datagram. */
export const SSDP_PORT = 1900

/** More of a head is not looked at. */
export const HTTP_HEAD_MAX = 8192

export interface HttpRequest {
  readonly type: 'request'
  readonly method: string
  /** The target as it was sent: a path, or a whole URI to a proxy. */
  readonly target: string
  /** `1.1`. */
  readonly version: string
  readonly host: string | undefined
  readonly userAgent: string | undefined
  readonly referrer: string | undefined
  /** `Authorization: Basic`, which is a name and a password. */
  readonly hasPassword: boolean
}

export interface HttpResponse {
  readonly type: 'response'
  readonly version: string
  readonly status: number
  readonly reason: string
  readonly contentType: string | undefined
}

export type HttpHead = HttpRequest | HttpResponse

/** `more`: the head does not end before `end`; undefined: it is none. */
export type HttpSoFar = HttpHead | 'more' | undefined

/** Longer than those of RFC 9110, WebDAV and UPnP. */
const METHOD_MAX = 24
/** `GET`, and a space. */
const METHOD_MIN = 4
const REQUEST_LINE = /^([A-Z][A-Z_-]{2,23}) (\S+) HTTP\/(1\.\d)$/
const STATUS_LINE = /^HTTP\/(\d\.\d) (\d{3})(?: (.*))?$/
const H = 0x48
const SPACE = 0x20

/** Whether a message may begin here: with `HTTP/`, or with a method, a space and what a target begins with. */
export function looksLikeHttp(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start) return false
  if (
    u8(bytes, start) === H &&
    'HTTP/'.startsWith(latin1(bytes, start, Math.min(end, start + 5)))
  ) {
    return true
  }
  for (let at = start; at < end && at <= start + METHOD_MAX; at++) {
    const octet = u8(bytes, at)
    if (octet === SPACE) return at - start >= 3 && (at + 1 === end || u8(bytes, at + 1) > SPACE)
    if ((octet < 0x41 || octet > 0x5a) && octet !== 0x2d && octet !== 0x5f) return false
  }
  // A short segment may have the beginning of a method.
  return end - start < METHOD_MIN
}

/** Reads the head at `bytes[start, end)`. `isAll`: nothing follows, so that of an unfinished one what is there is read. */
export function parseHttp(
  bytes: Uint8Array,
  start: number,
  end: number,
  isAll: boolean,
): HttpSoFar {
  if (!looksLikeHttp(bytes, start, end)) return undefined
  const last = Math.min(end, start + HTTP_HEAD_MAX)
  const text = latin1(bytes, start, last)
  const ending = /\r?\n\r?\n/.exec(text)
  const isOver = ending !== null || isAll || last < end || end - start >= HTTP_HEAD_MAX
  const firstEnd = text.indexOf('\n')
  const firstLine = (firstEnd === -1 ? text : text.slice(0, firstEnd)).replace(/\r$/, '')
  const request = REQUEST_LINE.exec(firstLine)
  const status = request === null ? STATUS_LINE.exec(firstLine) : null
  if (request === null && status === null) {
    // The line may have been cut.
    return firstEnd === -1 && !isOver ? 'more' : undefined
  }
  if (!isOver) return 'more'
  const head = ending === null ? text : text.slice(0, ending.index)
  const field = fieldsOf(head)
  if (request !== null) {
    return {
      type: 'request',
      method: request[1]!,
      target: request[2]!,
      version: request[3]!,
      host: field('host'),
      userAgent: field('user-agent'),
      referrer: field('referer'),
      hasPassword: /^Basic\b/i.test(field('authorization') ?? ''),
    }
  }
  return {
    type: 'response',
    version: status![1]!,
    status: Number(status![2]),
    reason: status![3] ?? '',
    contentType: mediaType(field('content-type')),
  }
}

/** The first value of a field; a last line without an end was cut, and says nothing. */
function fieldsOf(head: string): (name: string) => string | undefined {
  return (name) => {
    const found = new RegExp(
      `\\n${name}[ \\t]*:[ \\t]*([^\\r\\n]*?)[ \\t]*(?:\\r|\\n|$)`,
      'i',
    ).exec(`${head}`)
    return found === null || found[1] === '' ? undefined : found[1]
  }
}

/** Without its parameters. */
function mediaType(value: string | undefined): string | undefined {
  return value?.replace(/;.*/s, '').trim().toLowerCase()
}
