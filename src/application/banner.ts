/** What servers and clients say first: SSH (RFC 4253 §4.2), SMTP (RFC 5321 §4.1.1.1 and §4.2). */
import { latin1 } from './text.js'

/** RFC 4253 §4.2: a line of 255 bytes at most; of SMTP 512. */
const LINE_MAX = 512

export type Banner =
  | { readonly type: 'ssh'; readonly text: string }
  | { readonly type: 'smtp'; readonly text: string }
  /** What a client of SMTP calls itself. */
  | { readonly type: 'helo'; readonly text: string }

const SSH = /^SSH-\d\.\d+-[^\n]*/
const SMTP = /^220[ -][^\n]*SMTP[^\n]*/i
/** Relays and submission. On other ports `220` is a greeting of FTP too. */
const SMTP_PORTS = new Set([25, 587])
const GREETING = /^220[ -][^\n]*/
const HELO = /^(?:EHLO|HELO) +([^\s]+)/i
const BEGINNINGS = ['SSH-', '220 ', 'EHLO ', 'HELO ']
const BEGINNING = /^(?:SSH-|220[ -]|EHLO |HELO )/i

/** Whether it begins as a client of SMTP does, and not with a method of HTTP. */
export function looksLikeHelo(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start >= 5 && /^(?:EHLO|HELO) $/i.test(latin1(bytes, start, start + 5))
}

/** Reads the line at `bytes[start, end)`, which came from `port`; undefined where it is no banner, or has no end yet and more may come. */
export function parseBanner(
  bytes: Uint8Array,
  start: number,
  end: number,
  isAll: boolean,
  port: number,
): Banner | 'more' | undefined {
  const text = latin1(bytes, start, Math.min(end, start + LINE_MAX))
  if (!BEGINNING.test(text)) {
    const mayBegin = BEGINNINGS.some((beginning) => beginning.startsWith(text.toUpperCase()))
    return mayBegin ? more(text, isAll) : undefined
  }
  if (!text.includes('\n') && text.length < LINE_MAX && !isAll) return 'more'
  const ssh = SSH.exec(text)
  if (ssh !== null) return { type: 'ssh', text: ssh[0].trimEnd() }
  const helo = HELO.exec(text)
  if (helo !== null) return { type: 'helo', text: helo[1]! }
  const smtp = (SMTP_PORTS.has(port) ? GREETING : SMTP).exec(text)
  return smtp === null ? undefined : { type: 'smtp', text: smtp[0].trimEnd() }
}

/** Which version both sides speak: 2 where each has it, which `SSH-1.99` says too (RFC 4253 §5.1); of one side it is not known. */
export function sshVersion(
  client: string | undefined,
  server: string | undefined,
): number | undefined {
  if (client === undefined || server === undefined) return undefined
  return [client, server].every((text) => /^SSH-(?:2|1\.99)/.test(text)) ? 2 : 1
}

function more(text: string, isAll: boolean): 'more' | undefined {
  return text === '' || isAll ? undefined : 'more'
}
