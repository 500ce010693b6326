import { LRUCache } from 'lru-cache'
import type { ApplicationSink } from './application-sink.js'
import type { Banner } from './banner.js'
import { type DnsMessage, type DnsQuestion, isMulticastDns } from './dns.js'
import { connectionKey, type Ends, turned } from './ends.js'
import type { HttpHead, HttpRequest, HttpResponse } from './http.js'
import { KERBEROS_PORT, type KerberosMessage } from './kerberos.js'
import type { NtlmClient, NtlmServer, ShareType, SmbMessage } from './smb.js'
import type { ClientHello, Hello, ServerHello } from './tls.js'
import { TwoSides } from './two-sides.js'

/** A question of DNS and its answer, as far as they were seen: a row of dns.log. */
export interface DnsTransaction {
  /** From who asked to who answered; in multicast from who sent the packet. */
  readonly ends: Ends
  readonly question: DnsQuestion | undefined
  readonly query: DnsMessage | undefined
  readonly response: DnsMessage | undefined
  /** Nanoseconds from the query to the response; undefined where one of them was not seen. */
  readonly rtt: number | undefined
}

/** Both hellos of a connection, as far as they were seen: a row of ssl.log. */
export interface TlsHandshake {
  /** From the client. */
  readonly ends: Ends
  readonly client: ClientHello | undefined
  readonly server: ServerHello | undefined
}

/** A row of quic.log. */
export interface QuicHandshake {
  readonly ends: Ends
  readonly version: number
  readonly client: ClientHello
}

/** A request and its response, as far as they were seen: a row of http.log. */
export interface HttpExchange {
  /** From the client. */
  readonly ends: Ends
  /** Which of its connection it is, from 1 on. */
  readonly depth: number
  readonly request: HttpRequest | undefined
  readonly response: HttpResponse | undefined
}

/** A row of ssh.log: the lines that both sides begin with. */
export interface SshHandshake {
  /** From the client, as its port tells. */
  readonly ends: Ends
  readonly client: string | undefined
  readonly server: string | undefined
}

/** How a connection of SMTP begins. */
export interface SmtpOpening {
  /** From the client. */
  readonly ends: Ends
  /** What the client calls itself. */
  readonly helo: string | undefined
  /** What the server says first: `220 mx.example.com ESMTP`. */
  readonly banner: string | undefined
}

/** A row of kerberos.log: a request for a ticket and its answer, as far as they were seen. */
export interface KerberosExchange {
  /** From the client. */
  readonly ends: Ends
  readonly request: KerberosMessage | undefined
  readonly response: KerberosMessage | undefined
}

/** A row of ntlm.log. */
export interface NtlmExchange {
  /** From the client. */
  readonly ends: Ends
  readonly client: NtlmClient | undefined
  readonly server: NtlmServer | undefined
}

/** A row of smb_mapping.log. */
export interface SmbMapping {
  /** From the client. */
  readonly ends: Ends
  readonly path: string
  readonly share: ShareType
}

export interface TransactionSink {
  readonly dns?: ((transaction: DnsTransaction) => void) | undefined
  readonly tls?: ((handshake: TlsHandshake) => void) | undefined
  readonly quic?: ((handshake: QuicHandshake) => void) | undefined
  readonly http?: ((exchange: HttpExchange) => void) | undefined
  readonly ssh?: ((handshake: SshHandshake) => void) | undefined
  readonly smtp?: ((opening: SmtpOpening) => void) | undefined
  readonly kerberos?: ((exchange: KerberosExchange) => void) | undefined
  readonly ntlm?: ((exchange: NtlmExchange) => void) | undefined
  readonly smbMapping?: ((mapping: SmbMapping) => void) | undefined
}

/** After so many seconds of packets the other half is not waited for any more, where `expire` is called. */
const WAITING_SECONDS = 60
/** What waits for its other half, of each kind. */
const WAITING_MAX = 4096
/** Requests on one connection without a response. */
const PIPELINED_MAX = 32
const SSH_PORT = 22

interface Pending {
  readonly ends: Ends
  readonly query: DnsMessage
}

interface HttpConnection {
  /** Of the latest head. */
  seconds: number
  depth: number
  waiting: { ends: Ends; depth: number; request: HttpRequest }[]
  /** Sequence numbers of the latest heads. */
  requestAt: number | undefined
  responseAt: number | undefined
}

/** Joins what both sides of a connection say. What only one side said is told when its place is needed, or at the end. */
export class Transactions implements ApplicationSink {
  readonly dns: ApplicationSink['dns']
  readonly tls: ApplicationSink['tls']
  readonly quic: ApplicationSink['quic']
  readonly http: ApplicationSink['http']
  readonly banner: ApplicationSink['banner']
  readonly kerberos: ApplicationSink['kerberos']
  readonly smb: ApplicationSink['smb']

