import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { Refused } from '../../aws/protocol/protocol.js'
import { HeaderFields, type RequestHead, splitTarget } from '../../aws/protocol/request.js'
import { OperatorError } from '../../errors.js'
import { errnoOf } from '../../sink/write-error.js'
import { readBody } from './body.js'
import type { Dispatcher, Reply } from './dispatcher.js'
import { type Route, routesByPath } from './route.js'

/** What one client, or all of them, may take. */
export interface ApiLimits {
  /** Octets. A thousand tags on a thousand resources are a tenth of it. */
  readonly bodyBytes: number
  /** Octets of request line and header fields. */
  readonly headerBytes: number
  /** Until the header fields are here, and until the whole request is. */
  readonly headersMs: number
  readonly requestMs: number
  /** A connection on which nothing happens, a reply that is not read included; and one between requests. */
  readonly idleMs: number
  readonly keepAliveMs: number
  /** Requests at work at a time; more are told to come back. */
  readonly requests: number
  /** More are closed at once. */
  readonly connections: number
  /** How long requests at work may take to end when the server closes. */
  readonly closeMs: number
}

export const API_LIMITS: ApiLimits = {
  bodyBytes: 1024 * 1024,
  headerBytes: 16 * 1024,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  keepAliveMs: 5_000,
  requests: 64,
  connections: 512,
  closeMs: 5_000,
}

/** How often Node looks for slow clients. */
const LOOK_EVERY_MS = 1000

export interface ApiServerOptions {
  /** An IP address. */
  readonly host: string
  /** 0 picks one. */
  readonly port: number
  readonly dispatcher: Dispatcher
  readonly routes: readonly Route[]
  readonly limits?: Partial<ApiLimits>
  /** One line for the operator. */
  readonly onProblem: (line: string) => void
}

/** The HTTP side of the API: sockets, limits and pages. What a request means is the dispatcher's. */
export class ApiServer {
  /** Turned away for `limits.requests`. */
  turnedAway = 0
  readonly #options: ApiServerOptions
  readonly #limits: ApiLimits
  readonly #routes: ReadonlyMap<string, Route>
  readonly #server: Server
  /** Every connection, and the reply last begun on it. */
  readonly #replies = new Map<Socket, ServerResponse | undefined>()
  #atWork = 0
  #closed: Promise<void> | undefined

