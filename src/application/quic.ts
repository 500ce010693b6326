/**
 * Initial packets of QUIC (RFC 9000 §17.2.2, RFC 9369 of version 2): their keys follow from the
 * connection id that the client chose (RFC 9001 §5.2), so that whoever sees them can read them.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { u8, u16, u32 } from '../wire/bytes.js'

export const QUIC_VERSION_1 = 0x0000_0001
export const QUIC_VERSION_2 = 0x6b33_43cf
/** Of the drafts of version 1, their numbers added. */
const QUIC_DRAFTS = 0xff00_0000

const LONG_HEADER = 0xc0
const CONNECTION_ID_MAX = 20
const SAMPLE_LEN = 16
const TAG_LEN = 16

interface Version {
  readonly salt: Buffer
  readonly initial: number
  readonly label: 'quic' | 'quicv2'
}

const SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
const SALT_OF_DRAFTS = Buffer.from('afbfec289993d24c9e9786f19c6111e04390a899', 'hex')
const SALT_2 = Buffer.from('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'hex')

const VERSIONS: ReadonlyMap<number, Version> = new Map([
  [QUIC_VERSION_1, { salt: SALT, initial: 0, label: 'quic' }],
  [QUIC_VERSION_2, { salt: SALT_2, initial: 1, label: 'quicv2' }],
  ...[29, 30, 31, 32, 33, 34].map((draft): [number, Version] => [
    QUIC_DRAFTS + draft,
    { salt: draft < 33 ? SALT_OF_DRAFTS : SALT, initial: 0, label: 'quic' },
  ]),
])

/** As in quic.log of Zeek. */
export function quicVersionName(version: number): string {
  if (version === QUIC_VERSION_1) return '1'
  if (version === QUIC_VERSION_2) return 'quicv2'
  if (version >>> 8 === QUIC_DRAFTS >>> 8) return `draft-${version & 0xff}`
  return `unknown-${version.toString(16)}`
}

/** Where the parts of an Initial packet are. */
export interface InitialHeader {
  readonly version: number
  readonly destinationId: Uint8Array
  readonly sourceId: Uint8Array
  readonly start: number
  readonly packetNumberAt: number
  /** Of the packet, by its own length; it may have been cut before. */
  readonly end: number
}

/** Whether a datagram begins as an Initial packet of a version that is known. */
export function looksLikeInitial(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 7 || (u8(bytes, start) & LONG_HEADER) !== LONG_HEADER) return false
  const version = VERSIONS.get(u32(bytes, start + 1))
  return version !== undefined && ((u8(bytes, start) >>> 4) & 3) === version.initial
}

/** Undefined where it is none. */
export function parseInitial(
  bytes: Uint8Array,
  start: number,
  end: number,
): InitialHeader | undefined {
  if (!looksLikeInitial(bytes, start, end)) return undefined
  let at = start + 5
  const connectionId = (): Uint8Array | undefined => {
    if (at >= end) return undefined
    const length = u8(bytes, at)
    if (length > CONNECTION_ID_MAX || end - at - 1 < length) return undefined
    at += 1 + length
    return bytes.slice(at - length, at)
  }
  const destinationId = connectionId()
  const sourceId = destinationId && connectionId()
  if (destinationId === undefined || sourceId === undefined) return undefined
  const token = variable(bytes, at, end)
  if (token === undefined) return undefined
  const length = variable(bytes, token.next + token.value, end)
  if (length === undefined) return undefined
  return {
    version: u32(bytes, start + 1),
    destinationId,
    sourceId,
    start,
    packetNumberAt: length.next,
    end: length.next + length.value,
  }
}

/** What the packets of a client are protected with. */
export interface InitialKeys {
  readonly key: Buffer
  readonly iv: Buffer
  readonly headerProtection: Buffer
}

/** The keys of the client for the connection id that it chose first; undefined for versions not known. */
export function clientInitialKeys(
  version: number,
  destinationId: Uint8Array,
): InitialKeys | undefined {
  const known = VERSIONS.get(version)
  if (known === undefined) return undefined
  const secret = createHmac('sha256', known.salt).update(destinationId).digest()
  const client = expand(secret, 'client in', 32)
  return {
    key: expand(client, `${known.label} key`, 16),
    iv: expand(client, `${known.label} iv`, 12),
    headerProtection: expand(client, `${known.label} hp`, 16),
  }
}

