import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { IpfixPlace } from './delivery-url.js'
import { DeliveryError, type Destination } from './destination.js'
import { FileProgress } from './file-progress.js'
import { IpfixMessages } from './ipfix-messages.js'
import { networkFailure } from './network-failure.js'
import type { QueuedRecord } from './queued-records.js'

/** Of a connection, which has the records of one chunk. */
const CHUNK = { records: 20_000, bytes: 8 * 1024 * 1024 }
const MESSAGE_LEN_MAX = 16 * 1024

/** How long the collector may neither read nor close. */
const SILENCE_MS = 60_000
/**
 * Between the last byte and our end of the connection. What was written is with the collector by
 * then, so that its own end, if it comes before ours, cannot be taken for the answer to it.
 */
const SETTLE_MS = 100

/**
 * Records as messages on a connection. TCP says of what was written only that it was taken by our
 * own kernel. So each chunk has a connection of its own, and has arrived when the collector, which
 * has then read our end of it, has closed its own without an error.
 */
export function openIpfixOverTcp(
  place: Pick<IpfixPlace, 'host' | 'port'>,
  silenceMs = SILENCE_MS,
): Destination {
  const progress = new FileProgress()

  async function send(records: readonly QueuedRecord[], signal: AbortSignal): Promise<void> {
    const messages = new IpfixMessages(MESSAGE_LEN_MAX)
    const socket = connect({ host: place.host, port: place.port, allowHalfOpen: true })
    const connection = new Connection(socket, silenceMs)
    try {
      await connection.opened(signal)
      for (const message of messages.of(records, Date.now)) await connection.write(message, signal)
      await connection.end(signal)
    } catch (error) {
      signal.throwIfAborted()
      throw networkFailure(error, 'the collector')
    } finally {
      socket.destroy()
    }
  }

  return {
    concurrency: 1,
    deliver: (file, signal, onArrived) =>
      progress.deliver(file, CHUNK, async (records) => {
        await send(records, signal)
        onArrived()
      }),
    close: async () => undefined,
  }
}

/** A connection that is only written to. */
class Connection {
  readonly #socket: Socket
  /** Aborted when nothing more can be written. */
  readonly #failed = new AbortController()
  readonly #ended: Promise<unknown>

  constructor(socket: Socket, silenceMs: number) {
    this.#socket = socket
    const fail = (error: Error) => this.#failed.abort(error)
    socket.on('error', fail)
    socket.setTimeout(silenceMs, () =>
      fail(new DeliveryError('Unknown error', 'the collector has read nothing for too long')),
    )
    // What a collector says, if anything, has no meaning.
    socket.resume()
    this.#ended = new Promise((resolve) => socket.once('end', resolve))
  }

  async opened(signal: AbortSignal): Promise<void> {
    await this.#unlessFailed(once(this.#socket, 'connect', { signal: this.#either(signal) }))
  }

  async write(bytes: Buffer, signal: AbortSignal): Promise<void> {
    this.#check()
    if (this.#socket.write(bytes)) return
    await this.#unlessFailed(once(this.#socket, 'drain', { signal: this.#either(signal) }))
  }

  /** Resolves when the collector has read everything and closed. */
  async end(signal: AbortSignal): Promise<void> {
    await this.#unlessFailed(delay(SETTLE_MS, undefined, { signal: this.#either(signal) }))
    this.#check()
    this.#socket.end()
    const failed = new Promise<never>((_, reject) => {
      const either = this.#either(signal)
      const stop = () => reject(either.reason as Error)
      if (either.aborted) stop()
      else either.addEventListener('abort', stop, { once: true })
    })
    await Promise.race([this.#ended, failed])
  }

  #either(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#failed.signal])
  }

  #check(): void {
    this.#failed.signal.throwIfAborted()
    if (this.#socket.readableEnded) {
      throw new DeliveryError('Unknown error', 'the collector closed the connection too early')
    }
  }

  async #unlessFailed(awaited: Promise<unknown>): Promise<void> {
    try {
      await awaited
    } catch (error) {
      // The reason, and not that something was aborted for it.
      this.#failed.signal.throwIfAborted()
      throw error
    }
  }
}
