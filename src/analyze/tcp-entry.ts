/**
 * What is kept of a TCP connection beside its entry in the flow table, at the
 * same index: a cache line for each, half of it for each direction, and what
 * only connections with gaps or retransmissions touch.
 *
 * A direction is that of the flow table: 0 is A to B. Words are signed, so that
 * V8 keeps them as small integers; sequence numbers are compared modulo 2^32
 * (RFC 9293 §3.4).
 */

/** Words of one direction; an entry has two of them. */
export const DIRECTION_WORDS = 8
/** The sequence number that comes next: after the highest seen. */
export const NEXT = 0
/** The highest acknowledgment that the other side has sent. */
export const ACKED = 1
/** What follows as bits; the window of the latest segment in the upper half. */
export const STATE = 2
export const WINDOW_SHIFT = 16
/** When NEXT last moved. */
export const MOVED_SECONDS = 3
export const MOVED_NANOSECONDS = 4
/** Of the SYN, where one was seen; else one less than the lowest number that was, which is the SYN's if nothing was lost. */
export const FIRST_SEQUENCE = 5
/** Round trip of the handshake in nanoseconds, 0 while it is not known; the same in both directions. */
export const ROUND_TRIP = 6
/** NEXT of the connection that had these ports before, where there was one. */
export const FORMER_NEXT = 7

/** Anything but RST has been seen of this direction. */
export const BEGUN = 0x01
export const SYN_SEEN = 0x02
/** It came twice: an answer may be to either. */
export const SYN_REPEATED = 0x04
/** NEXT last moved by the SYN. */
export const SYN_IS_LAST = 0x08
/** ACKED holds. */
export const ACK_SEEN = 0x10
export const RST_SEEN = 0x20
/** The byte at NEXT was sent into a closed window, to see whether it has opened. */
export const PROBED = 0x40
/** Of the side that connects: its handshake is over. */
export const CONNECTED = 0x80
/** Its SYN had ACK: of the side that was connected to. */
export const IS_ANSWER = 0x1000
/** Went on after its SYN: it was answered, whether that was seen or not. */
export const WENT_ON = 0x2000
/** FORMER_NEXT holds. */
export const HAS_FORMER = 0x4000
/** Of both directions: that connection was reset. */
export const FORMER_RESET = 0x8000
/** Gaps open in this direction. */
export const GAPS_SHIFT = 8
export const GAPS_MASK = 0xf << GAPS_SHIFT

/** Gaps remembered for a direction; when one more opens, the first of them counts as never filled. */
export const GAPS_MAX = 8

/** Words of one direction in the second array. */
export const TROUBLE_WORDS = 20
/** Two words a gap: its first sequence number and the one after its last. */
export const GAPS = 0
export const RETRANSMITTED = 16
export const OUT_OF_ORDER = 17
/** Bytes in gaps that can no longer be filled, as Float64. */
export const MISSING = 18 / 2
