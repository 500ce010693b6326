import { OperatorError } from '../errors.js'
import type { Condition, Field } from '../filter/condition.js'
import { conditionOf } from '../filter/conditions.js'
import type { Expression } from '../filter/expression.js'
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

/**
 * A frame that is accepted fulfils one of them: it has all `keys`, is of that VNI and session where
 * they are given, and fulfils one of each of `also`. Without any of these a term excludes nothing.
 */
export interface Term {
  readonly keys: readonly number[]
  readonly vni: number | undefined
  readonly session: string | undefined
  readonly also: readonly (readonly Term[])[]
}

/** Terms made by multiplying out; what would make more is kept as a condition of its own. */
const PRODUCT_MAX = 256
/** An expression with more alternatives than this excludes nothing. */
const TERMS_MAX = 4096

const ALL_BITS = 0xffff_ffff

type Fact =
  | { readonly kind: 'field'; readonly field: Field; readonly mask: number; readonly value: number }
  /** The fragment offset there is zero. */
  | { readonly kind: 'first'; readonly at: number }
  | { readonly kind: 'vni'; readonly vni: number }
  | { readonly kind: 'session'; readonly name: string }

/** What must be true of a frame together, as far as it can be told. */
interface Facts {
  readonly facts: readonly Fact[]
  readonly also: readonly (readonly Facts[])[]
}

const NOTHING_KNOWN: Facts = { facts: [], also: [] }

/**
 * What frames of a link type that an expression accepts must have. None of the alternatives: it
 * accepts none. Whatever cannot be told from a frame's keys is left out, so that this excludes
 * fewer frames than the expression, and none that it accepts.
 */
export function expressionTerms(expression: Expression | undefined, linkType: number): Term[] {
  if (expression === undefined) return [{ keys: [], vni: undefined, session: undefined, also: [] }]
  let condition: Condition
  try {
    condition = conditionOf(expression, linkType)
  } catch (error) {
    // A filter leaves out frames that do not have what it asks for.
    if (error instanceof OperatorError) return []
    throw error
  }
  return new Terms(linkType).of(factsOf(condition, false))
}

/** Alternatives; `isNegated`: of what makes the condition false. */
function factsOf(condition: Condition, isNegated: boolean): readonly Facts[] {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const parts = partsOf(condition).map((part) => factsOf(part, isNegated))
      return (condition.kind === 'and') !== isNegated ? allOf(parts) : anyOf(parts)
    }
    case 'not':
      return factsOf(condition.of, !isNegated)
    case 'constant':
      return condition.value !== isNegated ? [NOTHING_KNOWN] : []
    default: {
      const fact = factOf(condition, isNegated)
      return [fact === undefined ? NOTHING_KNOWN : { facts: [fact], also: [] }]
    }
  }
}

function factOf(
  leaf: Exclude<Condition, { kind: 'and' | 'or' | 'not' | 'constant' }>,
  isNegated: boolean,
): Fact | undefined {
  if (isNegated) {
    const isOffset =
      leaf.kind === 'field' &&
      leaf.test === 'any' &&
      leaf.field.base === 'frame' &&
      leaf.field.size === 2 &&
      (leaf.mask & leaf.value) === IPV4_FRAGMENT_OFFSET_MASK
    return isOffset ? { kind: 'first', at: leaf.field.at } : undefined
  }
  switch (leaf.kind) {
    case 'field':
      if (leaf.test !== '=') return undefined
      return { kind: 'field', field: leaf.field, mask: leaf.mask, value: leaf.value }
    case 'vni':
      return { kind: 'vni', vni: leaf.vni }
    case 'session':
      return { kind: 'session', name: leaf.name }
    default:
      return undefined
  }
}

/** What a chain of one kind joins. Chains grow to the left, and long. */
function partsOf(condition: Condition & { kind: 'and' | 'or' }): Condition[] {
  const parts: Condition[] = []
  let rest: Condition = condition
  while (rest.kind === condition.kind) {
    parts.push(rest.right)
    rest = rest.left
  }
  parts.push(rest)
  return parts
}

function anyOf(parts: readonly (readonly Facts[])[]): readonly Facts[] {
  const all = parts.flat()
  const excludesNothing = all.some(({ facts, also }) => facts.length + also.length === 0)
  return excludesNothing || all.length > TERMS_MAX ? [NOTHING_KNOWN] : all
}

function allOf(parts: readonly (readonly Facts[])[]): readonly Facts[] {
  let joined: readonly Facts[] = [NOTHING_KNOWN]
  // Those that leave no choice first: they exclude most of what is multiplied out.
  for (const part of [...parts].sort((a, b) => a.length - b.length)) {
    if (joined.length * part.length > PRODUCT_MAX) {
      joined = joined.map(({ facts, also }) => ({ facts, also: [...also, part] }))
    } else {
      joined = joined.flatMap((one) => part.flatMap((other) => bothOf(one, other) ?? []))
    }
  }
  return joined
}

