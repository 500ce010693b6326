import { adviceOn, OperatorError } from '../../errors.js'
import { type Libc, SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFMTU, systemError } from '../../sys/libc.js'
import { namesIn } from '../../sys/proc.js'
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../../wire/link-type.js'

/** struct ifreq (netdevice(7)): a name and what is asked of it. */
const IFREQ_LEN = 40
const IFREQ_VALUE = 16
const IFREQ_NAME_MAX = 15

const IFF_UP = 0x1
const IFF_LOOPBACK = 0x8

/** Hardware types (linux/if_arp.h) whose frames begin with an Ethernet header … */
const ETHERNET_TYPES: ReadonlySet<number> = new Set([1, 772])
/** … and with an IP header: IPIP, IP6 in IP6, SIT, raw IP of modems, and none (tun, WireGuard). */
const IP_TYPES: ReadonlySet<number> = new Set([768, 769, 776, 519, 0xfffe])

/** What the kernel says of an interface. */
export interface Link {
  readonly index: number
  /** ARPHRD_…. */
  readonly hardwareType: number
  /** LINKTYPE_… of its frames, or undefined where we cannot read them. */
  readonly linkType: number | undefined
  /** Bytes after the link-layer header. */
  readonly mtu: number
  readonly isUp: boolean
  readonly isLoopback: boolean
}

/** Undefined where there is no such interface. `fd` is any socket of the network namespace. */
export function readLink(libc: Libc, fd: number, name: string): Link | undefined {
  if (Buffer.byteLength(name) > IFREQ_NAME_MAX) return undefined
  const index = libc.if_nametoindex(name)
  const request = Buffer.alloc(IFREQ_LEN)
  const ask = (what: number): boolean => {
    request.fill(0)
    request.write(name)
    return libc.ioctl(fd, what, request) === 0
  }
  if (index === 0 || !ask(SIOCGIFFLAGS)) return undefined
  const flags = request.readUInt16LE(IFREQ_VALUE)
  if (!ask(SIOCGIFHWADDR)) return undefined
  const hardwareType = request.readUInt16LE(IFREQ_VALUE)
  if (!ask(SIOCGIFMTU)) return undefined
  return {
    index,
    hardwareType,
    linkType: linkTypeOf(hardwareType),
    mtu: request.readInt32LE(IFREQ_VALUE),
    isUp: (flags & IFF_UP) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
  }
}

function linkTypeOf(hardwareType: number): number | undefined {
  if (ETHERNET_TYPES.has(hardwareType)) return LINKTYPE_ETHERNET
  return IP_TYPES.has(hardwareType) ? LINKTYPE_RAW : undefined
}

/** Throws OperatorError where there is no such interface, or one whose frames we cannot read. */
export function findLink(libc: Libc, fd: number, name: string): Link {
  const link = readLink(libc, fd, name)
  if (link === undefined) {
    throw new OperatorError(`there is no interface "${name}": give one of ${interfaceNames()}`)
  }
  return readableLink(link, name)
}

/** `link`, or OperatorError where we cannot read its frames. */
export function readableLink(link: Link, name: string): Link {
  if (link.linkType !== undefined) return link
  throw new OperatorError(
    `${name} is not an Ethernet, loopback or IP tunnel interface (hardware type ${link.hardwareType}): give one that is`,
  )
}

/** Why socket(2) has just given no packet socket. */
export function noSocket(libc: Libc, name: string): Error {
  const error = systemError(libc, 'socket')
  const advice = adviceOn(error, 'capture', { name })
  return advice === undefined ? error : new OperatorError(advice, { cause: error })
}

function interfaceNames(): string {
  return namesIn('/sys/class/net').sort().join(', ') || 'those that "ip link" shows'
}
