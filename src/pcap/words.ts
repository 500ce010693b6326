/**
 * Numbers in capture files. We write little-endian alone; files are read in
 * whichever order their first bytes announce. Callers have proved the index
 * to lie inside.
 */

export function putU16Le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

export function putU32Le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** `length` raised to a multiple of four, as pcapng pads everything. */
export function padded(length: number): number {
  return (length + 3) & ~3
}
