/**
 * NetBIOS name service (RFC 1002 §4.2): the format of DNS, with names of other hosts. The 16 bytes
 * of one, padded with spaces and with its kind last, stand as two letters each in the first label.
 */
import { type DnsMessage, parseDns } from './dns.js'

export const NETBIOS_NAME_PORT = 137

/** Letters after P encode nothing, and are read as if they did, as other programs do. */
const ENCODED = /^([a-z]{32})(\.|$)/
const A = 0x61

/** Reads the message at `bytes[start, end)`, with names as hosts have them; undefined where it is none. */
export function parseNetbiosName(
  bytes: Uint8Array,
  start: number,
  end: number,
): DnsMessage | undefined {
  const message = parseDns(bytes, start, end, true)
  if (message === undefined) return undefined
  const named = <Row extends { readonly name: string }>(rows: readonly Row[]): Row[] =>
    rows.map((row) => ({ ...row, name: decoded(row.name) }))
  return {
    ...message,
    questions: named(message.questions),
    answers: named(message.answers),
    additional: named(message.additional),
  }
}

/** `WORKSTATION`; what does not look encoded stays as it is. */
function decoded(name: string): string {
  const encoded = ENCODED.exec(name)?.[1]
  if (encoded === undefined) return name
  const bytes = Array.from(
    { length: 16 },
    (_, at) =>
      (((encoded.charCodeAt(2 * at) - A) << 4) | (encoded.charCodeAt(2 * at + 1) - A)) & 0xff,
  )
  // The last says what kind of name it is.
  const text = String.fromCharCode(...bytes.slice(0, -1))
    .replace(/\0.*$/s, '')
    .trimEnd()
  return text + name.slice(encoded.length)
}
