/**
 * What SMB 2 and 3 ([MS-SMB2]) say in clear before they encrypt, each within one segment: the share that a client
 * connects to, and of NTLM ([MS-NLMP]) who the client and the server say they are. NTLM is read of SMB 1 too.
 *
 *     NetBIOS session: 0, length (3 bytes)
 *     header: 0xFE 'SMB', size, credits, status, command @12, credits, flags @16, next, message id @24, … (64 bytes)
 */
import { u8, u16le, u32le } from '../wire/bytes.js'

export const SMB_PORT = 445
export const NETBIOS_SESSION_PORT = 139

export type SmbMessage =
  | { readonly type: 'tree'; readonly messageId: number; readonly path: string }
  | { readonly type: 'tree-reply'; readonly messageId: number; readonly share: ShareType }
  | ({ readonly type: 'challenge' } & NtlmServer)
  | ({ readonly type: 'authenticate' } & NtlmClient)

export type ShareType = 'DISK' | 'PIPE' | 'PRINT' | undefined

/** What a server calls itself. */
export interface NtlmServer {
  readonly computer: string | undefined
  readonly dnsComputer: string | undefined
  readonly dnsTree: string | undefined
}

/** What a client calls itself, and as whom it comes. */
export interface NtlmClient {
  readonly user: string | undefined
  readonly domain: string | undefined
  readonly host: string | undefined
}

const SESSION_HEADER_LEN = 4
const SMB2_HEADER_LEN = 64
const SMB1_HEADER_LEN = 32
const SMB2_MARK = 0xfe
const SMB1_MARK = 0xff
const COMMAND = 12
const FLAGS = 16
const MESSAGE_ID = 24
const IS_RESPONSE = 1
const SESSION_SETUP = 1
const TREE_CONNECT = 3
const SMB1_COMMAND = 4
const SMB1_SESSION_SETUP = 0x73
const SHARES: readonly ShareType[] = [undefined, 'DISK', 'PIPE', 'PRINT']

/** `NTLMSSP` and a zero. */
const NTLM_SIGNATURE = [0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0]
/** How far from the header it is looked for: behind the names and mechanisms of SPNEGO. */
const NTLM_WITHIN = 1024
const NTLM_CHALLENGE = 2
const NTLM_AUTHENTICATE = 3
const NTLM_UNICODE = 1
/** Of a challenge: MsvAvNbComputerName, MsvAvDnsComputerName, MsvAvDnsTreeName. */
const AV_COMPUTER = 1
const AV_DNS_COMPUTER = 3
const AV_DNS_TREE = 5
const AV_PAIRS_MAX = 16
/** Bytes of a name, and of a path. */
const TEXT_MAX = 1024

/** Reads the message at the beginning of a segment, `bytes[start, end)`; undefined where there is none that says a name. */
export function parseSmb(bytes: Uint8Array, start: number, end: number): SmbMessage | undefined {
  const at = start + SESSION_HEADER_LEN
  if (end - at < SMB1_HEADER_LEN || u8(bytes, start) !== 0) return undefined
  if (u8(bytes, at + 1) !== 0x53 || u8(bytes, at + 2) !== 0x4d || u8(bytes, at + 3) !== 0x42) {
    return undefined
  }
  if (u8(bytes, at) === SMB1_MARK) {
    if (u8(bytes, at + SMB1_COMMAND) !== SMB1_SESSION_SETUP) return undefined
    return ntlmIn(bytes, at + SMB1_HEADER_LEN, end)
  }
  const body = at + SMB2_HEADER_LEN
  if (u8(bytes, at) !== SMB2_MARK || end - body < 8) return undefined
  const command = u16le(bytes, at + COMMAND)
  if (command === SESSION_SETUP) return ntlmIn(bytes, body, end)
  if (command !== TREE_CONNECT) return undefined
  const messageId = u32le(bytes, at + MESSAGE_ID)
  if ((u32le(bytes, at + FLAGS) & IS_RESPONSE) !== 0) {
    // A refusal has another structure, of nine bytes, and no share.
    const share = u16le(bytes, body) === 16 ? SHARES[u8(bytes, body + 2)] : undefined
    return { type: 'tree-reply', messageId, share }
  }
  const path = wideText(bytes, at + u16le(bytes, body + 4), u16le(bytes, body + 6), body, end)
  return path === undefined ? undefined : { type: 'tree', messageId, path }
}

function ntlmIn(bytes: Uint8Array, start: number, end: number): SmbMessage | undefined {
  const last = Math.min(end - NTLM_SIGNATURE.length - 4, start + NTLM_WITHIN)
  for (let at = start; at <= last; at++) {
    if (u8(bytes, at) !== NTLM_SIGNATURE[0]) continue
    if (NTLM_SIGNATURE.every((octet, index) => u8(bytes, at + index) === octet)) {
      return parseNtlm(bytes, at, end)
    }
  }
  return undefined
}

/** The message of NTLM that begins at `at`. */
function parseNtlm(bytes: Uint8Array, at: number, end: number): SmbMessage | undefined {
  const type = u32le(bytes, at + 8)
  if (type === NTLM_CHALLENGE && end - at >= 48) {
    const info = pairsIn(bytes, at + u32le(bytes, at + 44), u16le(bytes, at + 40), end)
    return {
      type: 'challenge',
      computer: info.get(AV_COMPUTER),
      dnsComputer: info.get(AV_DNS_COMPUTER),
      dnsTree: info.get(AV_DNS_TREE),
    }
  }
  if (type !== NTLM_AUTHENTICATE || end - at < 64) return undefined
  const isWide = (u32le(bytes, at + 60) & NTLM_UNICODE) !== 0
  const text = (field: number): string | undefined => {
    const [from, length] = [at + u32le(bytes, at + field + 4), u16le(bytes, at + field)]
    if (isWide) return wideText(bytes, from, length, at, end)
    return length === 0 || length > TEXT_MAX || from + length > end
      ? undefined
      : Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString('latin1')
  }
  return { type: 'authenticate', domain: text(28), user: text(36), host: text(44) }
}

/** Names by their number, from pairs of number, length and text. */
function pairsIn(
  bytes: Uint8Array,
  from: number,
  length: number,
  end: number,
): Map<number, string> {
  const pairs = new Map<number, string>()
  const last = Math.min(from + length, end)
  let at = from
  for (let count = 0; count < AV_PAIRS_MAX && at + 4 <= last; count++) {
    const [id, size] = [u16le(bytes, at), u16le(bytes, at + 2)]
    if (id === 0) break
    const text = wideText(bytes, at + 4, size, at, last)
    if (text !== undefined && !pairs.has(id)) pairs.set(id, text)
    at += 4 + size
  }
  return pairs
}

/** UTF-16 as Windows writes it; undefined where it is empty or not all there. */
function wideText(
  bytes: Uint8Array,
  from: number,
  length: number,
  notBefore: number,
  end: number,
): string | undefined {
  if (length < 2 || length > TEXT_MAX || from < notBefore || from + length > end) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, length & ~1).toString('utf16le')
}