  private constructor(options: ApiServerOptions) {
    this.#options = options
    this.#limits = { ...API_LIMITS, ...options.limits }
    this.#routes = routesByPath(options.routes)
    const { headerBytes, headersMs, requestMs, idleMs, keepAliveMs, connections } = this.#limits
    this.#server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(LOOK_EVERY_MS, headersMs, requestMs),
    })
    this.#server.timeout = idleMs
    this.#server.keepAliveTimeout = keepAliveMs
    this.#server.maxConnections = connections
    // Bounded by headerBytes; past a number Node would drop fields that may be signed.
    this.#server.maxHeadersCount = 0
    this.#server.on('connection', (socket: Socket) => {
      this.#replies.set(socket, undefined)
      socket.on('close', () => this.#replies.delete(socket))
    })
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response).catch((error: unknown) => {
        options.onProblem(`API: a bug, please report it: ${(error as Error).stack}`)
        response.destroy()
      })
    })
    this.#server.on('clientError', (error: Error, socket: Socket) => this.#refuse(error, socket))
  }

  /** Resolves when connections are taken. Throws OperatorError when the address cannot be had. */
  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const server = new ApiServer(options)
    const { host, port } = options
    try {
      server.#server.listen(port, host)
      await once(server.#server, 'listening')
    } catch (error) {
      throw new OperatorError(explain(`${hostInUrl(host)}:${port}`, error), { cause: error })
    }
    server.#server.on('error', (error) => options.onProblem(`API: ${error.message}`))
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** As clients take it for --endpoint-url. */
  get url(): string {
    return `http://${hostInUrl(this.#options.host)}:${this.port}`
  }

  /** Takes no more requests, lets those at work end, for a while, and closes every connection. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, 'close')
    // HTTP's own close cuts replies that are written but not sent, and leaves connections alone that
    // have not asked anything yet.
    NetServer.prototype.close.call(this.#server)
    for (const [socket, reply] of this.#replies) if (!isUnderWay(reply)) socket.destroy()
    const patience = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeMs)
    await closed
    clearTimeout(patience)
    // Nothing is left to cut; this ends the watch over slow clients.
    this.#server.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#replies.has(request.socket)) this.#replies.set(request.socket, response)
    // A client that goes is no error of ours.
    response.on('error', () => undefined)
    response.on('close', () => {
      // It was told that the connection would last.
      if (this.#closed !== undefined) request.socket.destroySoon()
    })
    const target = splitTarget(request.url ?? '')
    const head: RequestHead = {
      method: request.method ?? '',
      path: target?.path ?? '',
      query: target?.query ?? '',
      headers: new HeaderFields(request.rawHeaders),
      sourceIpAddress: request.socket.remoteAddress ?? '',
    }
    const route = this.#routeFor(head)
    if (route !== undefined) await this.#servePage(head, route, request, response)
    else await this.#serveCall(head, request, response)
  }

  #routeFor({ path, query, method }: RequestHead): Route | undefined {
    if (path === '/' && (query !== '' || (method !== 'GET' && method !== 'HEAD'))) return undefined
    return this.#routes.get(path)
  }

  async #servePage(
    { method }: RequestHead,
    route: Route,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    request.resume()
    if (method !== 'GET' && method !== 'HEAD') {
      this.#send(response, { status: 405, headers: { Allow: 'GET, HEAD' }, body: '' })
      return
    }
    const { status, contentType, body } = await route.answer()
    this.#send(response, { status, headers: { 'Content-Type': contentType }, body })
  }

  async #serveCall(
    head: RequestHead,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { dispatcher } = this.#options
    const body = await readBody(request, this.#limits.bodyBytes)
    if (body === undefined) return
    const refused = body === 'too-large' ? tooLarge(this.#limits) : misdirected(head)
    if (refused !== undefined || body === 'too-large') {
      const reply = dispatcher.refuse(head, refused!)
      // Of what comes behind a body without end, nothing would be the next request.
      if (body === 'too-large') response.setHeader('Connection', 'close')
      if (reply.status === 405) response.setHeader('Allow', 'GET, POST')
      this.#send(response, reply)
      return
    }
    if (this.#atWork >= this.#limits.requests) {
      this.turnedAway++
      const busy = new Refused('busy', 'Too many requests are at work; try again.')
      this.#send(response, dispatcher.refuse(head, busy))
      return
    }
    this.#atWork++
    try {
      this.#send(response, await dispatcher.answer({ ...head, body }))
    } finally {
      this.#atWork--
    }
  }

  #send(response: ServerResponse, reply: Omit<Reply, 'body'> & { body: string | Buffer }): void {
    const bytes = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
    if (!this.#server.listening) response.setHeader('Connection', 'close')
    response.writeHead(reply.status, { ...reply.headers, 'Content-Length': bytes.length })
    // To HEAD, Node sends the header fields alone.
    response.end(bytes)
  }

  /** What is not HTTP, too long, or too slow. */
  #refuse(error: Error, socket: Socket): void {
    const reply = this.#replies.get(socket)
    // Half of one reply and a whole other one would be neither.
    if (!socket.writable || (reply?.headersSent === true && isUnderWay(reply))) {
      socket.destroy()
      return
    }
    const [status, what] = REFUSED_BY_PARSER[errnoOf(error) ?? ''] ?? [400, 'This is not HTTP.']
    const { headers, body } = this.#options.dispatcher.refuse(
      { headers: new HeaderFields([]) },
      new Refused('malformed', what),
    )
    const fields = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
    // Whoever does not read it does not keep the connection.
    socket.destroySoon()
  }
}

function isUnderWay(reply: ServerResponse | undefined): boolean {
  return reply !== undefined && !reply.writableFinished && !reply.destroyed
}

const REFUSED_BY_PARSER: Readonly<Record<string, readonly [status: number, what: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The header fields are too long.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive.'],
}

function tooLarge({ bodyBytes }: ApiLimits): Refused {
  return new Refused('too-large', `The body is longer than ${bodyBytes} octets.`)
}

/** What neither service answers, whatever it says. */
function misdirected({ method, path }: RequestHead): Refused | undefined {
  if (path !== '/') return new Refused('unknown-path', 'The API is at the path / alone.')
  if (method === 'GET' || method === 'POST') return undefined
  return new Refused('wrong-method', 'The API answers GET and POST.')
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is taken; name another with --api ADDR:PORT, or --no-api',
  EADDRNOTAVAIL: 'this host has no such address; name one of its own with --api ADDR:PORT',
  EACCES: 'no permission; ports below 1024 need root, name a higher one with --api ADDR:PORT',
}

function explain(address: string, error: unknown): string {
  const code = errnoOf(error) ?? ''
  const advice = ADVICE[code] ?? (error as Error).message
  return `the API cannot listen on ${address}: ${advice}${code === '' ? '' : ` (${code})`}`
}
