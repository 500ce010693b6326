import { createSocket, type Socket, type SocketType } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { OUTER_SOCKETS, type OuterSockets } from './outer-sockets.js'

/** Datagrams that may be with the kernel unanswered, over all sockets. */
const OUTSTANDING_MAX = 64

/**
 * Sends datagrams to one target with Node's own sockets, wherever Node runs: one
 * system call each, with the checksum, the time to live and the DF bit that the
 * host gives to any datagram. What the network or a full socket does to one is
 * counted by the name of the error and never thrown.
 *
 * A target that refuses says so one datagram late, and then the kernel keeps the
 * next one back: the counts under ECONNREFUSED are of refusals that came back.
 */
export class DgramSockets implements OuterSockets {
  sent = 0
  octets = 0
  readonly notSent = new Map<string, number>()
  readonly lost: number[] = []

  readonly ports: readonly number[]
  readonly target: { readonly host: string; readonly port: number }
  readonly localHost: string
  readonly #sockets: readonly Socket[]
  #outstanding = 0
  #onRoom: (() => void) | undefined
  #room = 0

  #done(tag: number, error: Error | null, octets = 0): void {
    this.#outstanding--
    if (error === null) {
      this.sent++
      this.octets += octets
    } else {
      this.lost.push(tag)
      this.#countFailure(error)
    }
    if (this.#onRoom !== undefined && this.#outstanding <= this.#room) {
      // A turn of the event loop, or signals and timers would starve while the kernel keeps up.
      setImmediate(this.#onRoom)
      this.#onRoom = undefined
    }
  }

  /** False where there was no way to the target when they were opened. */
  readonly #isConnected: boolean

  private constructor(
    sockets: readonly Socket[],
    target: DgramSockets['target'],
    isConnected: boolean,
  ) {
    this.#sockets = sockets
    this.#isConnected = isConnected
    this.target = target
    this.ports = sockets.map((socket) => socket.address().port)
    this.localHost = sockets[0]!.address().address
    for (const socket of sockets) {
      // A refusal that arrives between two sends is about a datagram counted as sent.
      socket.on('error', (error) => {
        if (this.sent > 0) this.sent--
        this.#countFailure(error)
      })
    }
  }

  /** `host` is an IP address. Rejects with what the kernel answered when there is no way to it. */
  static async open(host: string, port: number): Promise<DgramSockets> {
    const type = isIPv6(host) ? 'udp6' : 'udp4'
    const target = { host, port }
    try {
      const sockets = await socketsBy(type, async (socket) => {
        const connected = once(socket, 'connect')
        socket.connect(port, host)
        await connected
      })
      return new DgramSockets(sockets, target, true)
    } catch (error) {
      if (!WAYLESS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
    // The way there may come later; until then each datagram fails by that name.
    const sockets = await socketsBy(type, async (socket) => {
      const bound = once(socket, 'listening')
      socket.bind()
      await bound
    })
    return new DgramSockets(sockets, target, false)
  }

  send(bytes: Buffer, start: number, end: number, flow: number, tag: number): void {
    this.#outstanding++
    const socket = this.#sockets[flow % OUTER_SOCKETS]!
    // A closure for each: Node makes more than that for a datagram.
    const done = (error: Error | null, octets: number): void => this.#done(tag, error, octets)
    if (this.#isConnected) socket.send(bytes, start, end - start, done)
    else socket.send(bytes, start, end - start, this.target.port, this.target.host, done)
  }

  room(): Promise<void> | undefined {
    return this.#outstanding < OUTSTANDING_MAX ? undefined : this.#fallTo(OUTSTANDING_MAX >> 1)
  }

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

/** What is said of a target to which there is no way, or not yet. */
const WAYLESS = new Set(['EADDRNOTAVAIL', 'EHOSTUNREACH', 'ENETDOWN', 'ENETUNREACH'])

async function socketsBy(
  type: SocketType,
  open: (socket: Socket) => Promise<void>,
): Promise<Socket[]> {
  // Addresses only: nothing is looked up.
  const lookup = (
    host: string,
    _: unknown,
    done: (e: null, host: string, family: number) => void,
  ) => done(null, host, type === 'udp6' ? 6 : 4)
  const sockets = Array.from({ length: OUTER_SOCKETS }, () => createSocket({ type, lookup }))
  try {
    for (const socket of sockets) await open(socket)
    return sockets
  } catch (error) {
    for (const socket of sockets) socket.close()
    throw error
  }
}
