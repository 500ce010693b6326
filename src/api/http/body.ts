import type { IncomingMessage } from 'node:http'

/** How much of a body that is too long is still read, so that its sender gets to see the answer. */
const DISCARD_FACTOR = 4

const FIRST_BYTES = 16 * 1024

interface Reading {
  readonly client: string
  buffer: Buffer
  giveUp: () => void
}

/** Bodies on their way. What all of them hold together is bounded. */
export class Bodies {
  /** Given up for others. */
  givenUp = 0
  readonly #mostBytes: number
  #heldBytes = 0
  /** Longest on its way first. */
  readonly #readings = new Set<Reading>()

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /**
   * Reads the body of a request, at most `limit` bytes: `'too-large'` as soon as there are more, with what
   * follows thrown away. `'no-room'` when others needed its room, and of those of the client that holds
   * most it was longest on its way. undefined when the client went before it had sent all.
   */
  read(
    request: IncomingMessage,
    { limit, client }: { limit: number; client: string },
  ): Promise<Buffer | 'too-large' | 'no-room' | undefined> {
    return new Promise((resolve) => {
      let length = 0
      const giveUp = (): void => end('no-room')
      const reading: Reading = { client, buffer: Buffer.alloc(0), giveUp }
      const end = (outcome: Buffer | 'too-large' | 'no-room' | undefined): void => {
        if (this.#readings.delete(reading)) this.#heldBytes -= reading.buffer.length
        resolve(outcome)
      }
      this.#readings.add(reading)
      request.on('data', (chunk: Buffer) => {
        const before = length
        length += chunk.length
        if (length > DISCARD_FACTOR * limit) request.pause()
        if (length > limit) end('too-large')
        else if (this.#readings.has(reading)) {
          this.#grow(reading, length, limit)
          chunk.copy(reading.buffer, before)
        }
      })
      request.on('end', () => end(reading.buffer.subarray(0, length)))
      // One of the two comes whatever happens to the connection.
      request.on('error', () => end(undefined))
      request.on('close', () => end(undefined))
    })
  }

  /** In one piece: a client may send a byte at a time, each of which would be an object. */
  #grow(reading: Reading, length: number, limit: number): void {
    const { buffer } = reading
    if (length <= buffer.length) return
    const grown = Buffer.allocUnsafeSlow(
      Math.min(Math.max(length, 2 * buffer.length, FIRST_BYTES), limit),
    )
    buffer.copy(grown)
    this.#heldBytes += grown.length - buffer.length
    reading.buffer = grown
    while (this.#heldBytes > this.#mostBytes) {
      const other = this.#mostDispensable(reading)
      if (other === undefined) return
      this.givenUp++
      other.giveUp()
    }
  }

  /** Of all but `kept`: the longest on its way of the client that holds most. */
  #mostDispensable(kept: Reading): Reading | undefined {
    const byClient = new Map<string, { first: Reading; bytes: number }>()
    for (const reading of this.#readings) {
      const { client, buffer } = reading
      if (reading === kept || buffer.length === 0) continue
      const held = byClient.get(client)
      if (held === undefined) byClient.set(client, { first: reading, bytes: buffer.length })
      else held.bytes += buffer.length
    }
    let most: { first: Reading; bytes: number } | undefined
    for (const held of byClient.values())
      if (most === undefined || held.bytes > most.bytes) most = held
    return most?.first
  }
}

/** How a body begins: its first bytes, fewer where it is shorter or its sender goes. The rest stays unread. */
export function beginningOf(request: IncomingMessage, bytes: number): Promise<Buffer> {
  return new Promise((resolve) => {
    // In one piece: a client may send a byte at a time.
    const beginning = Buffer.alloc(bytes)
    let length = 0
    const end = (): void => {
      request.off('data', take)
      resolve(beginning.subarray(0, length))
    }
    const take = (chunk: Buffer): void => {
      length += chunk.copy(beginning, length)
      if (length === bytes) end()
    }
    request.on('data', take)
    request.once('end', end)
    request.once('error', end)
    request.once('close', end)
  })
}
