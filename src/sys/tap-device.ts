import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { OperatorError } from '../errors.js'
import { AF_INET, type Libc, loadLibc, SOCK_CLOEXEC, SOCK_DGRAM, systemError } from './libc.js'

/** struct ifreq (netdevice(7)): a name and what is asked of it. */
const IFREQ_LEN = 40
const IFREQ_VALUE = 16
const IFREQ_NAME_MAX = 15

// linux/if_tun.h, linux/if.h, linux/sockios.h.
const TUNSETIFF = 0x4004_54ca
const IFF_TAP = 0x0002
const IFF_NO_PI = 0x1000
const IFF_UP = 0x1
const IFF_NOARP = 0x80
const SIOCGIFFLAGS = 0x8913
const SIOCSIFFLAGS = 0x8914
const SIOCSIFMTU = 0x8922

/** AWS's jumbo frames, in bytes of IP. */
const MTU = 9001

const PURPOSE = { what: 'a tap device', code: 'ERR_NO_TAP' } as const

/**
 * Makes a tap device, or takes one that was made for us, and brings it up. It answers nothing: no
 * ARP, no IPv6, no address. Frames written to the descriptor arrive on it. It goes with the
 * descriptor, unless somebody made it to stay. Throws OperatorError.
 */
export function openTapDevice(name: string): number {
  if (!/^[\w.-]+$/.test(name) || Buffer.byteLength(name) > IFREQ_NAME_MAX) {
    throw new OperatorError(
      `"${name}" cannot be the name of a tap device: up to ${IFREQ_NAME_MAX} letters, digits, ".", "-" and "_" can`,
      { exitCode: 2 },
    )
  }
  const libc = loadLibc(PURPOSE)
  let fd: number
  try {
    fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    throw refusal(name, error as NodeJS.ErrnoException)
  }
  try {
    ask(libc, fd, TUNSETIFF, name, (request) => {
      request.writeUInt16LE(IFF_TAP | IFF_NO_PI, IFREQ_VALUE)
    })
    // Mirrored router advertisements must not give this host addresses. Before it is up.
    disableIpv6(name)
    bringUp(libc, name)
    return fd
  } catch (error) {
    closeSync(fd)
    throw refusal(name, error as NodeJS.ErrnoException)
  }
}

function bringUp(libc: Libc, name: string): void {
  const socket = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (socket === -1) throw systemError(libc, 'socket')
  try {
    ask(libc, socket, SIOCSIFMTU, name, (request) => request.writeInt32LE(MTU, IFREQ_VALUE))
    const request = ask(libc, socket, SIOCGIFFLAGS, name, () => undefined)
    const flags = request.readUInt16LE(IFREQ_VALUE) | IFF_UP | IFF_NOARP
    ask(libc, socket, SIOCSIFFLAGS, name, (next) => next.writeUInt16LE(flags, IFREQ_VALUE))
  } finally {
    libc.close(socket)
  }
}

function ask(
  libc: Libc,
  fd: number,
  what: number,
  name: string,
  fill: (request: Buffer) => void,
): Buffer {
  const request = Buffer.alloc(IFREQ_LEN)
  request.write(name)
  fill(request)
  if (libc.ioctl(fd, what, request) === -1) throw systemError(libc, 'ioctl')
  return request
}

function disableIpv6(name: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1')
  } catch (error) {
    // A kernel without IPv6 has no such file.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  EBUSY: 'another process uses it, or it is not a tap device; give another name',
  EINVAL: 'an interface of that name exists and is not a tap device; give another name',
  ENOENT: 'this host has no /dev/net/tun; load the module "tun"',
  ENODEV: 'this host has no /dev/net/tun; load the module "tun"',
  EPERM: 'no permission; run as root or with CAP_NET_ADMIN',
  EACCES: 'no permission; run as root or with CAP_NET_ADMIN',
}

function refusal(name: string, error: NodeJS.ErrnoException): Error {
  if (error instanceof OperatorError) return error
  const advice = ADVICE[error.code ?? '']
  return new OperatorError(`cannot open the tap device ${name}: ${advice ?? error.message}`, {
    cause: error,
  })
}
