import type { IncomingMessage } from 'node:http'

/** How much of a body that is too long is still read, so that its sender gets to see the answer. */
const DISCARD_FACTOR = 4

const FIRST_BYTES = 16 * 1024

interface Reading {
  buffer: Buffer
  giveUp: () => void
}

/** Bodies on their way. Nobody knows yet who sends them, so what all of them hold together is bounded. */
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
   * follows thrown away. `'no-room'` when it was longest on its way and others needed its room. undefined
   * when the client went before it had sent all.
   */
  read(
    request: IncomingMessage,
    limit: number,
  ): Promise<Buffer | 'too-large' | 'no-room' | undefined> {
    return new Promise((resolve) => {
      let length = 0
      const reading: Reading = { buffer: Buffer.alloc(0), giveUp: () => end('no-room') }
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
    for (const other of this.#readings) {
      if (this.#heldBytes <= this.#mostBytes) return
      if (other === reading) continue
      this.givenUp++
      other.giveUp()
    }
  }
}
