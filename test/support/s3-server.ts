import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
// @ts-expect-error: it has no types
import S3rver from 's3rver'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from './temporary.js'

/** The only keys that s3rver knows. */
export const S3_KEYS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }

/** What stands between a client and the server does with the next request. */
export type Fault =
  | 'none'
  /** Passes the request on late. */
  | 'slow'
  /** Answers 500 without asking the server. */
  | 'error'
  /** Answers as S3 does to who sends too much. */
  | 'slow-down'
  | 'access-denied'
  /** Breaks the connection when the body has begun. */
  | 'reset'
  /** Passes the request on, and breaks the connection in place of the answer. */
  | 'no-answer'
  /** Takes the request and never answers. */
  | 'stall'

/** An S3 server with one bucket, and a door in front of it where things go wrong. */
export class S3Server {
  readonly bucket = 'logs'
  readonly #directory: string
  readonly #door: Server
  /** What happens to the requests to come; when it is used up, nothing does. */
  faults: Fault[] = []
  /** As long as it is set, every request meets it. */
  always: Fault = 'none'
  requests = 0
  #port = 0

  private constructor(directory: string, door: Server) {
    this.#directory = directory
    this.#door = door
  }

  static async start(): Promise<S3Server> {
    const directory = temporaryDirectory()
    const server = new S3rver({
      address: '127.0.0.1',
      port: 0,
      directory,
      silent: true,
      configureBuckets: [{ name: 'logs' }],
    })
    const { port } = (await server.run()) as AddressInfo
    const door = createServer()
    const own = new S3Server(directory, door)
    door.on('request', (incoming, outgoing) => {
      own.requests++
      const fault = own.faults.shift() ?? own.always
      if (fault === 'stall') return
      if (fault === 'reset') {
        const reset = (): void => void incoming.socket.resetAndDestroy()
        incoming.once('data', reset).once('end', reset)
        return
      }
      if (fault !== 'none' && fault !== 'slow' && fault !== 'no-answer') {
        incoming.resume()
        const [status, code] = ANSWERS[fault]
        incoming.on('end', () => {
          outgoing.writeHead(status, { 'content-type': 'application/xml' })
          outgoing.end(`<Error><Code>${code}</Code><Message>as the script says</Message></Error>`)
        })
        return
      }
      const { method, url, headers } = incoming
      const passed = request({ host: '127.0.0.1', port, method, path: url, headers })
      setTimeout(() => incoming.pipe(passed), fault === 'slow' ? SLOW_MS : 0)
      incoming.on('error', () => passed.destroy())
      passed.on('error', () => outgoing.destroy())
      passed.on('response', (answer: IncomingMessage) => {
        if (fault === 'no-answer') {
          answer.resume()
          answer.on('end', () => incoming.socket.resetAndDestroy())
          return
        }
        outgoing.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(outgoing)
      })
    })
    await own.open()
    onTestFinished(async () => {
      door.closeAllConnections()
      door.close()
      await server.close()
    })
    return own
  }

  /** Listens, again at the same port. */
  async open(): Promise<void> {
    this.#door.listen(this.#port, '127.0.0.1')
    await once(this.#door, 'listening')
    this.#port = (this.#door.address() as AddressInfo).port
  }

  /** Nobody listens there any more. */
  async close(): Promise<void> {
    const closed = once(this.#door, 'close')
    this.#door.close()
    this.#door.closeAllConnections()
    await closed
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The environment in which the AWS SDK finds it. */
  get environment(): Record<string, string> {
    return {
      ...S3_KEYS,
      AWS_ENDPOINT_URL_S3: this.url,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_REGION: 'us-east-1',
    }
  }

  /** Digests of every object in the bucket, by its key. */
  objects(): Map<string, string> {
    const bucket = join(this.#directory, this.bucket)
    const found = new Map<string, string>()
    if (!existsSync(bucket)) return found
    for (const entry of readdirSync(bucket, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(CONTENT)) continue
      const path = join(entry.parentPath, entry.name)
      if (path.includes('.s3rver_uploads')) continue
      const key = path.slice(bucket.length + 1, -CONTENT.length)
      found.set(key, digest(readFileSync(path)))
    }
    return found
  }
}

/** What is compared in place of megabytes. */
export function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** How s3rver names the content of an object. */
const CONTENT = '._S3rver_object'

const SLOW_MS = 20

const ANSWERS = {
  error: [500, 'InternalError'],
  'slow-down': [503, 'SlowDown'],
  'access-denied': [403, 'AccessDenied'],
} as const
