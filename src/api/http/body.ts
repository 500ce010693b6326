import type { IncomingMessage } from 'node:http'

/** How much of a body that is too long is still read, so that its sender gets to see the answer. */
const DISCARD_FACTOR = 4

/**
 * Reads the body of a request, at most `limit` octets. `'too-large'` for more, after what follows has been
 * thrown away (or there was no end to it); undefined when the client went before it had sent all.
 */
export function readBody(
  request: IncomingMessage,
  limit: number,
): Promise<Buffer | 'too-large' | undefined> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else chunks = []
      if (length > DISCARD_FACTOR * limit) {
        request.pause()
        resolve('too-large')
      }
    })
    request.on('end', () => resolve(length > limit ? 'too-large' : Buffer.concat(chunks, length)))
    // One of the two comes whatever happens to the connection.
    request.on('error', () => resolve(undefined))
    request.on('close', () => resolve(undefined))
  })
}
