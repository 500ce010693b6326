import type { Libc } from './libc.js'

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

/** How the memory of a slot is laid out. */
export interface SlotLayout {
  readonly slots: number
  /** From one payload to the next, the room in front of each, and the most bytes of one. */
  readonly stride: number
  readonly headroom: number
  readonly slotBytes: number
  /** From one source address to the next, the length of each, and where its control message lies. */
  readonly originLen: number
  readonly nameLen: number
  readonly controlAt: number
  readonly controlLen: number
}

/** Memory that recvmmsg(2) fills. The headers point into the other parts, which must live as long. */
export interface SlotMemory {
  readonly messages: Buffer
  readonly arena: Buffer
  readonly iovecs: Buffer
  readonly origins: Buffer
}

export function allocateSlots(libc: Libc, layout: SlotLayout): SlotMemory {
  const { slots, stride, originLen } = layout
  const arena = Buffer.alloc(slots * stride)
  const messages = Buffer.alloc(slots * MESSAGE_LEN)
  const iovecs = Buffer.alloc(slots * IOVEC_LEN)
  const origins = Buffer.alloc(slots * originLen)
  const payload = libc.addressOf(arena) + BigInt(layout.headroom)
  for (let slot = 0; slot < slots; slot++) {
    const iovec = slot * IOVEC_LEN
    iovecs.writeBigUInt64LE(payload + BigInt(slot * stride), iovec)
    iovecs.writeBigUInt64LE(BigInt(layout.slotBytes), iovec + 8)

    const message = slot * MESSAGE_LEN
    const origin = libc.addressOf(origins) + BigInt(slot * originLen)
    messages.writeBigUInt64LE(origin, message + NAME)
    messages.writeUInt32LE(layout.nameLen, message + NAME_LEN)
    messages.writeBigUInt64LE(libc.addressOf(iovecs) + BigInt(iovec), message + IOVEC)
    messages.writeBigUInt64LE(1n, message + IOVEC_COUNT)
    messages.writeBigUInt64LE(origin + BigInt(layout.controlAt), message + CONTROL)
    messages.writeUInt32LE(layout.controlLen, message + CONTROL_LEN)
  }
  return { messages, arena, iovecs, origins }
}
