import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { MirroredPacket } from '../appliance/packet-ring.js'
import { OperatorError } from '../errors.js'
import { ExpressionFilter } from '../filter/expression-filter.js'
import { errnoOf } from '../sink/write-error.js'
import type { Frame } from '../wire/frame.js'
import type { PcapServerOptions } from './messages.js'
import { PcapReader } from './pcap-reader.js'

/** Readers at a time, over all ports. */
export const READERS_MAX = 16

/** What servers have of each other and of who starts them. */
export interface ReadersOwner {
  /** Readers of all servers. */
  readonly readers: number
  /** One has come or gone. */
  changed(): void
  say(line: string): void
}

/** A port where readers get the packets that a filter wants. */
export class PcapServer {
  readonly #owner: ReadersOwner
  readonly #server: Server
  readonly #filter: ExpressionFilter | undefined
  readers: readonly PcapReader[] = []

  private constructor(server: Server, filter: ExpressionFilter | undefined, owner: ReadersOwner) {
    this.#server = server
    this.#filter = filter
    this.#owner = owner
    // Such as no descriptor left for a connection: there will be another.
    server.on('error', () => undefined)
    server.on('connection', (socket) => this.#welcome(socket))
  }

  /** Throws OperatorError. */
  static async open(
    { host, port, filter }: PcapServerOptions,
    owner: ReadersOwner,
  ): Promise<PcapServer> {
    const compiled = filter === undefined ? undefined : new ExpressionFilter(filter, owner.say)
    const server = createServer({ noDelay: true })
    const opened = new PcapServer(server, compiled, owner)
    server.listen({ host, port })
    try {
      await once(server, 'listening')
    } catch (error) {
      throw new OperatorError(
        `cannot serve packets at ${host} port ${port} (${errnoOf(error) ?? String(error)}): name an address of this host and a free port`,
        { cause: error },
      )
    }
    return opened
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get hasFilter(): boolean {
    return this.#filter !== undefined
  }

  /** `frame`: what is in the packet; looked at where there is a filter. */
  take(packet: MirroredPacket, frame: Frame): void {
    const { readers } = this
    if (readers.length === 0) return
    if (this.#filter?.accepts(packet, frame, packet.session) === false) return
    for (let index = 0; index < readers.length; index++) readers[index]!.take(packet)
  }

  async close(): Promise<void> {
    this.#server.close()
    await Promise.all(this.readers.map((reader) => reader.close()))
  }

  #welcome(socket: Socket): void {
    socket.on('error', () => undefined)
    if (this.#owner.readers >= READERS_MAX) {
      this.#owner.say(`a reader was refused: there are ${READERS_MAX}, and that is the most`)
      socket.destroy()
      return
    }
    const reader = new PcapReader(socket)
    this.readers = [...this.readers, reader]
    this.#owner.changed()
    // Tools wait for the header before they say that they listen: packets come from now on.
    reader.flush()
    socket.on('close', () => {
      reader.fail()
      this.readers = this.readers.filter((one) => one !== reader)
      this.#owner.say(`${reader.name} has read ${reader.packets} packets, and lost ${reader.lost}`)
      this.#owner.changed()
    })
  }
}
