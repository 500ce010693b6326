/**
 * Hellos of TLS (RFC 8446 §4.1, and those of RFC 5246 and before).
 *
 * A record is `type(1) version(2) length(2)`, a handshake message in one or several records
 * `type(1) length(3)`.
 */
import { u8, u16, u24 } from '../wire/bytes.js'
import { latin1, textOf } from './text.js'

const RECORD_HEADER_LEN = 5
const RECORD_HANDSHAKE = 22
/** RFC 5246 §6.2.3. */
const RECORD_LEN_MAX = 16_384 + 2048
export const HANDSHAKE_HEADER_LEN = 4
const CLIENT_HELLO = 1
const SERVER_HELLO = 2
const RANDOM_LEN = 32

export const EXTENSION_SERVER_NAME = 0
const EXTENSION_SIGNATURE_ALGORITHMS = 13
export const EXTENSION_ALPN = 16
const EXTENSION_VERSIONS = 43
const EXTENSION_KEY_SHARE = 51

export interface ClientHello {
  readonly type: 'client'
  /** That of the hello itself, which says TLS 1.2 where `versions` says more. */
  readonly legacyVersion: number
  /** Those of the extension; empty where there is none. */
  readonly versions: readonly number[]
  readonly ciphers: readonly number[]
  /** Their types, in their order. */
  readonly extensions: readonly number[]
  readonly serverName: string | undefined
  readonly alpn: readonly string[]
  readonly signatureAlgorithms: readonly number[]
  /** False where its end was not seen. */
  readonly isWhole: boolean
}

export interface ServerHello {
  readonly type: 'server'
  /** Chosen. */
  readonly version: number
  readonly cipher: number
  /** Of the key share; undefined where it is not in the hello. */
  readonly group: number | undefined
  /** TLS 1.3 has it encrypted. */
  readonly alpn: string | undefined
  readonly isWhole: boolean
}

export type Hello = ClientHello | ServerHello

/** `more`: it goes on after `end`; undefined: it is none. */
export type HelloSoFar = Hello | 'more' | undefined

/** Whether a stream that begins so may begin with a hello. */
export function looksLikeHello(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start || u8(bytes, start) !== RECORD_HANDSHAKE) return false
  if (end - start < RECORD_HEADER_LEN) return end - start === 1 || u8(bytes, start + 1) === 3
  const length = u16(bytes, start + 3)
  if (u8(bytes, start + 1) !== 3 || length === 0 || length > RECORD_LEN_MAX) return false
  if (end - start === RECORD_HEADER_LEN) return true
  const type = u8(bytes, start + RECORD_HEADER_LEN)
  return type === CLIENT_HELLO || type === SERVER_HELLO
}

/**
 * Reads the hello that the records at `bytes[start, end)` begin with. `isAll`: nothing follows,
 * so that of an unfinished one what is there is read.
 */
export function parseHello(
  bytes: Uint8Array,
  start: number,
  end: number,
  isAll: boolean,
): HelloSoFar {
  if (!looksLikeHello(bytes, start, end)) return undefined
  const first = start + RECORD_HEADER_LEN
  if (end - first < HANDSHAKE_HEADER_LEN) {
    return isAll ? undefined : 'more'
  }
  const length = HANDSHAKE_HEADER_LEN + u24(bytes, first + 1)
  const inRecord = u16(bytes, start + 3)
  // Nobody sends its header in two records.
  if (inRecord < HANDSHAKE_HEADER_LEN) return undefined
  if (length <= inRecord) {
    const needed = RECORD_HEADER_LEN + length
    if (end - start < needed && !isAll) return 'more'
    return parseHandshake(bytes, first, Math.min(end, start + needed))
  }
  return parseFragments(bytes, start, end, length, isAll)
}

/** A handshake message in several records. */
function parseFragments(
  bytes: Uint8Array,
  start: number,
  end: number,
  length: number,
  isAll: boolean,
): HelloSoFar {
  const parts: Uint8Array[] = []
  let missing = length
  let at = start
  while (missing > 0) {
    const headerMissing = end - at < RECORD_HEADER_LEN
    if (!headerMissing && u8(bytes, at) !== RECORD_HANDSHAKE) return undefined
    const inRecord = headerMissing ? 0 : Math.min(u16(bytes, at + 3), missing)
    if (!headerMissing && inRecord === 0) return undefined
    const from = at + RECORD_HEADER_LEN
    if (headerMissing || end - from < inRecord) {
      if (!isAll) return 'more'
      if (!headerMissing) parts.push(bytes.subarray(from, end))
      break
    }
    parts.push(bytes.subarray(from, from + inRecord))
    missing -= inRecord
    at = from + inRecord
  }
  const message = Buffer.concat(parts)
  return parseHandshake(message, 0, message.length)
}

/**
 * Reads the handshake message that begins at `start`; what lies after `end` was not seen.
 * Undefined where it is no hello.
 */
export function parseHandshake(bytes: Uint8Array, start: number, end: number): Hello | undefined {
  if (end - start < HANDSHAKE_HEADER_LEN) return undefined
  const type = u8(bytes, start)
  const isWhole = end - start >= HANDSHAKE_HEADER_LEN + u24(bytes, start + 1)
  const body = start + HANDSHAKE_HEADER_LEN
  if (type === CLIENT_HELLO) return clientHello(bytes, body, end, isWhole)
  if (type === SERVER_HELLO) return serverHello(bytes, body, end, isWhole)
  return undefined
}

