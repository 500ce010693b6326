import { spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/** A bound UDP socket to send from. */
export class UdpSender {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async open(host: string): Promise<UdpSender> {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    const listening = once(socket, 'listening')
    socket.bind(0, host)
    await listening
    return new UdpSender(socket)
  }

  get port(): number {
    return this.#socket.address().port
  }

  /** Resolves when the kernel has taken it; on loopback it is then in the receiver's queue, or dropped. */
  send(bytes: Buffer, port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, port, host, (error) => (error ? reject(error) : resolve()))
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }
}

const BURST = `
  const [count, length, port, host] = process.argv.slice(1)
  const socket = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const bytes = Buffer.alloc(Number(length))
  let sent = 0
  const next = (error) => {
    if (error) throw error
    if (sent === Number(count)) return socket.close()
    bytes.writeUInt32BE(sent++)
    socket.send(bytes, Number(port), host, next)
  }
  next()
`

/**
 * Sends numbered datagrams from another process and returns when all are sent. The event
 * loop of this one stands still meanwhile, so nothing is read from its sockets.
 */
export function burst(count: number, length: number, port: number, host: string): void {
  const args = ['-e', BURST, String(count), String(length), String(port), host]
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the sender failed: ${stderr}`)
}
