import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { MAPPED_WORD, parseAddress } from '../../wire/address.js'

/** One connection, and what is known of it. */
export interface Connection {
  /** As `clientOf` tells clients apart. */
  readonly client: string
  /** The reply last begun. */
  reply: ServerResponse | undefined
  request: IncomingMessage | undefined
  /** When it was taken, or the last reply ended; of `performance.now()`. */
  idleSince: number
  /** Bytes read when it was told that it will be closed. */
  leftAt: number | undefined
}

/**
 * The connections there are. A new one finds room in the place of an idle one: one of the same client,
 * when that has as many as a client may have, else one of the client that has the most idle ones.
 */
export class Connections {
  /** Closed for others. */
  evicted = 0
  /** Closed as soon as they came: there was no idle one to close for them. */
  refused = 0
  readonly #most: number
  readonly #mostOfClient: number
  readonly #all = new Map<Socket, Connection>()

  constructor(most: number, mostOfClient: number) {
    this.#most = most
    this.#mostOfClient = mostOfClient
  }

  get size(): number {
    return this.#all.size
  }

  /** False when there is no room for it. */
  take(socket: Socket): boolean {
    const client = clientOf(socket.remoteAddress ?? '')
    if (!this.#makeRoom(client)) {
      this.refused++
      return false
    }
    const idleSince = performance.now()
    const nothing = { reply: undefined, request: undefined, leftAt: undefined }
    this.#all.set(socket, { client, idleSince, ...nothing })
    socket.on('close', () => this.#all.delete(socket))
    return true
  }

  /** undefined once it is closed, or being closed for another. */
  of(socket: Socket): Connection | undefined {
    return this.#all.get(socket)
  }

  [Symbol.iterator](): IterableIterator<[Socket, Connection]> {
    return this.#all[Symbol.iterator]()
  }

  #makeRoom(client: string): boolean {
    let ofClient = 0
    for (const connection of this.#all.values()) if (connection.client === client) ofClient++
    if (ofClient >= this.#mostOfClient) return this.#evict(this.#idle().get(client) ?? [])
    if (this.#all.size < this.#most) return true
    let most: Socket[] = []
    for (const idle of this.#idle().values()) if (idle.length > most.length) most = idle
    return this.#evict(most)
  }

  /** By client, those with no request on them that is here whole and not answered. */
  #idle(): Map<string, Socket[]> {
    const idle = new Map<string, Socket[]>()
    for (const [socket, { client, request, reply }] of this.#all) {
      if (request?.complete === true && isUnderWay(reply)) continue
      const others = idle.get(client)
      if (others === undefined) idle.set(client, [socket])
      else others.push(socket)
    }
    return idle
  }

  /** Closes the one that has been idle longest. False when there is none. */
  #evict(idle: readonly Socket[]): boolean {
    let longest: Socket | undefined
    let since = Number.POSITIVE_INFINITY
    for (const socket of idle) {
      const { idleSince } = this.#all.get(socket)!
      if (idleSince >= since) continue
      since = idleSince
      longest = socket
    }
    if (longest === undefined) return false
    this.#all.delete(longest)
    longest.destroy()
    this.evicted++
    return true
  }
}

export function isUnderWay(reply: ServerResponse | undefined): boolean {
  return reply !== undefined && !reply.writableFinished && !reply.destroyed
}

/** What counts as one client: an IPv4 address, or the 64 bits of an IPv6 network, all of which one host may have. */
export function clientOf(address: string): string {
  const words = parseAddress(address)
  if (words === undefined) return address
  const [first, second, third, last] = words
  const isIpv4 = first === 0 && second === 0 && third === MAPPED_WORD
  return isIpv4 ? `4:${last}` : `6:${first}:${second}`
}
