/**
 * What the blocks of a pcapng file (draft-ietf-opsawg-pcapng) are made of: the
 * constants that reading and writing share.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   0 |                          Block type                           |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   4 |                      Block total length                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   8 /           Block body, padded to a multiple of 4               /
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                      Block total length                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

export const BLOCK_SECTION_HEADER = 0x0a0d0d0a
export const BLOCK_INTERFACE = 1
/** The obsolete Packet Block (draft, appendix). */
export const BLOCK_PACKET = 2
export const BLOCK_SIMPLE_PACKET = 3
export const BLOCK_NAMES = 4
export const BLOCK_STATISTICS = 5
export const BLOCK_ENHANCED_PACKET = 6

/** Type and length before the body. */
export const BLOCK_HEAD_LEN = 8
/** The length once more after it. */
export const BLOCK_TAIL_LEN = 4

/** Section header: where things are, from the start of the block. */
export const SHB_BYTE_ORDER = 8
export const SHB_MAJOR = 12
export const SHB_MINOR = 14
export const SHB_SECTION_LENGTH = 16
export const SHB_OPTIONS = 24
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d

/** Interface description. */
export const IDB_LINK_TYPE = 8
export const IDB_SNAPLEN = 12
export const IDB_OPTIONS = 16

/** Enhanced packet. */
export const EPB_INTERFACE = 8
export const EPB_TIME_HIGH = 12
export const EPB_TIME_LOW = 16
export const EPB_CAPTURED = 20
export const EPB_ORIGINAL = 24
export const EPB_FRAME = 28

/** Obsolete packet block: a 16-bit interface and a drop count, then as the enhanced one. */
export const PB_INTERFACE = 8

/** Simple packet. */
export const SPB_ORIGINAL = 8
export const SPB_FRAME = 12

/** Interface statistics. */
export const ISB_INTERFACE = 8
export const ISB_TIME_HIGH = 12
export const ISB_TIME_LOW = 16
export const ISB_OPTIONS = 20

/** Code and length of one option. */
export const OPTION_HEAD_LEN = 4
export const OPTION_END = 0
export const OPTION_COMMENT = 1
export const OPTION_USER_APPLICATION = 4
export const OPTION_IF_NAME = 2
export const OPTION_IF_TSRESOL = 9
export const OPTION_IF_TSOFFSET = 14
export const OPTION_ISB_START = 2
export const OPTION_ISB_END = 3
export const OPTION_ISB_RECEIVED = 4
export const OPTION_ISB_DROPPED = 5
