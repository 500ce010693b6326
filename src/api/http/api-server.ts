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
import { Durations } from '../../durations.js'
import { adviceOn, OperatorError } from '../../errors.js'
import { errnoOf } from '../../sink/write-error.js'
import { Bodies, beginningOf } from './body.js'
import { Connections, clientOf, isUnderWay } from './connections.js'
import type { Denied, Dispatcher, Reply } from './dispatcher.js'
import { type EndlessPage, type Route, routesByPath } from './route.js'

export interface ApiCounts {
  /** Connections open now. */
  readonly connections: number
  /** Idle connections closed to make room, and connections refused because there was none. */
  readonly connectionsEvicted: number
  readonly connectionsRefused: number
  /** Requests whose body was dropped to make room, and requests refused because too many were at work. */
  readonly bodiesGivenUp: number
  readonly turnedAway: number
  /** Requests by status of the reply: 2xx, 4xx, 5xx. */
  readonly answered: number
  readonly refused: number
  readonly failed: number
}

/** Limits of one client, and of all of them. */
export interface ApiLimits {
  /** Bytes of a body. A call that tags a thousand resources a thousand times needs a tenth of it. */
  readonly bodyBytes: number
  /** Bytes of all bodies being received from authenticated senders, and again as many from all others. */
  readonly bodiesBytes: number
  /** Bytes of request line and header fields. */
  readonly headerBytes: number
  /** Time until the header fields have arrived, and until the whole request has. */
  readonly headersMs: number
  readonly requestMs: number
  /** Time without any progress on a connection, also if a reply is not read; and time between requests. */
  readonly idleMs: number
  readonly keepAliveMs: number
  /** Requests at work at the same time; others get 503. */
  readonly requests: number
  /** Open connections; for one more, the one idle longest is closed. */
  readonly connections: number
  /** Open connections of one client. A proxy is one client. */
  readonly connectionsOfClient: number
  /** How long requests at work may go on after the server was told to close. */
  readonly closeMs: number
}

export const API_LIMITS: ApiLimits = {
  bodyBytes: 1024 * 1024,
  bodiesBytes: 16 * 1024 * 1024,
  headerBytes: 16 * 1024,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  keepAliveMs: 5_000,
  requests: 64,
  connections: 512,
  connectionsOfClient: 256,
  closeMs: 5_000,
}

/** How long, and how much, is read of a connection that is being closed: with unread bytes, the kernel drops the reply. */
const LINGER_MS = 1000
const LINGER_BYTES = 256 * 1024

const NO_CALLS = { answered: 0, refused: 0, failed: 0 }

/** How often Node checks for slow clients. */
const LOOK_EVERY_MS = 1000

interface ApiServerOptions {
  /** An IP address. */
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Answers API calls; undefined for a server that has pages only. */
  readonly dispatcher: Dispatcher | undefined
  readonly routes: readonly Route[]
  /** What messages call this server, and the option with its address. */
  readonly as?: ServerName
  readonly limits?: Partial<ApiLimits>
  /** One line for the operator. */
  readonly onProblem: (line: string) => void
}

interface ServerName {
  readonly name: string
  readonly option: string
  /** Further advice if the address is not available. */
  readonly orElse: string
}

const THE_API: ServerName = { name: 'the API', option: '--api', orElse: ', or --no-api' }

type PageReply = Omit<Reply, 'body'> & { readonly body: string | Buffer }

/** The HTTP side of the API: sockets, limits and pages. What a request means is the dispatcher's. */
export class ApiServer {
  /** Requests refused because of `limits.requests`. */
  turnedAway = 0
  /** Requests from their header fields to the end of the reply. */
  readonly durations = new Durations()
  readonly #options: ApiServerOptions
  readonly #limits: ApiLimits
  readonly #routes: ReadonlyMap<string, Route>
  readonly #server: Server
  readonly #provenBodies: Bodies
  readonly #unprovenBodies: Bodies
  readonly #connections: Connections
  /** Replies that end only when the server closes. */
  readonly #endless = new Set<ServerResponse>()
  #atWork = 0
  #closed: Promise<void> | undefined

