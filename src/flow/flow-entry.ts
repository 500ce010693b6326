/**
 * One entry of the flow table: a connection, that is a pair of endpoints A and B
 * of one session and what each sent to the other.
 *
 * Entries lie in two arrays. The hot one takes two cache lines, all that a packet
 * touches; the cold one is read when a record is written. Columns (one array a
 * field) were tried first: see flow-table.ts for the measurement.
 *
 * Direction 0 is A to B, direction 1 is B to A. A is the endpoint with the lower
 * address, then the lower port, so both directions find the same entry.
 */

/** glibc hands out large blocks 16 bytes after the start of a page: this far on a cache line begins. */
export const ALIGNMENT = 48

/** 32-bit words of a hot entry; Float64 fields are at half their index in the Float64 view. */
export const HOT_WORDS = 32
export const HASH = 0
/** Index of the session. */
export const SESSION = 1
/** Where sessions come from capture files their indices are below this, more than any mirror target sees. */
export const SESSION_INDICES = 65_537
/** Protocol in the low byte, IP version in the second. */
export const KIND = 2
/** KIND is at least this where the addresses are IPv6. */
export const KIND_IPV6 = 0x600
/** Port of A in the upper half, of B in the lower. */
export const PORTS = 3
/** IPv4 addresses use the first word of each address only; the rest is 0. */
export const ADDRESS_A = 4
export const ADDRESS_B = 5
/** Words 1 to 3 of an IPv6 address. */
export const ADDRESS_A_REST = 6
export const ADDRESS_B_REST = 9
/** The flow is idle once packet time, in whole seconds, is past this. */
export const DEADLINE = 12
/** Aggregation window of the packets not yet reported: seconds since the epoch at which it ends. */
export const WINDOW_END = 13
/** Life-cycle bits, see flow-state.ts. */
export const STATE = 14
/** Four bytes, lowest first: flags in this window of direction 0 and 1, flags ever of direction 0 and 1. */
export const FLAGS = 15
/** Packets and bytes of a direction since the flow began, Float64: exact to 2^53. */
export const PACKETS_0 = 16 / 2
export const BYTES_0 = 18 / 2
export const PACKETS_1 = 20 / 2
export const BYTES_1 = 22 / 2
/** Time of the latest packet of a direction. */
export const LAST_SECONDS_0 = 24
export const LAST_NANOSECONDS_0 = 25
export const LAST_SECONDS_1 = 26
export const LAST_NANOSECONDS_1 = 27
/** First second in the window, as an offset from the window's start plus one; 0: no packet yet. Direction 0 in the upper half. */
export const WINDOW_FIRST = 28
/** Links the free entries. */
export const NEXT_FREE = 29
/** The next older flow of the session, and the next younger. */
export const PREVIOUS_IN_SESSION = 30
export const NEXT_IN_SESSION = 31

/** 32-bit words of a cold entry: a cache line, two of them unused, so that none lies across two. */
export const COLD_WORDS = 16
/** What earlier records have already reported, Float64. */
export const REPORTED_PACKETS_0 = 0 / 2
export const REPORTED_BYTES_0 = 2 / 2
export const REPORTED_PACKETS_1 = 4 / 2
export const REPORTED_BYTES_1 = 6 / 2
/**
 * Time of the earliest packet of a direction, meaningful once it has packets: seconds,
 * nanoseconds, and the same of the other direction.
 */
export const FIRST_SECONDS_0 = 8
/**
 * TCP: the number of the first byte of a side's stream, as far as is known, see tcp-numbers.ts;
 * the other side's is the next word.
 */
export const FIRST_NUMBER_0 = 12

/** A time that does not come. */
export const NEVER = 0xffff_ffff

/** Ends every list. The largest number that V8 keeps unboxed in a field. */
export const NO_ENTRY = 0x7fff_ffff