function clientHello(
  bytes: Uint8Array,
  start: number,
  end: number,
  isWhole: boolean,
): ClientHello | undefined {
  let at = start + 2 + RANDOM_LEN
  if (end <= at) return undefined
  const legacyVersion = u16(bytes, start)
  if (legacyVersion >>> 8 !== 3) return undefined
  at += 1 + u8(bytes, at)
  const ciphers = end - at < 2 ? [] : words(bytes, at + 2, at + 2 + u16(bytes, at), end)
  at += end - at < 2 ? 2 : 2 + u16(bytes, at)
  at += end <= at ? 1 : 1 + u8(bytes, at)
  const hello = {
    type: 'client' as const,
    legacyVersion,
    versions: [] as readonly number[],
    ciphers,
    extensions: [] as number[],
    serverName: undefined as string | undefined,
    alpn: [] as readonly string[],
    signatureAlgorithms: [] as readonly number[],
    isWhole,
  }
  const areAll = eachExtension(bytes, at, end, (type, from, to) => {
    hello.extensions.push(type)
    if (type === EXTENSION_SERVER_NAME) hello.serverName = serverName(bytes, from, to)
    else if (type === EXTENSION_ALPN) hello.alpn = protocols(bytes, from, to)
    else if (type === EXTENSION_VERSIONS && to > from) {
      hello.versions = words(bytes, from + 1, from + 1 + u8(bytes, from), to)
    } else if (type === EXTENSION_SIGNATURE_ALGORITHMS && to - from >= 2) {
      hello.signatureAlgorithms = words(bytes, from + 2, from + 2 + u16(bytes, from), to)
    }
  })
  hello.isWhole = isWhole && areAll
  return hello
}

function serverHello(
  bytes: Uint8Array,
  start: number,
  end: number,
  isWhole: boolean,
): ServerHello | undefined {
  let at = start + 2 + RANDOM_LEN
  if (end <= at) return undefined
  const legacyVersion = u16(bytes, start)
  if (legacyVersion >>> 8 !== 3 && legacyVersion >>> 8 !== 0x7f) return undefined
  at += 1 + u8(bytes, at)
  if (end - at < 2) return undefined
  const hello = {
    type: 'server' as const,
    version: legacyVersion,
    cipher: u16(bytes, at),
    group: undefined as number | undefined,
    alpn: undefined as string | undefined,
    isWhole,
  }
  at += 3
  const areAll = eachExtension(bytes, at, end, (type, from, to) => {
    if (type === EXTENSION_VERSIONS && to - from >= 2) hello.version = u16(bytes, from)
    else if (type === EXTENSION_KEY_SHARE && to - from >= 2) hello.group = u16(bytes, from)
    else if (type === EXTENSION_ALPN) hello.alpn = protocols(bytes, from, to)[0]
  })
  hello.isWhole = isWhole && areAll
  return hello
}

/** Shows the extensions from their length on; returns whether they are all there. */
function eachExtension(
  bytes: Uint8Array,
  start: number,
  end: number,
  show: (type: number, from: number, to: number) => void,
): boolean {
  // A hello may end before them (RFC 5246 §7.4.1.2).
  if (start === end) return true
  if (end - start < 2) return false
  let at = start + 2
  const last = at + u16(bytes, start)
  const stop = Math.min(last, end)
  while (stop - at >= 4) {
    const from = at + 4
    const to = from + u16(bytes, at + 2)
    // One that was cut may still have a name in it.
    show(u16(bytes, at), from, Math.min(to, stop))
    at = to
  }
  return at === last && last <= end
}

/** The name of a host (RFC 6066 §3), if all of it is there. */
function serverName(bytes: Uint8Array, from: number, to: number): string | undefined {
  if (to - from < 5 || u8(bytes, from + 2) !== 0) return undefined
  const length = u16(bytes, from + 3)
  if (length === 0 || to - from < 5 + length) return undefined
  return textOf(bytes, from + 5, from + 5 + length)
}

/** Bytes, which are ASCII as a rule (RFC 7301 §3.1): a character for each. */
function protocols(bytes: Uint8Array, from: number, to: number): string[] {
  const names: string[] = []
  for (let at = from + 2; at < to; ) {
    const length = u8(bytes, at)
    if (at + 1 + length > to) break
    names.push(latin1(bytes, at + 1, at + 1 + length))
    at += 1 + length
  }
  return names
}

function words(bytes: Uint8Array, from: number, to: number, end: number): number[] {
  const values: number[] = []
  for (let at = from; at + 2 <= Math.min(to, end); at += 2) values.push(u16(bytes, at))
  return values
}

/** Values that mean nothing and keep servers from choking on new ones (RFC 8701). */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >>> 8 === (value & 0xff)
}

/** The latest version that a client offers. */
export function offeredVersion({ versions, legacyVersion }: ClientHello): number {
  const known = versions.filter((version) => !isGrease(version))
  return known.length === 0 ? legacyVersion : Math.max(...known)
}
