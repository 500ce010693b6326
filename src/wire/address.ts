/**
 * Addresses as words and as text.
 *
 * An IPv4 address is one unsigned 32-bit word, an IPv6 address four of them,
 * high to low. Where both kinds share a field, an IPv4 address is
 * ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). A MAC address is one 48-bit whole number.
 *
 * The parsers are for options and requests, never for packets: they answer
 * undefined for text that is not such an address, and take no zone (`%eth0`).
 */

/** The third word of an IPv4 address in IPv6 form; the first two are zero. */
export const MAPPED_WORD = 0xffff

/** `10.0.0.1` for a word. */
export function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`
}

/**
 * Four words in the form of RFC 5952: lower case, no leading zeros, the first
 * longest run of two or more zero groups as `::`, and mapped IPv4 dotted (§5).
 */
export function formatIpv6(word0: number, word1: number, word2: number, word3: number): string {
  if (word0 === 0 && word1 === 0 && word2 === MAPPED_WORD) return `::ffff:${formatIpv4(word3)}`

  const groups = [word0, word1, word2, word3].flatMap((word) => [word >>> 16, word & 0xffff])
  let runAt = 0
  let runLen = 1
  for (let at = 0; at < groups.length; ) {
    let past = at
    while (groups[past] === 0) past++
    if (past - at > runLen) {
      runAt = at
      runLen = past - at
    }
    at = past + 1
  }
  const hex = groups.map((group) => group.toString(16))
  if (runLen === 1) return hex.join(':')
  return `${hex.slice(0, runAt).join(':')}::${hex.slice(runAt + runLen).join(':')}`
}

/** Four words as the address they stand for: dotted when they are an IPv4 address in IPv6 form. */
export function formatAddress(word0: number, word1: number, word2: number, word3: number): string {
  const mapped = word0 === 0 && word1 === 0 && word2 === MAPPED_WORD
  return mapped ? formatIpv4(word3) : formatIpv6(word0, word1, word2, word3)
}

/** The address of an IP packet of this version, IPv4 in word 0. */
export function formatWords(version: number, words: ArrayLike<number>): string {
  return version === 4
    ? formatIpv4(words[0]!)
    : formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}

/** `02:85:69:c2:ab:02` for a 48-bit number. */
export function formatMac(mac: number): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:')
}

/** Four decimal bytes without leading zeros, which some readers would take for octal. */
export function parseIpv4(text: string): number | undefined {
  const octets = text.split('.')
  if (octets.length !== 4) return undefined
  let word = 0
  for (const octet of octets) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(octet) || Number(octet) > 255) return undefined
    word = word * 256 + Number(octet)
  }
  return word
}

/** The text forms of RFC 4291 §2.2, into four words. */
export function parseIpv6(text: string): Uint32Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const given = head.length + tail.length
  // `::` stands for at least one group.
  if (halves.length === 1 ? given !== 8 : given > 7) return undefined

  const groups = [...head, ...new Array<number>(8 - given).fill(0), ...tail]
  const words = new Uint32Array(4)
  for (let word = 0; word < 4; word++) {
    words[word] = groups[2 * word]! * 0x1_0000 + groups[2 * word + 1]!
  }
  return words
}

/** Colon-separated groups of 16 bits; `last` allows a dotted IPv4 address to end them. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (last && index === parts.length - 1 && part.includes('.')) {
      const word = parseIpv4(part)
      if (word === undefined) return undefined
      groups.push(word >>> 16, word & 0xffff)
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined
      groups.push(Number.parseInt(part, 16))
    }
  }
  return groups
}

/** An address of either kind, IPv4 in IPv6 form. */
export function parseAddress(text: string): Uint32Array | undefined {
  const word = parseIpv4(text)
  return word === undefined ? parseIpv6(text) : Uint32Array.of(0, 0, MAPPED_WORD, word)
}

/** Six pairs of hexadecimal digits with colons or hyphens between them. */
export function parseMac(text: string): number | undefined {
  if (!/^[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/i.test(text)) return undefined
  return Number.parseInt(text.replace(/[:-]/g, ''), 16)
}

/** A block of addresses. */
export interface Cidr {
  /** How it was written. `::ffff:10.0.0.0/104` is 6 and yet holds IPv4 addresses in IPv6 form. */
  readonly version: 4 | 6
  /** The first address, four words, IPv4 in IPv6 form; bits after the prefix are zero. */
  readonly first: Uint32Array
  /** As written: at most 32 for version 4, 128 for version 6. */
  readonly prefixLength: number
  /** Four words: which bits of an address must equal those of `first`. */
  readonly mask: Uint32Array
}

/**
 * `10.0.0.0/8`, `2001:db8::/32`, or an address alone for a block of one. Bits
 * after the prefix are cleared, as EC2 does with the blocks it is given.
 */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text)
  const first = match === null ? undefined : parseAddress(match[1]!)
  if (match === null || first === undefined) return undefined
  const version = match[1]!.includes(':') ? 6 : 4
  const width = version === 4 ? 32 : 128
  const prefixLength = match[2] === undefined ? width : Number(match[2])
  if (prefixLength > width) return undefined

  const mask = prefixMask(prefixLength + 128 - width)
  for (let word = 0; word < 4; word++) first[word]! &= mask[word]!
  return { version, first, prefixLength, mask }
}

function prefixMask(bits: number): Uint32Array {
  const mask = new Uint32Array(4)
  for (let word = 0; word < 4; word++) {
    const ones = Math.min(32, Math.max(0, bits - 32 * word))
    // A shift by 32 would be one by 0.
    mask[word] = ones === 0 ? 0 : -1 << (32 - ones)
  }
  return mask
}

/**
 * Whether the block holds the address of these four words, IPv4 in IPv6 form.
 * `::/0` holds every IPv4 address too: where the kinds must be told apart, look
 * at `version` first.
 */
export function cidrContains(
  cidr: Cidr,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): boolean {
  const { first, mask } = cidr
  return (
    ((word0 ^ first[0]!) & mask[0]!) === 0 &&
    ((word1 ^ first[1]!) & mask[1]!) === 0 &&
    ((word2 ^ first[2]!) & mask[2]!) === 0 &&
    ((word3 ^ first[3]!) & mask[3]!) === 0
  )
}

/** The block as `parseCidr` takes it, always with its prefix length. */
export function formatCidr(cidr: Cidr): string {
  const [word0, word1, word2, word3] = cidr.first as unknown as [number, number, number, number]
  const format = cidr.version === 4 ? formatAddress : formatIpv6
  return `${format(word0, word1, word2, word3)}/${cidr.prefixLength}`
}