  readonly #sink: TransactionSink
  readonly #queries: LRUCache<string, Pending>
  readonly #handshakes: TwoSides<ClientHello, ServerHello>
  readonly #ssh: TwoSides<string, string>
  readonly #smtp: TwoSides<string, string>
  readonly #kerberos: TwoSides<KerberosMessage, KerberosMessage>
  readonly #ntlm: TwoSides<NtlmClient, NtlmServer>
  readonly #trees: TwoSides<string, ShareType>
  readonly #joined: readonly Pick<TwoSides<never, never>, 'displaced' | 'expire' | 'end'>[]
  readonly #connections: LRUCache<string, HttpConnection>
  #displaced = 0
  #isExpected = false

  constructor(sink: TransactionSink) {
    this.#sink = sink
    const places = <Value extends object>(tell: (value: Value) => void) =>
      new LRUCache<string, Value>({
        max: WAITING_MAX,
        // The one not used for longest goes, for another or at the end.
        dispose: (value, _key, reason) => {
          if (reason !== 'evict') return
          if (!this.#isExpected) this.#displaced++
          tell(value)
        },
      })
    this.#queries = places<Pending>((pending) => this.#tellDns(pending, undefined))
    this.#connections = places<HttpConnection>((connection) => this.#tellRequests(connection))
    this.#handshakes = new TwoSides(WAITING_MAX, (ends, client, server) =>
      sink.tls?.({ ends, client, server }),
    )
    this.#ssh = new TwoSides(WAITING_MAX, (ends, client, server) =>
      sink.ssh?.({ ends, client, server }),
    )
    this.#smtp = new TwoSides(WAITING_MAX, (ends, helo, banner) =>
      sink.smtp?.({ ends, helo, banner }),
    )
    this.#kerberos = new TwoSides(
      WAITING_MAX,
      (ends, request, response) => sink.kerberos?.({ ends, request, response }),
      true,
    )
    this.#ntlm = new TwoSides(WAITING_MAX, (ends, client, server) =>
      sink.ntlm?.({ ends, client, server }),
    )
    this.#trees = new TwoSides(WAITING_MAX, (ends, path, share) => {
      if (path !== undefined) sink.smbMapping?.({ ends, path, share })
    })
    this.#joined = [
      ...[this.#handshakes, this.#ssh, this.#smtp],
      ...[this.#kerberos, this.#ntlm, this.#trees],
    ]
    // Nothing is read that nobody asks for.
    this.dns = sink.dns && ((ends, message) => this.#dns(ends, message))
    this.tls = sink.tls && ((ends, hello) => this.#tls(ends, hello))
    this.quic =
      sink.quic && ((ends, version, client) => this.#sink.quic?.({ ends, version, client }))
    this.http = sink.http && ((ends, head, sequence) => this.#http(ends, head, sequence))
    this.kerberos = sink.kerberos && ((ends, message) => this.#takeKerberos(ends, message))
    const asksSmb = (sink.ntlm ?? sink.smbMapping) !== undefined
    this.smb = asksSmb ? (ends, message) => this.#smb(ends, message) : undefined
    const asksBanners = (sink.ssh ?? sink.smtp) !== undefined
    this.banner = asksBanners ? (ends, banner) => this.#banner(ends, banner) : undefined
  }

  /** How many were told before their other half may have come. */
  get displaced(): number {
    return this.#joined.reduce((sum, { displaced }) => sum + displaced, this.#displaced)
  }

  /** Tells what has waited for too long, now that it is `seconds`. */
  expire(seconds: number): void {
    this.#isExpected = true
    const isOver = (since: number) => Math.abs(seconds - since) > WAITING_SECONDS
    popWhile(this.#queries, ({ ends }) => isOver(ends.seconds))
    popWhile(this.#connections, (connection) => isOver(connection.seconds))
    this.#isExpected = false
    for (const sides of this.#joined) sides.expire(isOver)
  }

  /** Tells what has waited in vain. */
  end(): void {
    this.#isExpected = true
    while (this.#queries.size > 0) this.#queries.pop()
    for (const sides of this.#joined) sides.end()
    while (this.#connections.size > 0) this.#connections.pop()
  }

  #dns(ends: Ends, message: DnsMessage): void {
    // Any host that receives it may answer, to all.
    const isMulticast = isMulticastDns(ends)
    if (isMulticast) {
      const side = message.isResponse ? { response: message } : { query: message }
      this.#tellQuestions({ ends, query: undefined, response: undefined, rtt: undefined, ...side })
      return
    }
    const asker = message.isResponse ? turned(ends) : ends
    const key = `${connectionKey(asker)} ${message.id}`
    const pending = this.#queries.get(key)
    if (pending !== undefined) this.#queries.delete(key)
    if (message.isResponse) {
      if (pending !== undefined) this.#tellDns(pending, { ends, message })
      else this.#tellQuestions({ ends: asker, query: undefined, response: message, rtt: undefined })
      return
    }
    if (pending !== undefined) this.#tellDns(pending, undefined)
    this.#queries.set(key, { ends, query: message })
  }

  #tellDns(
    { ends, query }: Pending,
    answer: { ends: Ends; message: DnsMessage } | undefined,
  ): void {
    const rtt = answer && nanosecondsBetween(ends, answer.ends)
    this.#tellQuestions({ ends, query, response: answer?.message, rtt })
  }

  #tellQuestions(transaction: Omit<DnsTransaction, 'question'>): void {
    const { query, response } = transaction
    const { questions } = (query ?? response)!
    if (questions.length === 0) this.#sink.dns?.({ ...transaction, question: undefined })
    for (const question of questions) this.#sink.dns?.({ ...transaction, question })
  }

  #tls(ends: Ends, hello: Hello): void {
    if (hello.type === 'client') this.#handshakes.takeClient(ends, hello)
    else this.#handshakes.takeServer(turned(ends), hello)
  }

  #banner(ends: Ends, { type, text }: Banner): void {
    if (type === 'helo') this.#smtp.takeClient(ends, text)
    else if (type === 'smtp') this.#smtp.takeServer(turned(ends), text)
    else if (isOfSshServer(ends)) this.#ssh.takeServer(turned(ends), text)
    else this.#ssh.takeClient(ends, text)
  }

  #takeKerberos(ends: Ends, message: KerberosMessage): void {
    const fromClient = ends.destinationPort === KERBEROS_PORT ? ends : turned(ends)
    if (message.type === 'AS-REQ' || message.type === 'TGS-REQ') {
      this.#kerberos.takeClient(fromClient, message)
    } else this.#kerberos.takeServer(fromClient, message)
  }

  #smb(ends: Ends, message: SmbMessage): void {
    const { type } = message
    if (type === 'tree') this.#trees.takeClient(ends, message.path, `${message.messageId}`)
    else if (type === 'tree-reply') {
      this.#trees.takeServer(turned(ends), message.share, `${message.messageId}`)
    } else if (type === 'authenticate') this.#ntlm.takeClient(ends, message)
    else this.#ntlm.takeServer(turned(ends), message)
  }

  #http(ends: Ends, head: HttpHead, sequence: number | undefined): void {
    const client = head.type === 'request' ? ends : turned(ends)
    const key = connectionKey(client)
    let connection = this.#connections.get(key)
    if (connection === undefined) {
      const { seconds } = ends
      connection = { seconds, depth: 0, waiting: [], requestAt: undefined, responseAt: undefined }
      this.#connections.set(key, connection)
    }
    connection.seconds = ends.seconds
    const before = head.type === 'request' ? connection.requestAt : connection.responseAt
    if (sequence !== undefined && before === sequence) return
    if (head.type === 'request') {
      connection.requestAt = sequence
      if (connection.waiting.length >= PIPELINED_MAX) this.#tellRequests(connection)
      connection.waiting.push({ ends, depth: ++connection.depth, request: head })
      return
    }
    connection.responseAt = sequence
    // The response itself follows an interim one.
    if (head.status < 200 && head.status !== 101) return
    const asked = connection.waiting.shift()
    this.#sink.http?.(
      asked === undefined
        ? { ends: client, depth: ++connection.depth, request: undefined, response: head }
        : { ...asked, response: head },
    )
  }

  #tellRequests(connection: HttpConnection): void {
    for (const asked of connection.waiting) this.#sink.http?.({ ...asked, response: undefined })
    connection.waiting = []
  }
}

/** Takes out those used longest ago. */
function popWhile<Value extends object>(
  places: LRUCache<string, Value>,
  isOver: (value: Value) => boolean,
): void {
  for (;;) {
    const { value: oldest } = places.rvalues().next()
    if (oldest === undefined || !isOver(oldest)) return
    places.pop()
  }
}

/** Both sides of SSH say the same kind of line: who listens at its port, or at the lower one, is the server. */
function isOfSshServer({ sourcePort, destinationPort }: Ends): boolean {
  if (sourcePort === SSH_PORT || destinationPort === SSH_PORT) return sourcePort === SSH_PORT
  return sourcePort < destinationPort
}

function nanosecondsBetween(from: Ends, to: Ends): number | undefined {
  if (!from.timed || !to.timed) return undefined
  return (to.seconds - from.seconds) * 1e9 + to.nanoseconds - from.nanoseconds
}
