/**
 * What a frame is found by, as 32-bit hashes. Two that are the same by chance have a block read in
 * vain, and nothing else. The hash has no seed: whoever chooses addresses so that many collide makes
 * searches slower, never wrong.
 */

/** The kinds of keys; part of the hash, and of the format of index files. */
export const KEY_TYPE = 1
export const KEY_VLAN = 2
export const KEY_MAC = 3
export const KEY_IPV4 = 4
export const KEY_IPV6 = 5
/** A protocol of IPv4, and of IPv6. */
export const KEY_PROTOCOL4 = 6
export const KEY_PROTOCOL6 = 7
/** A port of a protocol, source or destination. */
export const KEY_PORT = 8
/** Both addresses, whichever is the source. */
export const KEY_PAIR = 9
/** Both addresses with their ports, whichever is the source. */
export const KEY_CONNECTION = 10
export const KEY_VNI = 11

/** Lengths of the prefixes that each address is also kept by, the longest first. */
export const PREFIXES4 = [32, 24, 16] as const
export const PREFIXES6 = [128, 64, 48, 32] as const

function mixed(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  const h = hash ^ k
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

/** Spreads a change of any bit over all of them (MurmurHash3). */
export function spread(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

export function key1(kind: number, value: number): number {
  return spread(mixed(kind, value))
}

export function key2(kind: number, first: number, second: number): number {
  return spread(mixed(mixed(kind, first), second))
}

/** An IPv4 network; bits beyond the prefix are left out. */
export function ipv4Key(word: number, prefix: number): number {
  return key2(KEY_IPV4, prefix, word & prefixMask(prefix))
}

/** An IPv6 network, by the words of its address; those beyond the prefix are not looked at. */
export function ipv6Key(w0: number, w1: number, w2: number, w3: number, prefix: number): number {
  let hash = mixed(mixed(KEY_IPV6, prefix), w0)
  if (prefix > 32) hash = mixed(hash, w1 & prefixMask(prefix - 32))
  if (prefix > 64) hash = mixed(mixed(hash, w2), w3)
  return spread(hash)
}

/** Keys of two addresses, each by its own key, in either order. */
export function pairKey(one: number, other: number): number {
  return one < other ? key2(KEY_PAIR, one, other) : key2(KEY_PAIR, other, one)
}

/** The ends of a connection, each by the key of its address, in either order. */
export function connectionKey(
  protocol: number,
  one: number,
  onePort: number,
  other: number,
  otherPort: number,
): number {
  const first = key2(protocol, one, onePort)
  const second = key2(protocol, other, otherPort)
  const kind = mixed(KEY_CONNECTION, protocol)
  return first < second ? key2(kind, first, second) : key2(kind, second, first)
}

/** The leading bits of a word: 0 to 32 of them. */
function prefixMask(bits: number): number {
  if (bits >= 32) return -1
  return bits <= 0 ? 0 : -1 << (32 - bits)
}
