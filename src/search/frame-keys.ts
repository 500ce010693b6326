import { i32, u8, u16 } from '../wire/bytes.js'
import {
  ETHERNET_DESTINATION,
  ETHERNET_SOURCE,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  VLAN_TAG_LEN,
} from '../wire/ethernet.js'
import {
  IPV4_DESTINATION,
  IPV4_FLAGS_OFFSET,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../wire/ipv4.js'
import { IPV6_DESTINATION, IPV6_HEADER_LEN, IPV6_NEXT_HEADER, IPV6_SOURCE } from '../wire/ipv6.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'
import { DESTINATION_PORT, SOURCE_PORT } from '../wire/ports.js'
import { PROTOCOL_FRAGMENT } from '../wire/protocol.js'
import {
  ARP_SENDER,
  ARP_TARGET,
  hasFilteredPorts,
  isArpType,
  isTagType,
  placesOf,
  TAGS_MAX,
} from './frame-places.js'
import {
  connectionKey,
  ipv4Key,
  ipv6Key,
  KEY_MAC,
  KEY_PORT,
  KEY_PROTOCOL4,
  KEY_PROTOCOL6,
  KEY_TYPE,
  KEY_VLAN,
  key1,
  key2,
  PREFIXES4,
  PREFIXES6,
  pairKey,
} from './key.js'
import type { KeySet } from './key-filter.js'

/**
 * Puts the keys of the frame at `bytes[start, end)` into a set: every key that an expression which
 * accepts the frame can be taken to ask for. A field that the frame does not have in full has no
 * key, and accepts nothing either.
 */
export function addFrameKeys(
  bytes: Uint8Array,
  start: number,
  end: number,
  linkType: number,
  keys: KeySet,
): void {
  const places = placesOf(linkType)
  if (places === undefined) return
  if (typeof places.typeAt === 'string') {
    if (start >= end) return
    const version = u8(bytes, start) >>> 4
    const { typeAt } = places
    if (typeAt === 'ipv4' || (typeAt === 'ip' && version === 4)) addIpv4(bytes, start, end, keys)
    if (typeAt === 'ipv6' || (typeAt === 'ip' && version === 6)) addIpv6(bytes, start, end, keys)
    return
  }
  if (linkType === LINKTYPE_ETHERNET) {
    addMac(bytes, start + ETHERNET_DESTINATION, end, keys)
    addMac(bytes, start + ETHERNET_SOURCE, end, keys)
  }
  let typeAt = start + places.typeAt
  let networkAt = start + places.networkAt
  for (let tags = 0; typeAt + 2 <= end; tags++) {
    const type = u16(bytes, typeAt)
    keys.add(key1(KEY_TYPE, type))
    if (!isTagType(type) || linkType !== LINKTYPE_ETHERNET || tags === TAGS_MAX) {
      if (type === ETHERTYPE_IPV4) addIpv4(bytes, networkAt, end, keys)
      else if (type === ETHERTYPE_IPV6) addIpv6(bytes, networkAt, end, keys)
      else if (isArpType(type)) {
        addIpv4Address(bytes, networkAt + ARP_SENDER, end, keys)
        addIpv4Address(bytes, networkAt + ARP_TARGET, end, keys)
      }
      return
    }
    if (networkAt + 2 <= end) keys.add(key1(KEY_VLAN, u16(bytes, networkAt) & 0xfff))
    typeAt += VLAN_TAG_LEN
    networkAt += VLAN_TAG_LEN
  }
}

function addMac(bytes: Uint8Array, at: number, end: number, keys: KeySet): void {
  if (at + 6 <= end) keys.add(key2(KEY_MAC, u16(bytes, at), i32(bytes, at + 2)))
}

/** Answers with the key of the whole address; 0 where the frame ends before it does. */
function addIpv4Address(bytes: Uint8Array, at: number, end: number, keys: KeySet): number {
  if (at + 4 > end) return 0
  const word = i32(bytes, at)
  const whole = ipv4Key(word, PREFIXES4[0])
  keys.add(whole)
  for (let index = 1; index < PREFIXES4.length; index++) keys.add(ipv4Key(word, PREFIXES4[index]!))
  return whole
}

function addIpv6Address(bytes: Uint8Array, at: number, end: number, keys: KeySet): number {
  let whole = 0
  for (const prefix of PREFIXES6) {
    // Compared word by word, as far as the prefix goes.
    if (at + 4 * Math.ceil(prefix / 32) > end) continue
    const w1 = prefix > 32 ? i32(bytes, at + 4) : 0
    const w2 = prefix > 64 ? i32(bytes, at + 8) : 0
    const w3 = prefix > 64 ? i32(bytes, at + 12) : 0
    const key = ipv6Key(i32(bytes, at), w1, w2, w3, prefix)
    if (prefix === PREFIXES6[0]) whole = key
    keys.add(key)
  }
  return whole
}

function addIpv4(bytes: Uint8Array, at: number, end: number, keys: KeySet): void {
  const source = addIpv4Address(bytes, at + IPV4_SOURCE, end, keys)
  const destination = addIpv4Address(bytes, at + IPV4_DESTINATION, end, keys)
  const hasBoth = at + IPV4_DESTINATION + 4 <= end
  if (hasBoth) keys.add(pairKey(source, destination))
  if (at + IPV4_PROTOCOL + 1 > end) return
  const protocol = u8(bytes, at + IPV4_PROTOCOL)
  keys.add(key1(KEY_PROTOCOL4, protocol))
  if ((u16(bytes, at + IPV4_FLAGS_OFFSET) & IPV4_FRAGMENT_OFFSET_MASK) !== 0) return
  const transportAt = at + 4 * (u8(bytes, at) & 0x0f)
  addPorts(bytes, transportAt, end, protocol, hasBoth, source, destination, keys)
}

function addIpv6(bytes: Uint8Array, at: number, end: number, keys: KeySet): void {
  const source = addIpv6Address(bytes, at + IPV6_SOURCE, end, keys)
  const destination = addIpv6Address(bytes, at + IPV6_DESTINATION, end, keys)
  const hasBoth = at + IPV6_HEADER_LEN <= end
  if (hasBoth) keys.add(pairKey(source, destination))
  if (at + IPV6_NEXT_HEADER + 1 > end) return
  const protocol = u8(bytes, at + IPV6_NEXT_HEADER)
  const transportAt = at + IPV6_HEADER_LEN
  keys.add(key1(KEY_PROTOCOL6, protocol))
  if (protocol === PROTOCOL_FRAGMENT && transportAt < end) {
    keys.add(key1(KEY_PROTOCOL6, u8(bytes, transportAt)))
  }
  addPorts(bytes, transportAt, end, protocol, hasBoth, source, destination, keys)
}

function addPorts(
  bytes: Uint8Array,
  at: number,
  end: number,
  protocol: number,
  hasBoth: boolean,
  source: number,
  destination: number,
  keys: KeySet,
): void {
  if (!hasFilteredPorts(protocol) || at + SOURCE_PORT + 2 > end) return
  const sourcePort = u16(bytes, at + SOURCE_PORT)
  keys.add(key2(KEY_PORT, protocol, sourcePort))
  if (at + DESTINATION_PORT + 2 > end) return
  const destinationPort = u16(bytes, at + DESTINATION_PORT)
  keys.add(key2(KEY_PORT, protocol, destinationPort))
  if (hasBoth) keys.add(connectionKey(protocol, source, sourcePort, destination, destinationPort))
}
