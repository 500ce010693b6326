/** What servers and clients say first: SSH (RFC 4253 §4.2), SMTP (RFC 5321 §4.2). */
import { latin1 } from './text.js'

/** RFC 4253 §4.2: a line of 255 bytes at most; of SMTP 512. */
const LINE_MAX = 512

export type Banner =
  | { readonly type: 'ssh'; readonly text: string }
  | { readonly type: 'smtp'; readonly text: string }

const SSH = /^SSH-\d\.\d+-[^\n]*/
const SMTP = /^220[ -][^\n]*SMTP[^\n]*/i

/** Reads the line at `bytes[start, end)`; undefined where it is no banner, or has no end yet and more may come. */
export function parseBanner(
  bytes: Uint8Array,
  start: number,
  end: number,
  isAll: boolean,
): Banner | 'more' | undefined {
  const text = latin1(bytes, start, Math.min(end, start + LINE_MAX))
  if (!/^(?:SSH-|220[ -])/.test(text)) {
    return 'SSH-'.startsWith(text) || '220 '.startsWith(text) ? more(text, isAll) : undefined
  }
  if (!text.includes('\n') && text.length < LINE_MAX && !isAll) return 'more'
  const ssh = SSH.exec(text)
  if (ssh !== null) return { type: 'ssh', text: ssh[0].trimEnd() }
  const smtp = SMTP.exec(text)
  return smtp === null ? undefined : { type: 'smtp', text: smtp[0].trimEnd() }
}

function more(text: string, isAll: boolean): 'more' | undefined {
  return text === '' || isAll ? undefined : 'more'
}
