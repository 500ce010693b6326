import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { IpfixReader, type IpfixRecord } from './ipfix-reader.js'

/**
 * What a collector on TCP does with each connection: reads it to its end; reads slowly; breaks it off,
 * or closes it in order, when it has read some; or reads nothing at all.
 */
export type CollectorFault = 'none' | 'slow' | 'reset' | 'close' | 'stall'

/** A collector on a port of loopback, which may be closed and opened again. */
export interface IpfixCollector {
  readonly port: number
  records(): IpfixRecord[]
  open(): Promise<void>
  close(): Promise<void>
}

export class TcpCollector implements IpfixCollector {
  fault: CollectorFault = 'none'
  port = 0
  #server: Server | undefined
  readonly #sockets = new Set<Socket>()
  readonly #readers: IpfixReader[] = []

  get connections(): number {
    return this.#readers.length
  }

  /** Of all connections, also those that it broke off. */
  records(): IpfixRecord[] {
    return this.#readers.flatMap(({ records }) => records)
  }

  async open(): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket))
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as { port: number }).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy()
    const closed = once(this.#server!, 'close')
    this.#server!.close()
    await closed
  }

  #take(socket: Socket): void {
    const reader = new IpfixReader()
    this.#readers.push(reader)
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    const { fault } = this
    if (fault === 'stall') {
      socket.pause()
      return
    }
    socket.on('data', (bytes: Buffer) => {
      reader.stream(bytes)
      if (fault === 'reset') socket.resetAndDestroy()
      else if (fault === 'close') socket.destroy()
      else if (fault === 'slow') {
        socket.pause()
        setTimeout(() => socket.resume(), 2)
      }
    })
    socket.on('end', () => socket.end())
  }
}

const SLOW_READER = `
const { createSocket } = require('node:dgram')
const { parentPort, workerData } = require('node:worker_threads')
const asleep = new Int32Array(new SharedArrayBuffer(4))
const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
socket.on('message', (bytes, { port }) => {
  parentPort.postMessage({ bytes, port })
  Atomics.wait(asleep, 0, 0, workerData.pauseMs)
})
socket.bind(workerData.port, '127.0.0.1', () => parentPort.postMessage(socket.address().port))
`

export class UdpCollector implements IpfixCollector {
  port = 0
  /** How long it sleeps after each datagram, while others wait in the kernel; when it opens next. */
  pauseMs = 0
  /** It closes when it has read so many. */
  closesAfter = Number.POSITIVE_INFINITY
  #read = 0
  #socket: UdpSocket | undefined
  #thread: Worker | undefined
  /** By the port that they came from: a transport session has one. */
  readonly #readers = new Map<number, IpfixReader>()

  get readers(): readonly IpfixReader[] {
    return [...this.#readers.values()]
  }

  records(): IpfixRecord[] {
    return this.readers.flatMap(({ records }) => records)
  }

  async open(): Promise<void> {
    if (this.pauseMs > 0) return this.#openThread()
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
    this.#socket = socket
    socket.on('message', (bytes, { port }) => {
      if (this.#read === this.closesAfter) return
      this.#readerOf(port).message(bytes)
      if (++this.#read === this.closesAfter) void this.close()
    })
    socket.bind(this.port, '127.0.0.1')
    await once(socket, 'listening')
    this.port = socket.address().port
  }

  async close(): Promise<void> {
    await this.#thread?.terminate()
    this.#thread = undefined
    const socket = this.#socket
    if (socket === undefined) return
    this.#socket = undefined
    const closed = once(socket, 'close')
    socket.close()
    await closed
  }

  /** A thread of its own: who sends is not to sleep with it. */
  async #openThread(): Promise<void> {
    const thread = new Worker(SLOW_READER, {
      eval: true,
      workerData: { port: this.port, pauseMs: this.pauseMs },
    })
    this.#thread = thread
    ;[this.port] = (await once(thread, 'message')) as [number]
    thread.on('message', ({ bytes, port }: { bytes: Uint8Array; port: number }) =>
      this.#readerOf(port).message(Buffer.from(bytes)),
    )
  }

  #readerOf(port: number): IpfixReader {
    let reader = this.#readers.get(port)
    if (reader === undefined) {
      reader = new IpfixReader()
      this.#readers.set(port, reader)
    }
    return reader
  }
}
