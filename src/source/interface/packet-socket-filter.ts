import { BpfAssembler } from '../../sys/bpf.js'
import { parseIpv4, parseIpv6 } from '../../wire/address.js'
import {
  ETHERNET_TYPE,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_VLAN,
  VLAN_TAG_LEN,
} from '../../wire/ethernet.js'
import { ICMP_HEADER_LEN } from '../../wire/icmp.js'
import {
  IPV4_DESTINATION,
  IPV4_FLAGS_OFFSET,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_HEADER_LEN,
  IPV4_PROTOCOL,
} from '../../wire/ipv4.js'
import {
  IPV6_DESTINATION,
  IPV6_FRAGMENT_HEADER_LEN,
  IPV6_FRAGMENT_OFFSET_MASK,
  IPV6_HEADER_LEN,
  IPV6_NEXT_HEADER,
} from '../../wire/ipv6.js'
import { LINKTYPE_ETHERNET } from '../../wire/link-type.js'
import { DESTINATION_PORT, PORTS_LEN } from '../../wire/ports.js'
import {
  PROTOCOL_FRAGMENT,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_UDP,
} from '../../wire/protocol.js'

/**
 * The program that keeps a mirror source from mirroring its own traffic (SO_ATTACH_FILTER,
 * packet(7)): what it sends to its targets may leave by the very interface it mirrors, and a
 * copy of a copy of a copy has no end.
 *
 * Left out are, under IPv4 and IPv6, after up to two VLAN tags:
 * - UDP to a target's address and port, from whatever port: another mirror source of this
 *   host sends there too, and the two would mirror each other;
 * - fragments of UDP to a target's address but the first, which have no ports: a copy that
 *   does not fit the path is sent in parts;
 * - ICMP errors that quote either: a target that is down answers each copy with one.
 *
 * All else is accepted whole, whatever is wrong with it. Copies that leave the host inside
 * of another tunnel cannot be known: the interface to mirror is then the tunnel's.
 */
export interface FilterTarget {
  /** An IP address; a zone is not looked at. */
  host: string
  port: number
}

const ACCEPT_ALL = 0xffff_ffff
const REJECT = 0

const TAG_TYPES = [ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_QINQ_OLD]

/** Destination unreachable, source quench, redirect, time exceeded, parameter problem: those that quote. */
const ICMP_ERRORS = [3, 4, 5, 11, 12]

/** Of types of ICMPv6 that are no errors (RFC 4443 §2.1). */
const ICMPV6_NO_ERROR = 0x80

/** X is never more: two tags, two IPv4 headers that claim to be as long as can be, ICMP. */
const X_MAX = 256

/** Cells of memory. */
const BASE = 0
const PORT = 1
/** In PORT: a later fragment, of whatever port. */
const ANY_PORT = 0x10000

/** An array of struct sock_filter, for frames of this link type (Ethernet, or raw IP). */
export function exclusionProgram(targets: readonly FilterTarget[], linkType: number): Buffer {
  // Both cells written at once: the kernel's check lets what is unset flow through a return.
  const program = new BpfAssembler().setX(0).keepX(BASE).keepX(PORT)
  const ip = linkType === LINKTYPE_ETHERNET ? ETHERNET_TYPE + 2 : 0
  findIp(program, linkType)

  // Two in one: labels after a long list of targets are out of reach of a conditional jump.
  program.jumpIfEqual(ETHERTYPE_IPV4, 'IPv4').jumpUnlessEqual(ETHERTYPE_IPV6, 'neither')
  program.jump('IPv6').label('neither').returnValue(ACCEPT_ALL)

  program.label('IPv4')
  findPort4(program, ip)
  for (const [index, { host, port }] of targets.entries()) {
    const address = parseIpv4(host)
    if (address === undefined) continue
    const next = `IPv4 target ${index + 1}`
    program.load('word', ip + IPV4_DESTINATION).jumpUnlessEqual(address, next)
    rejectPort(program, port, next)
  }
  program.returnValue(ACCEPT_ALL)

  program.label('IPv6')
  findPort6(program, ip)
  for (const [index, { host, port }] of targets.entries()) {
    const address = parseIpv6(host.replace(/%.*$/, ''))
    if (address === undefined) continue
    const next = `IPv6 target ${index + 1}`
    for (const [word, value] of address.entries()) {
      program.load('word', ip + IPV6_DESTINATION + 4 * word).jumpUnlessEqual(value, next)
    }
    rejectPort(program, port, next)
  }
  return program.returnValue(ACCEPT_ALL).assemble()
}

