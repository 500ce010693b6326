import { type Cidr, parseCidr } from '../wire/address.js'
import { u32 } from '../wire/bytes.js'
import {
  ABSENT,
  DIRECTION_UNKNOWN,
  EGRESS,
  FRAGMENT_LATER,
  type Frame,
  INGRESS,
} from '../wire/frame.js'
import { PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import type { PortRange } from './fields.js'
import { AmazonDns } from './network-services.js'
import type { FilterRule, MirrorFilter, TrafficDirection } from './resources.js'

/** Columns of a compiled rule; addresses and masks follow, one word each for IPv4 and four for IPv6. */
const ACTION = 0
const PROTOCOL = 1
/** Lowest port, and how many above it are in the range: all, where the rule names none. */
const SOURCE_LOW = 2
const SOURCE_SPAN = 3
const DESTINATION_LOW = 4
const DESTINATION_SPAN = 5
/** 1 where the rule names ports. */
const HAS_PORTS = 6
const ADDRESSES = 7

const SOURCE_4 = ADDRESSES
const SOURCE_MASK_4 = ADDRESSES + 1
const DESTINATION_4 = ADDRESSES + 2
const DESTINATION_MASK_4 = ADDRESSES + 3
const STRIDE_4 = ADDRESSES + 4

const SOURCE_6 = ADDRESSES
const SOURCE_MASK_6 = ADDRESSES + 4
const DESTINATION_6 = ADDRESSES + 8
const DESTINATION_MASK_6 = ADDRESSES + 12
const STRIDE_6 = ADDRESSES + 16

const REJECT = 0
const ACCEPT = 1
const ANY_PROTOCOL = -1

const PORTS_LEN = 4
const ALL_PORTS: PortRange = { from: 0, to: 65_535 }

/** What a packet shows of its ports. */
const PORTS_NONE = 0
const PORTS_SEEN = 1
const PORTS_CUT = 2

/**
 * The rules of a mirror filter, compiled: whether its session mirrors a packet.
 *
 * Of the rules of a direction the one with the lowest number that matches decides;
 * where none does, the packet is not mirrored. A rule sees packets of its IP
 * version only, so none sees what carries no IP. The resolver of the VPC is the
 * business of the network service `amazon-dns` alone.
 *
 * Where AWS says nothing: a rule that names ports sees TCP and UDP only, whether it
 * names a protocol or not. Later fragments have no ports, so it does not see them.
 * Ports that were cut off may have been any: an accepting rule takes such a packet,
 * a rejecting one lets it by, for the mirror source did see them.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirroring-filters.html
 */
export class RuleSet {
  readonly #mirrorsDns: boolean
  readonly #dns: AmazonDns
  /** By direction. */
  readonly #rules4: readonly [ingress: Int32Array, egress: Int32Array]
  readonly #rules6: readonly [ingress: Int32Array, egress: Int32Array]

  /**
   * The CIDR blocks of the rules must be such: whoever made the filter has seen to
   * that, and a rule whose blocks differ in kind matches nothing. `vpcCidrBlock`:
   * primary block of the interface's VPC, where it is known.
   */
  constructor(
    filter: Pick<MirrorFilter, 'rules' | 'networkServices'>,
    options: { vpcCidrBlock?: string | undefined } = {},
  ) {
    this.#mirrorsDns = filter.networkServices.includes('amazon-dns')
    this.#dns = new AmazonDns(options.vpcCidrBlock)
    const ingress = inOrder(filter.rules, 'ingress')
    const egress = inOrder(filter.rules, 'egress')
    this.#rules4 = [compiled(ingress, 4), compiled(egress, 4)]
    this.#rules6 = [compiled(ingress, 6), compiled(egress, 6)]
  }

  /** `frame` as parseFrame left it, fault or not, with the direction that was judged. */
  accepts(frame: Frame): boolean {
    if (frame.ipVersion === 0) return false
    if (this.#dns.has(frame)) return this.#mirrorsDns
    if (this.#mirrorsDns && this.#dns.mayHave(frame)) return true
    const { direction } = frame
    if (direction === DIRECTION_UNKNOWN) {
      return this.#decides(frame, INGRESS) || this.#decides(frame, EGRESS)
    }
    return (direction === INGRESS || direction === EGRESS) && this.#decides(frame, direction)
  }

  #decides(frame: Frame, direction: typeof INGRESS | typeof EGRESS): boolean {
    return frame.ipVersion === 4
      ? decides4(frame, this.#rules4[direction])
      : decides6(frame, this.#rules6[direction])
  }
}

function decides4(frame: Frame, rules: Int32Array): boolean {
  const { bytes, protocol, srcPort, dstPort } = frame
  const source = u32(bytes, frame.srcAt) | 0
  const destination = u32(bytes, frame.dstAt) | 0
  const ports = portsOf(frame)
  for (let at = 0; at < rules.length; at += STRIDE_4) {
    // Cheapest first. As unsigned numbers, ports below a range are far above it.
    if (
      (rules[at + PROTOCOL] === protocol || rules[at + PROTOCOL] === ANY_PROTOCOL) &&
      (ports === PORTS_SEEN
        ? (dstPort - rules[at + DESTINATION_LOW]!) >>> 0 <= rules[at + DESTINATION_SPAN]! &&
          (srcPort - rules[at + SOURCE_LOW]!) >>> 0 <= rules[at + SOURCE_SPAN]!
        : matchesUnseen(ports, rules, at)) &&
      ((source ^ rules[at + SOURCE_4]!) & rules[at + SOURCE_MASK_4]!) === 0 &&
      ((destination ^ rules[at + DESTINATION_4]!) & rules[at + DESTINATION_MASK_4]!) === 0
    ) {
      return rules[at + ACTION] === ACCEPT
    }
  }
  return false
}

function decides6(frame: Frame, rules: Int32Array): boolean {
  const { bytes, srcAt, dstAt, protocol, srcPort, dstPort } = frame
  const source0 = u32(bytes, srcAt) | 0
  const source1 = u32(bytes, srcAt + 4) | 0
  const source2 = u32(bytes, srcAt + 8) | 0
  const source3 = u32(bytes, srcAt + 12) | 0
  const destination0 = u32(bytes, dstAt) | 0
  const destination1 = u32(bytes, dstAt + 4) | 0
  const destination2 = u32(bytes, dstAt + 8) | 0
  const destination3 = u32(bytes, dstAt + 12) | 0
  const ports = portsOf(frame)
  for (let at = 0; at < rules.length; at += STRIDE_6) {
    if (
      (rules[at + PROTOCOL] === protocol || rules[at + PROTOCOL] === ANY_PROTOCOL) &&
      (ports === PORTS_SEEN
        ? (dstPort - rules[at + DESTINATION_LOW]!) >>> 0 <= rules[at + DESTINATION_SPAN]! &&
          (srcPort - rules[at + SOURCE_LOW]!) >>> 0 <= rules[at + SOURCE_SPAN]!
        : matchesUnseen(ports, rules, at)) &&
      ((source0 ^ rules[at + SOURCE_6]!) & rules[at + SOURCE_MASK_6]!) === 0 &&
      ((source1 ^ rules[at + SOURCE_6 + 1]!) & rules[at + SOURCE_MASK_6 + 1]!) === 0 &&
      ((source2 ^ rules[at + SOURCE_6 + 2]!) & rules[at + SOURCE_MASK_6 + 2]!) === 0 &&
      ((source3 ^ rules[at + SOURCE_6 + 3]!) & rules[at + SOURCE_MASK_6 + 3]!) === 0 &&
      ((destination0 ^ rules[at + DESTINATION_6]!) & rules[at + DESTINATION_MASK_6]!) === 0 &&
      ((destination1 ^ rules[at + DESTINATION_6 + 1]!) & rules[at + DESTINATION_MASK_6 + 1]!) ===
        0 &&
      ((destination2 ^ rules[at + DESTINATION_6 + 2]!) & rules[at + DESTINATION_MASK_6 + 2]!) ===
        0 &&
      ((destination3 ^ rules[at + DESTINATION_6 + 3]!) & rules[at + DESTINATION_MASK_6 + 3]!) === 0
    ) {
      return rules[at + ACTION] === ACCEPT
    }
  }
  return false
}

/** Whether the rule's ports let a packet by that shows none. */
function matchesUnseen(ports: number, rules: Int32Array, at: number): boolean {
  return rules[at + HAS_PORTS] === 0 || (ports === PORTS_CUT && rules[at + ACTION] === ACCEPT)
}

function portsOf(frame: Frame): number {
  const { protocol, transportAt, end } = frame
  if (protocol !== PROTOCOL_TCP && protocol !== PROTOCOL_UDP) return PORTS_NONE
  if (transportAt === ABSENT) return frame.fragment === FRAGMENT_LATER ? PORTS_NONE : PORTS_CUT
  // Shorter than its ports by its own header, it never had any.
  if (frame.ipAt + frame.ipLength - transportAt < PORTS_LEN) return PORTS_NONE
  return end - transportAt < PORTS_LEN ? PORTS_CUT : PORTS_SEEN
}

function inOrder(rules: readonly FilterRule[], direction: TrafficDirection): FilterRule[] {
  return rules
    .filter((rule) => rule.direction === direction)
    .sort((a, b) => a.ruleNumber - b.ruleNumber)
}

/** The rules that see packets of this IP version, one after the other. */
function compiled(rules: readonly FilterRule[], version: 4 | 6): Int32Array {
  return Int32Array.from(rules.flatMap((rule) => rowOf(rule, version)))
}

function rowOf(rule: FilterRule, version: 4 | 6): number[] {
  const source = parseCidr(rule.sourceCidr)
  const destination = parseCidr(rule.destinationCidr)
  if (source?.version !== version || destination?.version !== version) return []
  const { sourcePortRange, destinationPortRange } = rule
  const hasPorts = sourcePortRange !== undefined || destinationPortRange !== undefined
  const sources = sourcePortRange ?? ALL_PORTS
  const destinations = destinationPortRange ?? ALL_PORTS
  return [
    rule.action === 'accept' ? ACCEPT : REJECT,
    rule.protocol ?? ANY_PROTOCOL,
    sources.from,
    sources.to - sources.from,
    destinations.from,
    destinations.to - destinations.from,
    hasPorts ? 1 : 0,
    ...wordsOf(source, version),
    ...wordsOf(destination, version),
  ]
}

/** First address and mask. */
function wordsOf({ first, mask }: Cidr, version: 4 | 6): number[] {
  const from = version === 4 ? 3 : 0
  return [...first.subarray(from), ...mask.subarray(from)]
}
