import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'

/**
 * What becomes of the frame at `bytes[start, end)`, from some test on: wanted or not.
 * A test holds what follows it and calls it last, so that a frame that ends before
 * what is tested needs no third answer on the way back: it is not wanted.
 */
export type Decision = (bytes: Uint8Array, start: number, end: number) => boolean

/** Takes a number from a frame; -1 where the frame does not have it. */
export type Reader = (bytes: Uint8Array, start: number, end: number) => number

export const NOT_THERE = -1

/** What a filter may ask of the session of a packet. */
export interface FilterSubject {
  /** null for packets that were not mirrored. */
  readonly vni: number | null
  readonly name: string | null
  /** Its packets come from a file that holds them unwrapped, with the length they had. */
  readonly isFiled?: boolean
}

/** The packet that is being decided on, for what its bytes do not tell. */
export interface Present {
  packet: Packet
  frame: Frame
  subject: FilterSubject
}

/**
 * Bytes on the wire, as a capture file says them: what a mirrored packet had before
 * the session cut it, as far as its IP header tells.
 */
export function lengthOf({ packet, frame, subject }: Present): number {
  return subject.vni === null || subject.isFiled ? packet.originalLength : frame.wireLength()
}
