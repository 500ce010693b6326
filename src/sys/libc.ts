import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:process'
import { getSystemErrorName } from 'node:util'
import { type ErrorCode, OperatorError } from '../errors.js'

/**
 * The system calls that Node does not offer, through koffi: the only file that knows it.
 *
 * koffi is an optional dependency and is loaded when first asked for. Memory is passed as
 * Buffers that hold the kernel's layouts, written by hand (mmsghdr.ts, socket-address.ts)
 * for LP64 little-endian Linux, the same on x64 and arm64. Other machines are refused: their
 * padding and constants were never checked.
 *
 * Descriptors are the caller's to close: Node does not know them, and a worker thread that
 * ends leaves them open.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Buffer, length: number): number
  connect(fd: number, address: Buffer, length: number): number
  getsockname(fd: number, address: Buffer, length: Buffer): number
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number
  getsockopt(fd: number, level: number, option: number, value: Buffer, length: Buffer): number
  /** At most 1024 messages a call (UIO_MAXIOV). The time-out is always none: it does not do what one hopes (recvmmsg(2), BUGS). */
  recvmmsg(fd: number, messages: Buffer, count: number, flags: number, timeout: null): number
  sendmmsg(fd: number, messages: Buffer, count: number, flags: number): number
  sendto(
    fd: number,
    bytes: Buffer,
    length: number,
    flags: number,
    address: Buffer,
    addressLength: number,
  ): number
  poll(entries: Buffer, count: number, milliseconds: number): number
  shutdown(fd: number, how: number): number
  close(fd: number): number
  /** Of an interface (netdevice(7)): a struct ifreq of 40 bytes. */
  ioctl(fd: number, request: number, argument: Buffer): number
  /** 0 when there is no such interface. */
  if_nametoindex(name: string): number
  /** Into a struct timespec of 16 bytes. */
  clock_gettime(clock: number, time: Buffer): number
  /** A struct timex; with its modes 0 it only asks. */
  adjtimex(timex: Buffer): number
  /** Ends the process at once: nobody waits for its threads, and no handler of its exit runs. */
  _exit(status: number): void
  /** Of the last call that answered -1; to be read before anything else is called. */
  errno(): number
  /** Where the memory lies, for pointers inside structs. It does not move; the caller keeps it alive. */
  addressOf(memory: Buffer): bigint
  /**
   * (koffi's uv_poll handle; its 3.3.4 has it, undocumented.) Calls back from the event loop (epoll) while `fd` has something to read, without a thread
   * and without a time-out. The callback runs outside of any task: it may stop the watch and
   * schedule a task (setImmediate), nothing else. Stopped at first. Keeps the process alive
   * while started.
   */
  watch(fd: number, onReadable: () => void): Watch
}

export interface Watch {
  start(): void
  stop(): void
  /** Before the descriptor is closed. */
  close(): void
}

// asm-generic/socket.h, linux/in.h, in6.h, udp.h, if_packet.h, sockios.h: the numbers of x64 and arm64.
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_PACKET = 17
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_CLOEXEC = 0o2000000
export const IPPROTO_IP = 0
export const IPPROTO_UDP = 17
export const IPPROTO_IPV6 = 41
export const IP_TTL = 2
export const IP_MTU_DISCOVER = 10
export const IP_RECVERR = 11
export const IPV6_UNICAST_HOPS = 16
export const IPV6_MTU_DISCOVER = 23
export const IPV6_RECVERR = 25
export const IPV6_V6ONLY = 26
export const UDP_NO_CHECK6_RX = 102
export const CLOCK_REALTIME = 0
export const SOL_SOCKET = 1
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_NO_CHECK = 11
export const SO_REUSEPORT = 15
export const SO_ATTACH_FILTER = 26
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
/** With 64-bit seconds on LP64 (SO_TIMESTAMPNS_OLD). */
export const SO_TIMESTAMPNS = 35
export const SO_ATTACH_REUSEPORT_CBPF = 51
export const SO_MEMINFO = 55
export const SOL_PACKET = 263
export const PACKET_STATISTICS = 6
export const PACKET_AUXDATA = 8
export const ETH_P_ALL = 3
export const SIOCGIFFLAGS = 0x8913
export const SIOCGIFMTU = 0x8921
export const SIOCGIFHWADDR = 0x8927
export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_ERRQUEUE = 0x2000
export const MSG_NOSIGNAL = 0x4000
export const EINTR = 4
export const EAGAIN = 11
export const EADDRNOTAVAIL = 99
export const ENETUNREACH = 101
export const EHOSTUNREACH = 113
export const ENETDOWN = 100
export const ECONNREFUSED = 111

type Koffi = typeof import('koffi')

/** Lets nothing unload what it opens, and never frees it. */
const RTLD_NOW_NODELETE = 0x1002

let loaded: Libc | undefined

/** Who asks, for the message where it cannot be had. */
interface LibcPurpose {
  /** Such as `receiving with recvmmsg`. */
  readonly what: string
  readonly code: ErrorCode
}

