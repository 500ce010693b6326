import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { OperatorError } from '../errors.js'

/**
 * Sockets to one target, each with a source port of its own. A real mirror
 * source takes the outer source port from a hash of the inner flow; a receiver
 * that spreads its load by outer ports sees as many of them as there are here.
 */
export const OUTER_SOCKETS = 16

/** Datagrams that may be with the kernel unanswered, over all sockets. */
const OUTSTANDING_MAX = 64

/**
 * Sends datagrams to one target and counts what became of them. What the network
 * or a full socket does to a datagram is counted by the name of the error and
 * never thrown.
 *
 * A target that refuses says so one datagram late, and then the kernel keeps the
 * next one back: the counts under ECONNREFUSED are of refusals that came back.
 */
export class OuterSockets {
  /** Datagrams the kernel took. */
  sent = 0
  /** Octets of their payloads. */
  octets = 0
  /** Datagrams that were not sent, by error code. */
  readonly notSent = new Map<string, number>()

  readonly #sockets: readonly Socket[]
  #outstanding = 0
  #onRoom: (() => void) | undefined
  #room = 0

  readonly #done = (error: Error | null, octets = 0): void => {
    this.#outstanding--
    if (error === null) {
      this.sent++
      this.octets += octets
    } else {
      this.#countFailure(error)
    }
    if (this.#onRoom !== undefined && this.#outstanding <= this.#room) {
      // A turn of the event loop, or signals and timers would starve while the kernel keeps up.
      setImmediate(this.#onRoom)
      this.#onRoom = undefined
    }
  }

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    for (const socket of sockets) {
      // A refusal that arrives between two sends is about a datagram counted as sent.
      socket.on('error', (error) => {
        if (this.sent > 0) this.sent--
        this.#countFailure(error)
      })
    }
  }

  /** Rejects with an OperatorError when the name is unknown or there is no way to the target. */
  static async open(host: string, port: number): Promise<OuterSockets> {
    const target = await lookup(host).catch((cause: NodeJS.ErrnoException) => {
      throw new OperatorError(
        `cannot resolve ${host} (${cause.code}); give an address or a name that this machine knows`,
        { cause },
      )
    })
    const type = target.family === 6 ? 'udp6' : 'udp4'
    const sockets = Array.from({ length: OUTER_SOCKETS }, () => createSocket({ type }))
    try {
      for (const socket of sockets) {
        const connected = once(socket, 'connect')
        socket.connect(port, target.address)
        await connected
      }
    } catch (error) {
      for (const socket of sockets) socket.close()
      const { code, message } = error as NodeJS.ErrnoException
      throw new OperatorError(
        `cannot send to ${host} port ${port} (${code ?? message}); check the address and the routes to it`,
        { cause: error },
      )
    }
    return new OuterSockets(sockets)
  }

  /** Source ports of the datagrams. */
  get ports(): number[] {
    return this.#sockets.map((socket) => socket.address().port)
  }

  /**
   * Sends `bytes[start, end)`, which must stay as it is until `settled`, from the
   * socket that `flow` chooses. Only while `room` says undefined.
   */
  send(bytes: Buffer, start: number, end: number, flow: number): void {
    this.#outstanding++
    this.#sockets[flow % OUTER_SOCKETS]!.send(bytes, start, end - start, this.#done)
  }

  /** Undefined when another datagram may be sent; else a promise that resolves when it may. */
  room(): Promise<void> | undefined {
    return this.#outstanding < OUTSTANDING_MAX ? undefined : this.#fallTo(OUTSTANDING_MAX >> 1)
  }

  /** Undefined when the fate of every datagram is known; else a promise that resolves when it is. */
  settled(): Promise<void> | undefined {
    return this.#outstanding === 0 ? undefined : this.#fallTo(0)
  }

  close(): void {
    for (const socket of this.#sockets) socket.close()
  }

  #fallTo(outstanding: number): Promise<void> {
    this.#room = outstanding
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }

  #countFailure(error: NodeJS.ErrnoException): void {
    const code = error.code ?? 'unknown'
    this.notSent.set(code, (this.notSent.get(code) ?? 0) + 1)
  }
}
