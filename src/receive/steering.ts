import assert from 'node:assert/strict'
import { BpfAssembler } from '../sys/bpf.js'
import {
  ETHERNET_HEADER_LEN,
  ETHERNET_TYPE,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_QINQ_OLD,
  ETHERTYPE_SERVICE_VLAN,
  ETHERTYPE_VLAN,
  VLAN_TAG_LEN,
} from '../wire/ethernet.js'
import {
  IPV4_DESTINATION,
  IPV4_FLAGS_OFFSET,
  IPV4_FRAGMENT_OFFSET_MASK,
  IPV4_MORE_FRAGMENTS,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../wire/ipv4.js'
import { IPV6_DESTINATION, IPV6_HEADER_LEN, IPV6_NEXT_HEADER, IPV6_SOURCE } from '../wire/ipv6.js'
import { PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/protocol.js'
import { VXLAN_HEADER_LEN, VXLAN_PORT } from '../wire/vxlan.js'
import type { Receiver } from './receiver.js'

/**
 * Programs that place mirrored packets among the sockets of several workers, in the kernel
 * (SO_ATTACH_REUSEPORT_CBPF, socket(7)). They see the payload of the UDP datagram.
 *
 * Left to itself the kernel hashes the outer addresses and ports, which is of no use: the
 * two halves of a connection may come from different outer ports.
 */

/** `vni`: a session stays whole. `flow`: both directions of a flow, and all fragments of a packet, stay together. */
export type SteerBy = 'vni' | 'flow'

/** What the sockets receive: VXLAN, or GENEVE that carries IP, UDP and VXLAN, as from a Gateway Load Balancer. */
type SteerEncapsulation = 'vxlan' | 'geneve'

/** Distances from the start of VXLAN (X) when no VLAN tag is in the way. */
const ETHERTYPE = VXLAN_HEADER_LEN + ETHERNET_TYPE
const IP = VXLAN_HEADER_LEN + ETHERNET_HEADER_LEN

const TPIDS = [ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_QINQ_OLD]

/** More fragments, or an offset: all but a whole packet has one of these bits. */
const FRAGMENT_BITS = IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET_MASK
const WITH_PORTS = [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP]

/** Cells of memory. */
const HASH = 0
const BASE = 1
const PROTOCOL = 2
const SCRATCH = 3

/** Odd constants of the MurmurHash3 finalizer: what differs in few bits ends up in all. */
const MIX_ADDRESS = 0xc2b2ae35
const MIX_LAST = 0x85ebca6b

/**
 * The program for `workers` sockets; an array of struct sock_filter.
 *
 * `vni` answers VNI mod workers. `flow` answers a hash of the inner addresses, and of ports
 * and protocol for whole TCP, UDP and SCTP packets, in which source and destination may
 * change places; up to two VLAN tags are stepped over. What cannot be read, and what is not
 * IP, goes to worker 0.
 */
export function steeringProgram(
  by: SteerBy,
  workers: number,
  encapsulation: SteerEncapsulation = 'vxlan',
): Buffer {
  const program = new BpfAssembler()
  if (encapsulation === 'geneve') findVxlanInGeneve(program)
  else program.setX(0)
  if (by === 'vni') program.load('word', 4).compute('rsh', 8)
  else hashFlow(program)
  program.compute('mod', workers).returnA()
  program.label('nowhere').returnValue(0)
  return program.assemble()
}

/**
 * Attaches a program to the group of sockets that `receiver` belongs to; once for all of
 * them, in any order. Index 0 is the receiver opened first. The receiver must share its port.
 */
export function attachSteering(receiver: Receiver, program: Buffer): void {
  assert(receiver.attachReusePortProgram, 'only sockets of recvmmsg share a port')
  receiver.attachReusePortProgram(program)
}

/** RFC 8926 §3.4. Sets X to the VXLAN header; fragments and other payloads go nowhere. */
function findVxlanInGeneve(program: BpfAssembler): void {
  program
    .setX(0)
    .load('byte', 0)
    .jumpIfAnyBit(0xc0, 'nowhere')
    .compute('lsh', 2)
    .compute('add', 8)
    .keep(BASE)
    .load('half', 2)
    .recallX(BASE)
    .jumpIfEqual(ETHERTYPE_IPV4, 'outer IPv4')
    .jumpUnlessEqual(ETHERTYPE_IPV6, 'nowhere')
    .load('byte', IPV6_NEXT_HEADER)
    .jumpUnlessEqual(PROTOCOL_UDP, 'nowhere')
    .advanceX(IPV6_HEADER_LEN)
    .jump('outer UDP')
    .label('outer IPv4')
    .load('byte', IPV4_PROTOCOL)
    .jumpUnlessEqual(PROTOCOL_UDP, 'nowhere')
    .load('half', IPV4_FLAGS_OFFSET)
    .jumpIfAnyBit(FRAGMENT_BITS, 'nowhere')
  stepOverIpv4(program, 0)
  program.label('outer UDP').load('half', 2).jumpUnlessEqual(VXLAN_PORT, 'nowhere').advanceX(8)
}

/** X is at VXLAN. Leaves the hash in A. */
function hashFlow(program: BpfAssembler): void {
  for (const tag of ['first tag', 'second tag']) {
    program.load('half', ETHERTYPE)
    for (const tpid of TPIDS) program.jumpIfEqual(tpid, tag)
    program.jump('EtherType').label(tag).advanceX(VLAN_TAG_LEN)
  }
  program
    .load('half', ETHERTYPE)
    .label('EtherType')
    .keepX(BASE)
    .jumpIfEqual(ETHERTYPE_IPV4, 'IPv4')
    .jumpUnlessEqual(ETHERTYPE_IPV6, 'nowhere')

  program.set(0).keep(HASH)
  for (let word = 0; word < 16; word += 4) {
    addAddresses(program, IP + IPV6_SOURCE + word, IP + IPV6_DESTINATION + word)
  }
  program.load('byte', IP + IPV6_NEXT_HEADER)
  keepProtocolWithPorts(program, 'IPv6 ports', 'hashed')
  program.advanceX(IPV6_HEADER_LEN).jump('ports')

  program.label('IPv4').set(0).keep(HASH)
  addAddresses(program, IP + IPV4_SOURCE, IP + IPV4_DESTINATION)
  program.load('half', IP + IPV4_FLAGS_OFFSET).jumpIfAnyBit(FRAGMENT_BITS, 'hashed')
  program.load('byte', IP + IPV4_PROTOCOL)
  keepProtocolWithPorts(program, 'IPv4 ports', 'hashed')
  stepOverIpv4(program, IP)

  // X + IP is where the ports are. Their sum has 17 bits, the protocol 8.
  program
    .label('ports')
    .load('half', IP)
    .keep(SCRATCH)
    .load('half', IP + 2)
    .recallX(SCRATCH)
    .computeX('add')
    .compute('lsh', 8)
    .recallX(PROTOCOL)
    .computeX('add')
    .recallX(HASH)
    .computeX('add')
    .keep(HASH)
    .label('hashed')
    .recall(HASH)
  foldRight(program, 16)
  program.compute('mul', MIX_LAST)
  foldRight(program, 13)
}

/** hash = (hash + one + other) × constant: the same when the two change places. */
function addAddresses(program: BpfAssembler, one: number, other: number): void {
  program
    .load('word', one)
    .keep(SCRATCH)
    .load('word', other)
    .recallX(SCRATCH)
    .computeX('add')
    .recallX(HASH)
    .computeX('add')
    .compute('mul', MIX_ADDRESS)
    .keep(HASH)
    .recallX(BASE)
}

/** A is the protocol: goes on at label `yes`, having kept it, where ports follow, and jumps to `no` otherwise. */
function keepProtocolWithPorts(program: BpfAssembler, yes: string, no: string): void {
  for (const protocol of WITH_PORTS) program.jumpIfEqual(protocol, yes)
  program.jump(no).label(yes).keep(PROTOCOL)
}

/** X += the length of the IPv4 header at X + at. */
function stepOverIpv4(program: BpfAssembler, at: number): void {
  program.load('byte', at).compute('and', 0x0f).compute('lsh', 2).computeX('add').copyToX()
}

/** A ^= A >>> bits. */
function foldRight(program: BpfAssembler, bits: number): void {
  program.copyToX().compute('rsh', bits).computeX('xor')
}