  private constructor(options: ApiServerOptions) {
    this.#options = options
    this.#limits = { ...API_LIMITS, ...options.limits }
    this.#routes = routesByPath(options.routes)
    const { connections, connectionsOfClient, bodiesBytes } = this.#limits
    this.#connections = new Connections(connections, connectionsOfClient)
    this.#provenBodies = new Bodies(bodiesBytes)
    this.#unprovenBodies = new Bodies(bodiesBytes)
    const { headerBytes, headersMs, requestMs, idleMs, keepAliveMs } = this.#limits
    this.#server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(LOOK_EVERY_MS, headersMs, requestMs),
    })
    this.#server.timeout = idleMs
    this.#server.keepAliveTimeout = keepAliveMs
    // headerBytes is the bound. With a limit on their number, Node would drop fields that may be signed.
    this.#server.maxHeadersCount = 0
    this.#server.on('connection', (socket: Socket) => this.#take(socket))
    const serve = (request: IncomingMessage, response: ServerResponse, isAsking: boolean): void => {
      this.#serve(request, response, isAsking).catch((error: unknown) => {
        options.onProblem(`API: a bug, please report it: ${(error as Error).stack}`)
        response.destroy()
      })
    }
    this.#server.on('request', (request, response) => serve(request, response, false))
    this.#server.on('checkContinue', (request, response) => serve(request, response, true))
    this.#server.on('clientError', (error: Error, socket: Socket) => this.#refuse(error, socket))
  }

  /** Resolves when connections are accepted. Throws OperatorError if the address is not available. */
  static async start(options: ApiServerOptions): Promise<ApiServer> {
    const server = new ApiServer(options)
    const { host, port } = options
    try {
      server.#server.listen(port, host)
      await once(server.#server, 'listening')
    } catch (error) {
      throw new OperatorError(explain(`${hostInUrl(host)}:${port}`, error, options.as), {
        cause: error,
      })
    }
    const { name } = options.as ?? THE_API
    server.#server.on('error', (error) => options.onProblem(`${name}: ${error.message}`))
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Counts of connections and requests, with those of the dispatcher. */
  get counts(): ApiCounts {
    const { size, evicted, refused } = this.#connections
    return {
      connections: size,
      connectionsEvicted: evicted,
      connectionsRefused: refused,
      bodiesGivenUp: this.#provenBodies.givenUp + this.#unprovenBodies.givenUp,
      turnedAway: this.turnedAway,
      ...(this.#options.dispatcher?.counts ?? NO_CALLS),
    }
  }

  /** The URL for --endpoint-url of clients. */
  get url(): string {
    return `http://${hostInUrl(this.#options.host)}:${this.port}`
  }

  /** Accepts no more requests, gives those at work some time to finish, then closes every connection. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, 'close')
    for (const response of this.#endless) response.end()
    // Node's own close would cut off replies that are not sent yet, and keep connections without a
    // request open.
    NetServer.prototype.close.call(this.#server)
    for (const [socket, { reply }] of this.#connections) if (!isUnderWay(reply)) socket.destroy()
    const patience = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeMs)
    await closed
    clearTimeout(patience)
    // All connections are closed; this stops the check for slow clients.
    this.#server.close()
  }

  #take(socket: Socket): void {
    if (!this.#connections.take(socket)) {
      socket.destroy()
      return
    }
    const { destroySoon } = socket
    socket.destroySoon = () => {
      // If a socket is closed with unread bytes, the kernel drops the reply as well.
      if (this.#closed === undefined) linger(socket)
      else destroySoon.call(socket)
    }
  }

  /** `isAsking`: the client waits for 100 Continue before it sends the body. */
  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    isAsking: boolean,
  ): Promise<void> {
    const connection = this.#connections.of(request.socket)
    if (connection !== undefined) Object.assign(connection, { request, reply: response })
    // A client that disconnects is not an error.
    response.on('error', () => undefined)
    const began = performance.now()
    response.on('close', () => {
      if (!this.#endless.has(response)) {
        this.durations.record((performance.now() - began) * 1000)
      }
      if (connection !== undefined) connection.idleSince = performance.now()
      // The reply said that the connection stays open.
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
    else await this.#serveCall(head, request, response, isAsking)
  }

  #routeFor({ path, query, method }: RequestHead): Route | undefined {
    if (path === '/' && (query !== '' || (method !== 'GET' && method !== 'HEAD'))) return undefined
    return this.#routes.get(path)
  }

  async #servePage(
    head: RequestHead,
    route: Route,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { method } = head
    request.resume()
    const allowed = route.method === 'POST' ? ['POST'] : ['GET', 'HEAD']
    if (!allowed.includes(method)) {
      this.#send(response, { status: 405, headers: { Allow: allowed.join(', ') }, body: '' })
      return
    }
    if (route.needsKey === true) {
      const refusal = this.#options.dispatcher?.admitPage(head)
      if (refusal !== undefined) {
        this.#send(response, refusal)
        return
      }
    }
    const page = await route.answer(head)
    const headers = { 'Content-Type': page.contentType, ...page.headers }
    if ('body' in page) this.#send(response, { status: page.status, headers, body: page.body })
    else this.#sendEndless(response, { ...page, headers }, method === 'HEAD')
  }

  #sendEndless(
    response: ServerResponse,
    page: EndlessPage & Required<Pick<EndlessPage, 'headers'>>,
    isHeadAlone: boolean,
  ): void {
    response.writeHead(page.status, { ...page.headers, Connection: 'close' })
    if (isHeadAlone || this.#closed !== undefined) {
      response.end()
      return
    }
    this.#endless.add(response)
    response.once('close', () => this.#endless.delete(response))
    response.flushHeaders()
    page.send(response)
  }

  async #serveCall(
    head: RequestHead,
    request: IncomingMessage,
    response: ServerResponse,
    isAsking: boolean,
  ): Promise<void> {
    const { dispatcher } = this.#options
    if (dispatcher === undefined) {
      request.resume()
      const paths = [...this.#routes.keys()].join(', ')
      const headers = { 'Content-Type': 'text/plain; charset=utf-8' }
      this.#send(response, { status: 404, headers, body: `Here are ${paths}.\n` })
      return
    }
    const { bodyBytes } = this.#limits
    const length = Number(head.headers.get('content-length') ?? 0)
    const isChunked = head.headers.get('transfer-encoding') !== undefined
    // What follows on this connection is not the start of a request.
    if (isAsking || isChunked || length > bodyBytes) response.setHeader('Connection', 'close')
    const refused =
      misdirected(head) ?? (length > bodyBytes ? unread('too-large', this.#limits) : undefined)
    if (refused !== undefined) {
      const reply = dispatcher.refuse(head, refused)
      if (reply.status === 405) response.setHeader('Allow', 'GET, POST')
      this.#send(response, reply)
      return
    }
    const admission = dispatcher.admit(head, isChunked || length > 0)
    if ('reply' in admission) {
      await this.#deny(admission, request, response)
      return
    }
    if (isAsking) response.writeContinue()
    const bodies = admission.isProven ? this.#provenBodies : this.#unprovenBodies
    const client = clientOf(head.sourceIpAddress)
    const body = await bodies.read(request, { limit: bodyBytes, client })
    if (body === undefined) return
    if (typeof body === 'string') {
      response.setHeader('Connection', 'close')
      this.#send(response, dispatcher.refuse(head, unread(body, this.#limits)))
      return
    }
    response.removeHeader('Connection')
    if (this.#atWork >= this.#limits.requests) {
      this.turnedAway++
      const busy = new Refused('busy', 'Too many requests are at work; try again.')
      this.#send(response, dispatcher.refuse(head, busy))
      return
    }
    this.#atWork++
    try {
      this.#send(response, await dispatcher.answer({ ...head, body }, admission))
    } finally {
      this.#atWork--
    }
  }

  /** Answers at once. What the audit log needs of the body is read afterwards; Node skips the rest. */
  async #deny(denied: Denied, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { reply, beginningBytes } = denied
    if (beginningBytes === 0) {
      this.#send(response, reply)
      await denied.audit(Buffer.alloc(0))
      return
    }
    response.write(this.#begin(response, reply))
    await denied.audit(await beginningOf(request, beginningBytes))
    response.end()
  }

  #send(response: ServerResponse, reply: PageReply): void {
    // For HEAD, Node sends only the header fields.
    response.end(this.#begin(response, reply))
  }

  /** Writes the header fields of a reply, and returns the body. */
  #begin(response: ServerResponse, { status, headers, body }: PageReply): Buffer {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    if (!this.#server.listening) response.setHeader('Connection', 'close')
    response.writeHead(status, { ...headers, 'Content-Length': bytes.length })
    return bytes
  }

  /** Input that is not HTTP, too long or too slow. */
  #refuse(error: Error, socket: Socket): void {
    const connection = this.#connections.of(socket)
    if (connection?.leftAt !== undefined) {
      // The connection is being closed already.
      if (socket.bytesRead - connection.leftAt > LINGER_BYTES) socket.destroy()
      return
    }
    if (!socket.writable || connection === undefined) {
      socket.destroy()
      return
    }
    connection.leftAt = socket.bytesRead
    // Node has removed its own listener.
    socket.on('error', () => socket.destroy())
    const { reply, request } = connection
    if (!isUnderWay(reply)) this.#tellRefused(error, socket)
    else if (request?.complete === true) {
      // Earlier requests are answered first.
      reply!.once('close', () => this.#tellRefused(error, socket))
    } else if (reply!.headersSent) socket.destroy()
    else this.#tellRefused(error, socket)
  }

  #tellRefused(error: Error, socket: Socket): void {
    if (!socket.writable) return
    const [status, what] = REFUSED_BY_PARSER[errnoOf(error) ?? ''] ?? [400, 'This is not HTTP.']
    const refused = { headers: new HeaderFields([]) }
    const { headers, body } = this.#options.dispatcher?.refuse(
      refused,
      new Refused('malformed', what),
    ) ?? { headers: {}, body: `${what}\n` }
    const fields = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
    socket.destroySoon()
  }
}

/** Ends a connection, but reads from it for a while. */
function linger(socket: Socket): void {
  if (socket.destroyed) return
  socket.end()
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
}

const REFUSED_BY_PARSER: Readonly<Record<string, readonly [status: number, what: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The header fields are too long.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive.'],
}

function unread(why: 'too-large' | 'no-room', { bodyBytes }: ApiLimits): Refused {
  if (why === 'no-room') return new Refused('busy', 'Too many bodies are on their way; try again.')
  return new Refused('too-large', `The body is longer than ${bodyBytes} bytes.`)
}

/** Refuses a request whose path or method no service answers. */
function misdirected({ method, path }: RequestHead): Refused | undefined {
  if (path !== '/') return new Refused('unknown-path', 'The API is at the path / alone.')
  if (method === 'GET' || method === 'POST') return undefined
  return new Refused('wrong-method', 'The API answers GET and POST.')
}

function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function explain(
  address: string,
  error: unknown,
  { name, option, orElse }: ServerName = THE_API,
): string {
  const code = errnoOf(error) ?? ''
  const advice = adviceOn(error, 'serve', { option, orElse }) ?? (error as Error).message
  return `${name} cannot listen on ${address}: ${advice}${code === '' ? '' : ` (${code})`}`
}
