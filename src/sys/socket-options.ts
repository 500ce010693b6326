import {
  type Libc,
  SO_ATTACH_FILTER,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
  systemError,
} from './libc.js'

/** The kernel halves the int it keeps; more than this it would take for negative. */
const LARGEST_BUFFER = 0x3fff_ffff

const SOCK_FPROG_LEN = 16

/** BPF_RET|BPF_K with 0: accept no byte of anything. */
const REFUSE_ALL = Buffer.from('0600000000000000', 'hex')

/** An option that is an int. Throws what the kernel answered. */
export function setOption(
  libc: Libc,
  fd: number,
  level: number,
  option: number,
  value: number,
): void {
  if (libc.setsockopt(fd, level, option, word(value), 4) < 0) throw systemError(libc, 'setsockopt')
}

/** What the kernel grants of this many bytes, as it counts them: it doubles what is asked. */
export function enlargeReceiveBuffer(libc: Libc, fd: number, bytes: number): number {
  return enlarge(libc, fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes)
}

export function enlargeSendBuffer(libc: Libc, fd: number, bytes: number): number {
  return enlarge(libc, fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes)
}

/** SO_…BUFFORCE goes past net.core.[rw]mem_max and wants CAP_NET_ADMIN. */
function enlarge(libc: Libc, fd: number, force: number, ask: number, bytes: number): number {
  const asked = word(Math.min(bytes, LARGEST_BUFFER))
  if (libc.setsockopt(fd, SOL_SOCKET, force, asked, 4) < 0) {
    libc.setsockopt(fd, SOL_SOCKET, ask, asked, 4)
  }
  const granted = Buffer.alloc(4)
  if (libc.getsockopt(fd, SOL_SOCKET, ask, granted, word(4)) < 0) {
    throw systemError(libc, 'getsockopt')
  }
  return granted.readInt32LE()
}

/** From here on nothing new is queued; what is queued stays. */
export function refuseAll(libc: Libc, fd: number): void {
  attachProgram(libc, fd, SO_ATTACH_FILTER, REFUSE_ALL)
}

/** `program` is an array of struct sock_filter; the kernel keeps a copy. */
export function attachProgram(libc: Libc, fd: number, option: number, program: Buffer): void {
  // struct sock_fprog: a count and, aligned to eight, where the instructions are: right after,
  // in memory that is passed and so is not collected before the call returns.
  const description = Buffer.alloc(SOCK_FPROG_LEN + program.length)
  description.writeUInt16LE(program.length / 8)
  description.writeBigUInt64LE(libc.addressOf(description) + BigInt(SOCK_FPROG_LEN), 8)
  program.copy(description, SOCK_FPROG_LEN)
  if (libc.setsockopt(fd, SOL_SOCKET, option, description, SOCK_FPROG_LEN) < 0) {
    throw systemError(libc, 'setsockopt')
  }
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
