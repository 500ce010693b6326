import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** A UDP socket on loopback that keeps what it is sent. */
export class UdpTarget {
  readonly datagrams: { payload: Buffer; port: number }[] = []
  readonly #socket: Socket
  #onArrival: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (payload, { port }) => {
      this.datagrams.push({ payload, port })
      this.#onArrival?.()
    })
  }

  static async open(type: 'udp4' | 'udp6' = 'udp4'): Promise<UdpTarget> {
    const socket = createSocket({ type, recvBufferSize: 4 * 1024 * 1024 })
    socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1')
    await once(socket, 'listening')
    return new UdpTarget(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** Resolves when `count` datagrams are there. */
  async received(count: number): Promise<void> {
    while (this.datagrams.length < count) {
      await new Promise<void>((resolve) => {
        this.#onArrival = resolve
      })
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }
}