/** HKDF-Expand-Label (RFC 8446 §7.1) of up to one block, without context. */
function expand(secret: Buffer, label: string, length: number): Buffer {
  const full = `tls13 ${label}`
  const info = Buffer.concat([
    Buffer.of(length >>> 8, length & 0xff, full.length),
    Buffer.from(full),
    Buffer.of(0, 1),
  ])
  return createHmac('sha256', secret).update(info).digest().subarray(0, length)
}

/**
 * The frames in an Initial packet. One that was cut is read as far as it goes, without knowing that
 * the keys are right; of a whole one undefined where they are not.
 */
export function decryptInitial(
  bytes: Uint8Array,
  header: InitialHeader,
  end: number,
  keys: InitialKeys,
): Uint8Array | undefined {
  const at = header.packetNumberAt
  const isWhole = header.end <= end
  const last = isWhole ? header.end : end
  if (last - at < 4 + SAMPLE_LEN) return undefined
  const cipher = createCipheriv('aes-128-ecb', keys.headerProtection, null)
  cipher.setAutoPadding(false)
  const mask = cipher.update(bytes.subarray(at + 4, at + 4 + SAMPLE_LEN))
  const plain = Buffer.from(bytes.subarray(header.start, last))
  plain[0]! ^= mask[0]! & 0x0f
  const numberLength = (plain[0]! & 3) + 1
  const numberAt = at - header.start
  const nonce = Buffer.from(keys.iv)
  for (let octet = 0; octet < numberLength; octet++) {
    plain[numberAt + octet]! ^= mask[1 + octet]!
    nonce[12 - numberLength + octet]! ^= plain[numberAt + octet]!
  }
  const from = numberAt + numberLength
  if (!isWhole) {
    // What GCM does but for its tag, which was cut off.
    const counter = Buffer.concat([nonce, Buffer.of(0, 0, 0, 2)])
    return createDecipheriv('aes-128-ctr', keys.key, counter).update(plain.subarray(from))
  }
  if (plain.length - from < TAG_LEN) return undefined
  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce)
  decipher.setAAD(plain.subarray(0, from))
  decipher.setAuthTag(plain.subarray(plain.length - TAG_LEN))
  const frames = decipher.update(plain.subarray(from, plain.length - TAG_LEN))
  try {
    decipher.final()
    return frames
  } catch {
    // The only way that node:crypto says that a tag is wrong.
    return undefined
  }
}

const FRAME_PADDING = 0x00
const FRAME_PING = 0x01
const FRAME_ACK = 0x02
const FRAME_ACK_ECN = 0x03
const FRAME_CRYPTO = 0x06

/**
 * Shows the pieces of the handshake (RFC 9000 §19.6). Returns whether frames of an Initial packet are
 * all there is, up to the end.
 */
export function eachCryptoFrame(
  frames: Uint8Array,
  show: (offset: number, start: number, end: number) => void,
): boolean {
  const end = frames.length
  let at = 0
  const number = (): number | undefined => {
    const read = variable(frames, at, end)
    if (read !== undefined) at = read.next
    return read?.value
  }
  while (at < end) {
    const type = u8(frames, at++)
    if (type === FRAME_PADDING || type === FRAME_PING) continue
    if (type === FRAME_CRYPTO) {
      const offset = number()
      const length = number()
      if (offset === undefined || length === undefined) return false
      show(offset, at, Math.min(at + length, end))
      at += length
    } else if (type === FRAME_ACK || type === FRAME_ACK_ECN) {
      number()
      number()
      const ranges = number()
      number()
      const numbers = (ranges ?? 0) * 2 + (type === FRAME_ACK_ECN ? 3 : 0)
      for (let count = 0; count < numbers; count++) if (number() === undefined) return false
    } else {
      return false
    }
  }
  return at === end
}

/** A number of variable length (RFC 9000 §16). */
function variable(
  bytes: Uint8Array,
  at: number,
  end: number,
): { value: number; next: number } | undefined {
  if (at >= end) return undefined
  const length = 1 << (u8(bytes, at) >>> 6)
  if (end - at < length) return undefined
  const first = u8(bytes, at) & 0x3f
  const next = at + length
  if (length === 1) return { value: first, next }
  if (length === 2) return { value: u16(bytes, at) & 0x3fff, next }
  if (length === 4) return { value: u32(bytes, at) & 0x3fff_ffff, next }
  return { value: (u32(bytes, at) & 0x3fff_ffff) * 2 ** 32 + u32(bytes, at + 4), next }
}
