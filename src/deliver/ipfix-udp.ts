import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { IpfixPlace } from './delivery-url.js'
import type { Destination } from './destination.js'
import { FileProgress } from './file-progress.js'
import { IpfixMessages } from './ipfix-messages.js'
import { networkFailure } from './network-failure.js'
import type { QueuedRecord } from './queued-records.js'

/** What every path of IPv6 carries (RFC 8200 §5), and of IPv4 in practice. */
export const MTU_DEFAULT = 1280
const HEADERS_LEN = { udp4: 20 + 8, udp6: 40 + 8 }

/** Templates are repeated, since a datagram with them may be lost and collectors forget (RFC 7011 §8.4). */
const REFRESH = { messages: 200, milliseconds: 60_000 }

/** This many datagrams at a time, with a pause after them: a collector's buffer holds about a hundred. */
const BURST = 16
const PAUSE_MS = 10
/** How long after a chunk one may hear that nobody listens there. */
const LISTEN_MS = 50

/** What is sent again when it turns out that nobody listens. */
const CHUNK = { records: 2000, bytes: 1024 * 1024 }

/**
 * Records as datagrams. UDP confirms nothing: a record has arrived when it has been sent and no
 * error has come back, which tells of a port where nobody listens, and not of a network that loses.
 */
export function openIpfixOverUdp(place: Pick<IpfixPlace, 'host' | 'port' | 'mtu'>): Destination {
  const progress = new FileProgress()
  let exporter: Exporter | undefined

  async function send(records: readonly QueuedRecord[], signal: AbortSignal): Promise<void> {
    try {
      exporter ??= await Exporter.open(place)
      await exporter.send(records, signal)
    } catch (error) {
      exporter?.close()
      exporter = undefined
      signal.throwIfAborted()
      throw networkFailure(error, 'the collector')
    }
  }

  return {
    concurrency: 1,
    deliver: (file, signal, onArrived) =>
      progress.deliver(file, CHUNK, async (records) => {
        await send(records, signal)
        onArrived()
      }),
    close: async () => exporter?.close(),
  }
}

/** A socket, and the transport session that its messages are of. */
class Exporter {
  readonly #socket: Socket
  readonly #messages: IpfixMessages
  #error: Error | undefined = undefined

  private constructor(socket: Socket, messageLenMax: number) {
    this.#socket = socket
    this.#messages = new IpfixMessages(messageLenMax, REFRESH)
    socket.on('error', (error) => {
      this.#error ??= error
    })
  }

  static async open({
    host,
    port,
    mtu,
  }: Pick<IpfixPlace, 'host' | 'port' | 'mtu'>): Promise<Exporter> {
    const { address, family } = await lookup(host)
    const type = family === 6 ? 'udp6' : 'udp4'
    const socket = createSocket(type)
    try {
      // Connected: only so is one told that nobody listens there.
      socket.connect(port, address)
      await once(socket, 'connect')
      return new Exporter(socket, (mtu ?? MTU_DEFAULT) - HEADERS_LEN[type])
    } catch (error) {
      socket.close()
      throw error
    }
  }

  async send(records: readonly QueuedRecord[], signal: AbortSignal): Promise<void> {
    let burst = 0
    for (const message of this.#messages.of(records, Date.now)) {
      await this.#sendOne(message)
      burst++
      // The first tells whether anybody listens; others would be lost for nothing.
      if (this.#isNew) await this.#listen(signal)
      else if (burst % BURST === 0) await delay(PAUSE_MS, undefined, { signal })
    }
    await this.#listen(signal)
  }

  close(): void {
    this.#socket.close()
  }

  /** Nothing has been sent yet that could have been answered. */
  #isNew = true

  async #listen(signal: AbortSignal): Promise<void> {
    await delay(LISTEN_MS, undefined, { signal })
    this.#check()
    this.#isNew = false
  }

  #sendOne(message: Buffer): Promise<void> {
    this.#check()
    return new Promise((resolve, reject) => {
      this.#socket.send(message, (error) => (error == null ? resolve() : reject(error)))
    })
  }

  #check(): void {
    if (this.#error !== undefined) throw this.#error
  }
}
