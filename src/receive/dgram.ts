import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '../errors.js'
import { DropCounter } from '../sys/drop-counter.js'
import { Datagram } from '../wire/packet.js'
import { dropWordIn, inodeIn, readProcUdp } from './proc-drops.js'
import { ReadClock } from './read-clock.js'
import type { Receiver, ReceiverOptions } from './receiver.js'
import { SourceCache } from './source-cache.js'

/** Where the socket cannot be told to refuse new datagrams: how long to go on taking them. */
const DRAIN_AT_MOST_MS = 1000

/** Node does not say which datagrams were read together: one is taken for the first of each of these. */
const BATCH_MS = 1

const LARGEST_BUFFER = 0x3fff_ffff

/** Anywhere Node runs. Throws OperatorError for what it cannot do, and Node's own error otherwise. */
export async function openDgram(options: ReceiverOptions): Promise<Receiver> {
  if (options.reusePort) {
    throw new OperatorError(
      'only the receiver recvmmsg (Linux, with the package koffi) lets several workers share a port: use it, or one worker',
    )
  }
  const family = isIPv6(options.host) ? 6 : 4
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' })
  try {
    const listening = once(socket, 'listening')
    socket.bind({ address: options.host, port: options.port, exclusive: true })
    await listening
    enlargeBuffer(socket, options.receiveBufferBytes)
    return new DgramReceiver(socket, family, options)
  } catch (error) {
    socket.close()
    throw error
  }
}

/**
 * One `message` event a datagram, and the time of the read for the time of arrival. The
 * kernel's losses are read from /proc, since neither Node nor libuv tells them.
 */
class DgramReceiver implements Receiver {
  readonly name = 'dgram'
  readonly address: { readonly host: string; readonly port: number }
  readonly receiveBufferBytes: number
  readonly #socket: Socket
  readonly #family: 4 | 6
  readonly #options: ReceiverOptions
  readonly #datagram = new Datagram()
  readonly #clock = new ReadClock()
  readonly #sources = new SourceCache()
  readonly #drops = new DropCounter()
  readonly #inode: string | undefined
  #handedOver = 0
  #batchAt = 0
  #released = false
  #closed: Promise<void> | undefined

  constructor(socket: Socket, family: 4 | 6, options: ReceiverOptions) {
    this.#socket = socket
    this.#family = family
    this.#options = options
    const { address, port } = socket.address()
    this.address = { host: address, port }
    this.receiveBufferBytes = socket.getRecvBufferSize()
    this.#inode = inodeIn(readProcUdp(family) ?? '', address, port)
    socket.on('message', (bytes, source) => this.#handOver(bytes, source))
    socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error))
  }

  #handOver(bytes: Buffer, source: RemoteInfo): void {
    const clock = this.#clock
    clock.read()
    const words = this.#sources.wordsOf(source.address)
    const out = this.#datagram
    out.bytes = bytes
    out.end = bytes.length
    out.seconds = clock.seconds
    out.nanoseconds = clock.nanoseconds
    out.source0 = words[0]!
    out.source1 = words[1]!
    out.source2 = words[2]!
    out.source3 = words[3]!
    out.sourcePort = source.port
    this.#handedOver++
    const { onDatagram, onBatch } = this.#options
    if (onBatch === undefined) {
      onDatagram(out)
      return
    }
    const began = performance.now()
    onDatagram(out)
    if (began - this.#batchAt < BATCH_MS) return
    this.#batchAt = began
    onBatch((performance.now() - began) * 1000)
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (error.code === 'EINTR' || error.code === 'ECONNREFUSED') return
    if (this.#closed !== undefined) return
    this.#release()
    this.#options.onError(error)
  }

  kernelDrops(): number | undefined {
    if (!this.#released) this.#updateDrops()
    return this.#inode === undefined ? undefined : this.#drops.total
  }

  #updateDrops(): void {
    if (this.#inode === undefined) return
    const word = dropWordIn(readProcUdp(this.#family) ?? '', this.#inode)
    if (word !== undefined) this.#drops.update(word)
  }

  abandon(): number {
    this.#release()
    return 0
  }

  close(): Promise<void> {
    this.#closed ??= this.#drainAndClose()
    return this.#closed
  }

  /** Until a turn of the event loop, in which it reads all sockets, has brought nothing. */
  async #drainAndClose(): Promise<void> {
    const refusing = await this.#refuse()
    const until = performance.now() + DRAIN_AT_MOST_MS
    let before: number
    do {
      before = this.#handedOver
      await nextTurn()
      await nextTurn()
    } while (this.#handedOver !== before && (refusing || performance.now() < until))
    this.#release()
  }

  /**
   * Connects the socket to itself: from then on the kernel queues here only what we send
   * ourselves, which is nothing, and what was queued stays. There is no other way to give
   * the queue an end with what Node offers.
   */
  #refuse(): Promise<boolean> {
    const { host, port } = this.address
    const self = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
    return new Promise((resolve) => {
      this.#socket.connect(port, self, (error?: Error) => resolve(error === undefined))
    })
  }

  #release(): void {
    if (this.#released) return
    this.#updateDrops()
    this.#released = true
    this.#socket.close()
  }
}

/** Linux grants less than asked in silence (net.core.rmem_max); others refuse, and then half may do. */
function enlargeBuffer(socket: Socket, bytes: number): void {
  const enough = socket.getRecvBufferSize()
  for (let asked = Math.min(bytes, LARGEST_BUFFER); ; asked = Math.floor(asked / 2)) {
    try {
      socket.setRecvBufferSize(asked)
      return
    } catch (error) {
      if (asked < enough) throw error
    }
  }
}
