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
import { Bodies } from './body.js'
import type { Dispatcher, Reply } from './dispatcher.js'
import { type Route, routesByPath } from './route.js'

/** What one client, or all of them, may take. */
export interface ApiLimits {
  /** Octets. A thousand tags on a thousand resources are a tenth of it. */
  readonly bodyBytes: number
  /** Bytes that all bodies on their way hold together. */
  readonly bodiesBytes: number
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
  /** For one more, the one that has been idle longest is closed. */
  readonly connections: number
  /** How long requests at work may take to end when the server closes. */
  readonly closeMs: number
}

export const API_LIMITS: ApiLimits = {
  bodyBytes: 1024 * 1024,
  bodiesBytes: 32 * 1024 * 1024,
  headerBytes: 16 * 1024,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  keepAliveMs: 5_000,
  requests: 64,
  connections: 512,
  closeMs: 5_000,
}

/** How long a connection that is closed is still read, and how much of it: what is unread would take the reply with it. */
const LINGER_MS = 1000
const LINGER_BYTES = 256 * 1024

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

/** One connection, and what is known of it. */
interface Connection {
  /** The reply last begun. */
  reply: ServerResponse | undefined
  request: IncomingMessage | undefined
  /** When it was taken, or the last reply ended; of `performance.now()`. */
  idleSince: number
  /** Bytes read when it was told that it will be closed. */
  leftAt: number | undefined
}

/** The HTTP side of the API: sockets, limits and pages. What a request means is the dispatcher's. */
export class ApiServer {
  /** Turned away for `limits.requests`. */
  turnedAway = 0
  /** Connections closed for others. */
  evicted = 0
  readonly #options: ApiServerOptions
  readonly #limits: ApiLimits
  readonly #routes: ReadonlyMap<string, Route>
  readonly #server: Server
  readonly #bodies: Bodies
  readonly #connections = new Map<Socket, Connection>()
  #atWork = 0
  #closed: Promise<void> | undefined

  private constructor(options: ApiServerOptions) {
    this.#options = options
    this.#limits = { ...API_LIMITS, ...options.limits }
    this.#routes = routesByPath(options.routes)
    this.#bodies = new Bodies(this.#limits.bodiesBytes)
    const { headerBytes, headersMs, requestMs, idleMs, keepAliveMs } = this.#limits
    this.#server = createServer({
      maxHeaderSize: headerBytes,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(LOOK_EVERY_MS, headersMs, requestMs),
    })
    this.#server.timeout = idleMs
    this.#server.keepAliveTimeout = keepAliveMs
    // Bounded by headerBytes; past a number Node would drop fields that may be signed.
    this.#server.maxHeadersCount = 0
    this.#server.on('connection', (socket: Socket) => this.#take(socket))
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
    for (const [socket, { reply }] of this.#connections) if (!isUnderWay(reply)) socket.destroy()
    const patience = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeMs)
    await closed
    clearTimeout(patience)
    // Nothing is left to cut; this ends the watch over slow clients.
    this.#server.close()
  }

  #take(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections && !this.#evict()) {
      socket.destroy()
      return
    }
    const idleSince = performance.now()
    this.#connections.set(socket, {
      reply: undefined,
      request: undefined,
      idleSince,
      leftAt: undefined,
    })
    socket.on('close', () => this.#connections.delete(socket))
    const { destroySoon } = socket
    socket.destroySoon = () => {
      // What is unread when a socket is closed has the kernel throw away the reply as well.
      if (this.#closed === undefined) linger(socket)
      else destroySoon.call(socket)
    }
  }

  /**
   * Closes the connection that has been idle longest, of the address that has the most idle ones: no
   * request on it is here whole. False when there is none.
   */
  #evict(): boolean {
    const byAddress = new Map<string, Socket[]>()
    for (const [socket, { request, reply }] of this.#connections) {
      if (request?.complete === true && isUnderWay(reply)) continue
      const address = socket.remoteAddress ?? ''
      const idle = byAddress.get(address)
      if (idle === undefined) byAddress.set(address, [socket])
      else idle.push(socket)
    }
    let most: Socket[] = []
    for (const idle of byAddress.values()) if (idle.length > most.length) most = idle
    let longest: Socket | undefined
    let since = Number.POSITIVE_INFINITY
    for (const socket of most) {
      const { idleSince } = this.#connections.get(socket)!
      if (idleSince >= since) continue
      since = idleSince
      longest = socket
    }
    if (longest === undefined) return false
    this.#connections.delete(longest)
    longest.destroy()
    this.evicted++
    return true
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.get(request.socket)
    if (connection !== undefined) Object.assign(connection, { request, reply: response })
    // A client that goes is no error of ours.
    response.on('error', () => undefined)
    response.on('close', () => {
      if (connection !== undefined) connection.idleSince = performance.now()
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
    const reading = this.#bodies.read(request, this.#limits.bodyBytes)
    const isTooLong = Number(head.headers.get('content-length') ?? 0) > this.#limits.bodyBytes
    const body = isTooLong ? 'too-large' : await reading
    if (body === undefined) return
    if (typeof body === 'string') {
      // Of what comes behind, nothing would be the next request.
      response.setHeader('Connection', 'close')
      this.#send(response, dispatcher.refuse(head, unread(body, this.#limits)))
      return
    }
    const refused = misdirected(head)
    if (refused !== undefined) {
      const reply = dispatcher.refuse(head, refused)
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
    const connection = this.#connections.get(socket)
    if (connection?.leftAt !== undefined) {
      // More rubbish behind the first.
      if (socket.bytesRead - connection.leftAt > LINGER_BYTES) socket.destroy()
      return
    }
    if (!socket.writable || connection === undefined) {
      socket.destroy()
      return
    }
    connection.leftAt = socket.bytesRead
    // Node has taken its own away.
    socket.on('error', () => socket.destroy())
    const { reply, request } = connection
    if (!isUnderWay(reply)) this.#tellRefused(error, socket)
    else if (request?.complete === true) {
      // What came before is answered before.
      reply!.once('close', () => this.#tellRefused(error, socket))
    } else if (reply!.headersSent) socket.destroy()
    else this.#tellRefused(error, socket)
  }

  #tellRefused(error: Error, socket: Socket): void {
    if (!socket.writable) return
    const [status, what] = REFUSED_BY_PARSER[errnoOf(error) ?? ''] ?? [400, 'This is not HTTP.']
    const { headers, body } = this.#options.dispatcher.refuse(
      { headers: new HeaderFields([]) },
      new Refused('malformed', what),
    )
    const fields = { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
    socket.destroySoon()
  }
}

/** Ends a connection, and reads on for a while. */
function linger(socket: Socket): void {
  if (socket.destroyed) return
  socket.end()
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
}

function isUnderWay(reply: ServerResponse | undefined): boolean {
  return reply !== undefined && !reply.writableFinished && !reply.destroyed
}

const REFUSED_BY_PARSER: Readonly<Record<string, readonly [status: number, what: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'The header fields are too long.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The chunk extensions are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request took too long to arrive.'],
}

function unread(why: 'too-large' | 'no-room', { bodyBytes }: ApiLimits): Refused {
  if (why === 'no-room') return new Refused('busy', 'Too many bodies are on their way; try again.')
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