/** Leaves the EtherType of what is at X + `ip` in A. */
function findIp(program: BpfAssembler, linkType: number): void {
  if (linkType !== LINKTYPE_ETHERNET) {
    acceptShorterThan(program, 1, 'not empty')
    program.load('byte', 0).compute('and', 0xf0).jumpIfEqual(0x60, 'is IPv6')
    program.set(ETHERTYPE_IPV4).jump('EtherType').label('is IPv6').set(ETHERTYPE_IPV6)
    program.label('EtherType')
    return
  }
  acceptShorterThan(program, ETHERNET_TYPE + 2, 'Ethernet is whole')
  for (const tag of ['first tag', 'second tag']) {
    program.load('half', ETHERNET_TYPE)
    for (const type of TAG_TYPES) program.jumpIfEqual(type, tag)
    program.jump('EtherType').label(tag)
    acceptShorterThan(program, ETHERNET_TYPE + VLAN_TAG_LEN + 2, `${tag} is whole`)
    program.advanceX(VLAN_TAG_LEN)
  }
  program.load('half', ETHERNET_TYPE).label('EtherType')
}

/**
 * X + `ip` is at an IPv4 header. Accepts what is neither UDP nor an error about UDP;
 * otherwise leaves X such that X + `ip` is at the header of that UDP packet, and PORT set.
 */
function findPort4(program: BpfAssembler, ip: number): void {
  acceptShorterThan(program, ip + IPV4_HEADER_LEN, 'IPv4 is whole')
  program
    .load('byte', ip + IPV4_PROTOCOL)
    .jumpIfEqual(PROTOCOL_UDP, 'UDP')
    .jumpUnlessEqual(PROTOCOL_ICMP, 'not ours')
  stepOverIpv4(program, ip)
  acceptShorterThan(program, ip + ICMP_HEADER_LEN + IPV4_HEADER_LEN, 'ICMP is whole')
  program.load('byte', ip)
  for (const type of ICMP_ERRORS) program.jumpIfEqual(type, 'quotes')
  program.jump('not ours').label('quotes').advanceX(ICMP_HEADER_LEN)
  program.load('byte', ip + IPV4_PROTOCOL).jumpUnlessEqual(PROTOCOL_UDP, 'not ours')

  program.label('UDP').keepX(BASE)
  program
    .load('half', ip + IPV4_FLAGS_OFFSET)
    .jumpIfAnyBit(IPV4_FRAGMENT_OFFSET_MASK, 'later fragment')
  stepOverIpv4(program, ip)
  acceptShorterThan(program, ip + PORTS_LEN, 'ports are there')
  program.load('half', ip + DESTINATION_PORT).jump('port known')
  program.label('not ours').returnValue(ACCEPT_ALL)
  program.label('later fragment').set(ANY_PORT)
  program.label('port known').keep(PORT).recallX(BASE)
}

/** As findPort4. Only what a mirror source sends is looked for: no extension header but that of fragments. */
function findPort6(program: BpfAssembler, ip: number): void {
  const udp = ip + IPV6_HEADER_LEN
  acceptShorterThan(program, udp + PORTS_LEN, 'IPv6 is whole')
  program.load('byte', ip + IPV6_NEXT_HEADER).jumpUnlessEqual(PROTOCOL_ICMPV6, 'no ICMPv6')
  program.load('byte', udp).jumpIfAnyBit(ICMPV6_NO_ERROR, 'not ours 6')
  program.advanceX(IPV6_HEADER_LEN + ICMP_HEADER_LEN)
  acceptShorterThan(program, udp + PORTS_LEN, 'quoted IPv6 is whole')

  program
    .label('no ICMPv6')
    .keepX(BASE)
    .load('byte', ip + IPV6_NEXT_HEADER)
    .jumpIfEqual(PROTOCOL_UDP, 'UDP 6')
    .jumpUnlessEqual(PROTOCOL_FRAGMENT, 'not ours 6')
    .load('byte', udp)
    .jumpUnlessEqual(PROTOCOL_UDP, 'not ours 6')
    .load('half', udp + 2)
    .jumpIfAnyBit(IPV6_FRAGMENT_OFFSET_MASK, 'later fragment 6')
  acceptShorterThan(program, udp + IPV6_FRAGMENT_HEADER_LEN + PORTS_LEN, 'fragment is whole')
  program.advanceX(IPV6_FRAGMENT_HEADER_LEN)
  program
    .label('UDP 6')
    .load('half', udp + DESTINATION_PORT)
    .jump('port known 6')
  program.label('not ours 6').returnValue(ACCEPT_ALL)
  program.label('later fragment 6').set(ANY_PORT)
  program.label('port known 6').keep(PORT).recallX(BASE)
}

/** A load outside of the packet would reject it. `whole` names this place in the program. */
function acceptShorterThan(program: BpfAssembler, length: number, whole: string): void {
  program.loadLength().compute('add', X_MAX).computeX('sub')
  program.jumpIfLess(X_MAX + length, `not: ${whole}`).jump(whole)
  program.label(`not: ${whole}`).returnValue(ACCEPT_ALL).label(whole)
}

/** X += the length of the IPv4 header at X + at. */
function stepOverIpv4(program: BpfAssembler, at: number): void {
  program.load('byte', at).compute('and', 0x0f).compute('lsh', 2).computeX('add').copyToX()
}

function rejectPort(program: BpfAssembler, port: number, next: string): void {
  const hit = `hit before ${next}`
  program.recall(PORT).jumpIfEqual(ANY_PORT, hit).jumpUnlessEqual(port, next)
  program.label(hit).returnValue(REJECT).label(next)
}
