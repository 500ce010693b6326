import {
  AF_UNIX,
  type Libc,
  loadLibc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from './libc.js'

/** struct sockaddr_un (unix(7)): the family, then the path. */
const SUN_PATH = 2
const SUN_PATH_LEN = 108

/**
 * systemd, told by the protocol of sd_notify(3): lines of `NAME=value`, a datagram each time, to the
 * socket that $NOTIFY_SOCKET names. Node has no datagram sockets of that kind.
 */
export class ServiceManager {
  /** Within so long it wants to hear WATCHDOG=1; undefined when it does not watch. */
  readonly watchdogMs: number | undefined
  readonly #libc: Libc
  readonly #fd: number
  readonly #address: Buffer
  readonly #length: number

  private constructor(libc: Libc, socket: string, watchdogMs: number | undefined) {
    this.watchdogMs = watchdogMs
    this.#libc = libc
    this.#address = Buffer.alloc(SUN_PATH + SUN_PATH_LEN)
    this.#address.writeUInt16LE(AF_UNIX)
    // A name in no directory begins with a zero byte, which is written as @.
    const path = Buffer.from(socket.startsWith('@') ? `\0${socket.slice(1)}` : socket)
    path.copy(this.#address, SUN_PATH, 0, SUN_PATH_LEN)
    this.#length = SUN_PATH + Math.min(path.length, SUN_PATH_LEN)
    this.#fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  }

  /** undefined when no service manager started this process. Throws OperatorError where it cannot be told. */
  static open(environment: NodeJS.ProcessEnv = process.env): ServiceManager | undefined {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = environment
    if (socket === undefined || socket === '') return undefined
    const libc = loadLibc({
      what: 'telling systemd that this service runs',
      code: 'ERR_FAILED',
    })
    const isWatched = Number(microseconds) > 0 && (pid === undefined || Number(pid) === process.pid)
    return new ServiceManager(libc, socket, isWatched ? Number(microseconds) / 1000 : undefined)
  }

  /** What cannot be delivered is lost: the service manager has gone, or does not read. */
  tell(...assignments: readonly string[]): void {
    const message = Buffer.from(assignments.join('\n'))
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL
    this.#libc.sendto(this.#fd, message, message.length, flags, this.#address, this.#length)
  }

  close(): void {
    this.#libc.close(this.#fd)
  }
}