/** Undefined where they contradict each other. */
function bothOf(one: Facts, other: Facts): Facts | undefined {
  const facts = [...one.facts]
  for (const fact of other.facts) {
    let isNew = true
    for (const known of one.facts) {
      if (contradict(known, fact)) return undefined
      if (isSame(known, fact)) isNew = false
    }
    if (isNew) facts.push(fact)
  }
  return { facts, also: [...one.also, ...other.also] }
}

function contradict(a: Fact, b: Fact): boolean {
  if (a.kind === 'vni') return b.kind === 'vni' && a.vni !== b.vni
  if (a.kind === 'session') return b.kind === 'session' && a.name !== b.name
  if (a.kind !== 'field' || b.kind !== 'field' || !isSameField(a.field, b.field)) return false
  return ((a.value ^ b.value) & a.mask & b.mask) !== 0
}

function isSame(a: Fact, b: Fact): boolean {
  if (a.kind !== 'field' || b.kind !== 'field') return false
  return isSameField(a.field, b.field) && a.mask === b.mask && a.value === b.value
}

function isSameField(a: Field, b: Field): boolean {
  return a.base === b.base && a.at === b.at && a.size === b.size && a.ipv4At === b.ipv4At
}

/** From facts to keys, as addFrameKeys puts them. */
class Terms {
  readonly #linkType: number
  /** Conditions that several terms share are made once. */
  readonly #made = new Map<readonly Facts[], Term[]>()

  constructor(linkType: number) {
    this.#linkType = linkType
  }

  of(alternatives: readonly Facts[]): Term[] {
    const made = this.#made.get(alternatives)
    if (made !== undefined) return made
    const terms = new Map<string, Term>()
    for (const { facts, also } of alternatives) {
      const vni = facts.find((fact) => fact.kind === 'vni')?.vni
      const session = facts.find((fact) => fact.kind === 'session')?.name
      const keys = new FactKeys(facts, this.#linkType).keys
      const term = { keys, vni, session, also: also.map((other) => this.of(other)) }
      const name = also.length > 0 ? `${terms.size}+` : JSON.stringify([keys, vni, session])
      terms.set(name, term)
    }
    const all = [...terms.values()]
    this.#made.set(alternatives, all)
    return all
  }
}

/** The keys of a frame of which some facts are true; first those that few frames have. */
class FactKeys {
  readonly keys: number[] = []
  readonly #facts: readonly Fact[]
  /** Found later than keys that more frames have. */
  readonly #common: number[] = []

  constructor(facts: readonly Fact[], linkType: number) {
    this.#facts = facts
    this.#find(linkType)
    this.keys.push(...this.#common.reverse())
  }

  #find(linkType: number): void {
    const places = placesOf(linkType)
    if (places === undefined) return
    const { typeAt } = places
    if (typeof typeAt === 'string') {
      if (typeAt === 'ipv4' || this.#has(0, 1, 0xf0, 0x40)) this.#ipv4(0)
      else if (typeAt === 'ipv6' || this.#has(0, 1, 0xf0, 0x60)) this.#ipv6(0)
      return
    }
    const isEthernet = linkType === LINKTYPE_ETHERNET
    if (isEthernet) for (const at of [ETHERNET_DESTINATION, ETHERNET_SOURCE]) this.#mac(at)
    let moved = 0
    for (let tags = 0; ; tags++) {
      const type = this.#value(typeAt + moved, 2)
      if (type === undefined) return
      this.#common.push(key1(KEY_TYPE, type))
      const networkAt = places.networkAt + moved
      if (!isTagType(type) || !isEthernet || tags === TAGS_MAX) {
        if (type === ETHERTYPE_IPV4) this.#ipv4(networkAt)
        else if (type === ETHERTYPE_IPV6) this.#ipv6(networkAt)
        else if (isArpType(type)) {
          this.#ipv4Address(networkAt + ARP_SENDER)
          this.#ipv4Address(networkAt + ARP_TARGET)
        }
        return
      }
      const tag = this.#masked(networkAt, 2, 0xfff)
      if (tag !== undefined) this.#common.push(key1(KEY_VLAN, tag))
      moved += VLAN_TAG_LEN
    }
  }

  #mac(at: number): void {
    const high = this.#value(at, 2)
    const low = this.#value(at + 2, 4)
    if (high !== undefined && low !== undefined) this.#common.push(key2(KEY_MAC, high, low | 0))
  }

  #ipv4(at: number): void {
    const source = this.#ipv4Address(at + IPV4_SOURCE)
    const destination = this.#ipv4Address(at + IPV4_DESTINATION)
    const protocol = this.#value(at + IPV4_PROTOCOL, 1)
    if (protocol !== undefined) this.#common.push(key1(KEY_PROTOCOL4, protocol))
    const isFirst = this.#facts.some(
      (fact) => fact.kind === 'first' && fact.at === at + IPV4_FLAGS_OFFSET,
    )
    const port = (offset: number): number | undefined =>
      isFirst ? this.#behindIpv4(at, at + offset) : undefined
    this.#ends(protocol, source, port(SOURCE_PORT), destination, port(DESTINATION_PORT))
  }