const RECVMMSG: LibcPurpose = {
  what: 'receiving with recvmmsg',
  code: 'ERR_NO_RECVMMSG',
}

/** Throws OperatorError, in one line, where koffi or the platform is missing. */
export function loadLibc(purpose: LibcPurpose = RECVMMSG): Libc {
  loaded ??= load(purpose)
  return loaded
}

function load({ what, code }: LibcPurpose): Libc {
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    throw new OperatorError(
      `${what} works on Linux x64 and arm64 only, this is ${platform} ${arch}`,
      { code },
    )
  }
  return declare(requireKoffi({ what, code }))
}

function requireKoffi({ what, code }: LibcPurpose): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch (error) {
    const { code: reason, message } = error as NodeJS.ErrnoException
    const missing = reason === 'MODULE_NOT_FOUND'
    throw new OperatorError(
      missing
        ? `${what} needs the package koffi, which is not installed: run "npm install koffi"`
        : `${what} needs the package koffi, which does not load here (${message.split('\n')[0]})`,
      { cause: error, code },
    )
  }
}

function declare(koffi: Koffi): Libc {
  const libc = koffi.load(null)
  giveBackLargeBlocks(libc)
  keepMapped(libc.func('void *dlopen(const char *, int)'))
  return {
    socket: libc.func('int socket(int, int, int)'),
    bind: libc.func('int bind(int, void *, uint32_t)'),
    connect: libc.func('int connect(int, void *, uint32_t)'),
    getsockname: libc.func('int getsockname(int, void *, void *)'),
    setsockopt: libc.func('int setsockopt(int, int, int, void *, uint32_t)'),
    getsockopt: libc.func('int getsockopt(int, int, int, void *, void *)'),
    recvmmsg: libc.func('int recvmmsg(int, void *, uint32_t, int, void *)'),
    sendmmsg: libc.func('int sendmmsg(int, void *, uint32_t, int)'),
    sendto: libc.func('int sendto(int, void *, size_t, int, void *, uint32_t)'),
    poll: libc.func('int poll(void *, unsigned long, int)'),
    shutdown: libc.func('int shutdown(int, int)'),
    close: libc.func('int close(int)'),
    ioctl: ioctlOf(libc.func('int ioctl(int, unsigned long, ...)')),
    if_nametoindex: libc.func('uint32_t if_nametoindex(const char *)'),
    clock_gettime: libc.func('int clock_gettime(int, void *)'),
    adjtimex: libc.func('int adjtimex(void *)'),
    _exit: libc.func('void _exit(int)'),
    errno: () => koffi.errno(),
    addressOf: (memory) => koffi.address(memory),
    watch(fd, onReadable) {
      const handle = koffi.node.poll(fd, WATCHED, onReadable)
      handle.stop()
      return {
        start: () => handle.start(WATCHED, onReadable),
        stop: () => handle.stop(),
        close: () => handle.close(),
      }
    },
  }
}

/** Of mallopt(3), malloc.h. */
const M_MMAP_THRESHOLD = -3
const LARGE_BLOCK_LEN = 128 * 1024

/**
 * glibc maps large blocks one by one, and unmaps them when they are freed. But each that is freed
 * raises what it takes for large, up to 32 MiB (mallopt(3)), and smaller ones then stay with the
 * process in pieces: an appliance whose receiving threads were started again, or whose captures were
 * switched off and on, kept some 15 MB each time. A bound that is set stays.
 */
function giveBackLargeBlocks(libc: ReturnType<Koffi['load']>): void {
  let mallopt: (parameter: number, value: number) => number
  try {
    mallopt = libc.func('int mallopt(int, int)')
  } catch {
    // Another C library, without that habit.
    return
  }
  mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_LEN)
}

const WATCHED = { readable: true }

/** The C function takes anything for its third argument, so koffi wants its type with each call. */
function ioctlOf(call: (fd: number, request: number, ...rest: unknown[]) => number): Libc['ioctl'] {
  return (fd, request, argument) => call(fd, request, 'void *', argument)
}

/**
 * Keeps koffi's code in memory for the life of the process. When a worker thread that alone
 * uses it ends, Node unloads it first and closes the watch's handle after, which calls into
 * it: the whole process went down with SIGSEGV when such a worker threw or was terminated.
 */
function keepMapped(dlopen: (path: string, flags: number) => unknown): void {
  const maps = readFileSync('/proc/self/maps', 'utf8')
  const path = /^(?:\S+ +){5}(\/.*\bkoffi\.node)$/m.exec(maps)?.[1]
  if (path !== undefined) dlopen(path, RTLD_NOW_NODELETE)
}

/** The error of a call that has just answered -1, in the shape Node gives to its own (`code`, `syscall`). */
export function systemError(libc: Libc, syscall: string): NodeJS.ErrnoException {
  const errno = libc.errno()
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${syscall} ${code}`), { errno: -errno, code, syscall })
}
