/**
 * How a packet lies on its way into a flow table, in a FlowQueue or a ring between threads.
 */

/** Words of a place: the key as an entry begins, then what of the packet is counted. */
export const PLACE_WORDS = 18
export const PLACE_SECONDS = 12
export const PLACE_NANOSECONDS = 13
export const PLACE_IP_LENGTH = 14
/** TCP flags in the low byte, then the bits below. */
export const PLACE_BITS = 15
/** Of TCP, where the packet has flags: nothing but later fragments and frames cut before the flags has none. */
export const PLACE_SEQUENCE = 16
export const PLACE_ACKNOWLEDGMENT = 17

/** The packet runs from B to A. */
export const PLACE_REVERSED = 0x100
/** It has a time. */
export const PLACE_TIMED = 0x200
/** From here on: A_IS_LOCAL or A_IS_REMOTE, as far as the packet tells. */
export const PLACE_END_SHIFT = 10
export const PLACE_END_MASK = 0x3 << PLACE_END_SHIFT
/** The outer source is known to be the interface's. */
export const PLACE_CONFIRMED = 0x1000

/** In KIND: the place holds no packet, only the clock. */
export const PLACE_OF_CLOCK = 0
