import { isUtf8 } from 'node:buffer'

/** Text as it came: UTF-8 where it is that, else a character for each byte. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
  return isUtf8(text) ? text.toString('utf8') : text.toString('latin1')
}

/** A character for each byte. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
}
