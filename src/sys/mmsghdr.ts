/**
 * struct mmsghdr on LP64, 64 bytes, of which recvmmsg(2) and sendmmsg(2) take an array:
 *
 *      0  name pointer          8  name length     12  (padding)
 *     16  iovec pointer        24  iovec count
 *     32  control pointer      40  control length
 *     48  flags                52  (padding)
 *     56  bytes received or sent                  60  (padding)
 *
 * struct iovec, 16 bytes: 0 pointer, 8 length.
 */
export const MESSAGE_LEN = 64
export const NAME = 0
export const NAME_LEN = 8
export const IOVEC = 16
export const IOVEC_COUNT = 24
export const CONTROL = 32
export const CONTROL_LEN = 40
export const FLAGS = 48
export const RECEIVED_LEN = 56

export const IOVEC_LEN = 16

/** The memory as words of the machine's order, which on those that libc.ts admits is little-endian. */
export function wordsOf(memory: Buffer): Uint32Array {
  return new Uint32Array(memory.buffer, memory.byteOffset, memory.length >>> 2)
}