  #ipv6(at: number): void {
    const source = this.#ipv6Address(at + IPV6_SOURCE)
    const destination = this.#ipv6Address(at + IPV6_DESTINATION)
    const transportAt = at + IPV6_HEADER_LEN
    const protocol = this.#value(at + IPV6_NEXT_HEADER, 1)
    if (protocol !== undefined) this.#common.push(key1(KEY_PROTOCOL6, protocol))
    const behind = protocol === PROTOCOL_FRAGMENT ? this.#value(transportAt, 1) : undefined
    if (behind !== undefined) this.#common.push(key1(KEY_PROTOCOL6, behind))
    const sourcePort = this.#value(transportAt + SOURCE_PORT, 2)
    const destinationPort = this.#value(transportAt + DESTINATION_PORT, 2)
    this.#ends(protocol, source, sourcePort, destination, destinationPort)
  }

  /** The keys of whole addresses, and ports, as far as they are known. */
  #ends(
    protocol: number | undefined,
    source: number | undefined,
    sourcePort: number | undefined,
    destination: number | undefined,
    destinationPort: number | undefined,
  ): void {
    if (source !== undefined && destination !== undefined) {
      this.keys.unshift(pairKey(source, destination))
    }
    if (protocol === undefined || !hasFilteredPorts(protocol)) return
    for (const port of [sourcePort, destinationPort]) {
      if (port !== undefined) this.keys.push(key2(KEY_PORT, protocol, port))
    }
    if (source === undefined || destination === undefined) return
    if (sourcePort === undefined || destinationPort === undefined) return
    this.keys.unshift(connectionKey(protocol, source, sourcePort, destination, destinationPort))
  }

  /** Answers with the key of the address where all of it is known. */
  #ipv4Address(at: number): number | undefined {
    for (const { mask, value } of this.#at(at, 4)) {
      const known = leadingOnes(mask)
      const prefix = PREFIXES4.find((length) => length <= known)
      if (prefix === undefined) continue
      const key = ipv4Key(value | 0, prefix)
      this.keys.push(key)
      if (prefix === PREFIXES4[0]) return key
    }
    return undefined
  }

  #ipv6Address(at: number): number | undefined {
    const words = [0, 0, 0, 0]
    let known = 0
    for (let index = 0; index < 4; index++) {
      const longest = this.#at(at + 4 * index, 4).reduce<{ mask: number; value: number }>(
        (best, fact) => (leadingOnes(fact.mask) > leadingOnes(best.mask) ? fact : best),
        { mask: 0, value: 0 },
      )
      words[index] = longest.value | 0
      known += leadingOnes(longest.mask)
      if (known < 32 * (index + 1)) break
    }
    const prefix = PREFIXES6.find((length) => length <= known)
    if (prefix === undefined) return undefined
    const key = ipv6Key(words[0]!, words[1]!, words[2]!, words[3]!, prefix)
    this.keys.push(key)
    return prefix === PREFIXES6[0] ? key : undefined
  }

  #behindIpv4(ipv4At: number, at: number): number | undefined {
    for (const fact of this.#facts) {
      if (fact.kind !== 'field' || fact.field.base !== 'behind-ipv4') continue
      const { field, mask, value } = fact
      if (field.ipv4At !== ipv4At || field.at !== at || field.size !== 2) continue
      if ((mask & 0xffff) === 0xffff) return value
    }
    return undefined
  }

  /** The value of a field of the frame all of whose bits are known. */
  #value(at: number, size: 1 | 2 | 4): number | undefined {
    return this.#masked(at, size, size === 4 ? ALL_BITS : 2 ** (8 * size) - 1)
  }

  #masked(at: number, size: 1 | 2 | 4, bits: number): number | undefined {
    for (const { mask, value } of this.#at(at, size)) {
      if ((mask & bits) === (bits | 0)) return (value & bits) >>> 0
    }
    return undefined
  }

  #has(at: number, size: 1 | 2 | 4, bits: number, value: number): boolean {
    return this.#masked(at, size, bits) === value
  }

  #at(at: number, size: 1 | 2 | 4): { mask: number; value: number }[] {
    return this.#facts.flatMap((fact) => {
      if (fact.kind !== 'field' || fact.field.base !== 'frame') return []
      return fact.field.at === at && fact.field.size === size ? [fact] : []
    })
  }
}

function leadingOnes(mask: number): number {
  return Math.clz32(~mask)
}
