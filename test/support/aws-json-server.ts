import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { Refused } from '../../src/aws/protocol/protocol.js'
import { HeaderFields } from '../../src/aws/protocol/request.js'
import { Verifier } from '../../src/aws/sigv4/verifier.js'

const REGION = 'us-east-1'
const KEY = { userName: 'test', accessKeyId: 'AKIATEST', secretAccessKey: 'a secret of the test' }

/** What happens to a request. */
export type JsonFault =
  | 'none'
  /** Answers late. */
  | 'slow'
  | 'error'
  | 'throttling'
  | 'unavailable'
  | 'access-denied'
  /** Breaks the connection when the body has begun. */
  | 'reset'
  /** Does what the request asks for, and breaks the connection in place of the answer. */
  | 'no-answer'
  /** Takes the request and never answers. */
  | 'stall'

const SLOW_MS = 20

const ANSWERS = {
  error: [500, 'InternalFailure'],
  throttling: [400, 'ThrottlingException'],
  unavailable: [503, 'ServiceUnavailableException'],
  'access-denied': [400, 'AccessDeniedException'],
} as const

/** An error that the service itself answers with. */
export class ServiceError extends Error {}

/**
 * A service of AWS that speaks JSON, for one test. It checks what it is sent; what breaks a
 * rule of the service is answered with an error and kept, and the test fails.
 */
export abstract class AwsJsonServer {
  /** As in the scope of signatures. */
  protected abstract readonly service: string
  /** Before the operation in `X-Amz-Target`. */
  protected abstract readonly target: string
  /** Of JSON. */
  protected readonly version: '1.0' | '1.1' = '1.1'
  /** The environment variable that names its endpoint. */
  protected abstract readonly variable: string

  readonly #server: Server
  readonly #violations: string[] = []
  readonly #verifier = new Verifier({
    credentials: new Map([[KEY.accessKeyId, KEY]]),
    region: REGION,
    skewSeconds: 300,
    now: Date.now,
  })
  /** What happens to the requests to come; when it is used up, nothing does. */
  faults: JsonFault[] = []
  /** As long as it is set, every request meets it. */
  always: JsonFault = 'none'
  requests = 0
  #port = 0

  protected constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** Answers an operation, or throws ServiceError named as the service names it. */
  protected abstract answer(operation: string, input: Record<string, unknown>): object

  protected async listen(): Promise<void> {
    await this.open()
    onTestFinished(() => {
      this.#server.closeAllConnections()
      this.#server.close()
      this.check()
    })
  }

  /** Listens, again at the same port. */
  async open(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Nobody listens there any more. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** The environment in which the AWS SDK finds it. */
  get environment(): Record<string, string> {
    return {
      AWS_ACCESS_KEY_ID: KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey,
      [this.variable]: `http://127.0.0.1:${this.#port}`,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_REGION: REGION,
    }
  }

  /** Throws when a request broke a rule. */
  check(): void {
    if (this.#violations.length > 0) throw new Error(this.#violations.slice(0, 3).join('\n'))
  }

  /** Keeps that a rule of the service was broken, unless `isKept`. */
  protected rule(isKept: boolean, what: string): void {
    if (isKept) return
    this.#violations.push(`${this.service}: ${what}`)
    throw serviceError('InvalidParameterException', what)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++
    const fault = this.faults.shift() ?? this.always
    const reset = (): void => void request.socket.resetAndDestroy()
    request.on('error', () => undefined)
    if (fault === 'stall') return
    if (fault === 'reset') {
      request.once('data', reset).once('end', reset)
      return
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(request, 'end').catch(() => undefined)
    if (fault === 'slow') await delay(SLOW_MS)
    else if (fault !== 'none' && fault !== 'no-answer') {
      const [status, name] = ANSWERS[fault]
      this.#reply(response, status, { __type: name, message: 'as the script says' })
      return
    }
    try {
      const answer = this.#answer(request, Buffer.concat(chunks))
      if (fault === 'no-answer') return reset()
      this.#reply(response, 200, answer)
    } catch (error) {
      const { name, message } = error as Error
      if (!(error instanceof ServiceError)) this.#violations.push(message)
      this.#reply(response, 400, { __type: name, message })
    }
  }

  #reply(response: ServerResponse, status: number, answer: object): void {
    response.writeHead(status, { 'content-type': `application/x-amz-json-${this.version}` })
    response.end(JSON.stringify(answer))
  }

  #answer({ method, url, rawHeaders, headers }: IncomingMessage, body: Buffer): object {
    const proof = this.#verifier.verify(
      {
        method: method!,
        path: url!,
        query: '',
        headers: new HeaderFields(rawHeaders),
        body,
        sourceIpAddress: '127.0.0.1',
      },
      this.service,
    )
    this.rule(
      !(proof instanceof Refused),
      `signature: ${proof instanceof Refused && proof.message}`,
    )
    this.rule(method === 'POST' && url === '/', `${method} ${url}`)
    const type = headers['content-type']
    this.rule(type === `application/x-amz-json-${this.version}`, `content type ${type}`)
    const [target, operation = ''] = String(headers['x-amz-target']).split('.')
    this.rule(target === this.target, `target ${target}`)
    const json = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    return this.answer(operation, JSON.parse(json.toString()) as Record<string, unknown>)
  }
}

export function serviceError(name: string, message: string): ServiceError {
  return Object.assign(new ServiceError(message), { name })
}
