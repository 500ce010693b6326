import {
  type ClientRequest,
  Agent as HttpAgent,
  request as http,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as https } from 'node:https'
import { OperatorError } from '../../errors.js'
import { EC2_VERSION } from '../protocol/query-protocol.js'
import type { Credential } from '../sigv4/credentials.js'
import { signRequest } from '../sigv4/signer.js'
import { BadReply, ReplyElement } from './reply-element.js'

export interface Ec2ClientOptions {
  /** `http://127.0.0.1:4780`, `https://ec2.us-east-1.amazonaws.com`: nothing but scheme, host and port. */
  readonly url: URL
  readonly region: string
  /** Asked before each call. */
  readonly credential: () => Credential
  /** For one call. */
  readonly timeoutMs?: number
  /** Entries asked for at a time, 5 to 1000. */
  readonly pageLen?: number
}

/** Why there is no answer; the message begins with the address that was asked. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure'
  /** Whether the other side understood and would not: asking again does not help. */
  readonly isRefusal: boolean

  constructor(message: string, isRefusal = false, cause?: unknown) {
    super(message, { cause })
    this.isRefusal = isRefusal
  }
}

const TIMEOUT_MS = 10_000
const PAGE_LEN = 1000
/** A page of 1000 filters with ten rules each takes 5 MB. */
const REPLY_LEN_MAX = 32 * 1024 * 1024
/** AWS's quotas let there be ten. */
const PAGES_MAX = 100

const FORM = 'application/x-www-form-urlencoded; charset=utf-8'

/** Codes that say: later. */
const IS_BUSY =
  /^(?:RequestLimitExceeded|Throttling|ThrottlingException|InternalError|Unavailable|ServiceUnavailable)$/

/** Asks EC2's API, by its query protocol. For what lists: nothing is repeated that failed. */
export class Ec2Client {
  readonly #options: Ec2ClientOptions
  readonly #agent: HttpAgent

  /** Throws OperatorError where the URL is none that can be asked. */
  constructor(options: Ec2ClientOptions) {
    const { url } = options
    const isPlain = url.pathname === '/' && url.search === '' && url.hash === ''
    if (!/^https?:$/.test(url.protocol) || !isPlain || url.username !== '') {
      throw new OperatorError(
        `${url.protocol}//${url.host} and nothing behind it: give http://HOST:PORT or https://HOST`,
        { exitCode: 2 },
      )
    }
    this.#options = options
    this.#agent =
      url.protocol === 'http:'
        ? new HttpAgent({ keepAlive: true, maxSockets: 2 })
        : new HttpsAgent({ keepAlive: true, maxSockets: 2 })
  }

  /** As said to people: without a trailing slash. */
  get name(): string {
    return this.#options.url.origin
  }

  /**
   * All entries of the list `list` that an operation `Describe…` gives for these parameters,
   * page by page. Rejects with CallFailure, or what `credential` throws.
   */
  async describe(
    action: string,
    parameters: Readonly<Record<string, string>>,
    list: string,
    signal: AbortSignal,
  ): Promise<ReplyElement[]> {
    const { pageLen = PAGE_LEN } = this.#options
    const entries: ReplyElement[] = []
    let token: string | undefined
    for (let page = 0; page < PAGES_MAX; page++) {
      const next: Record<string, string> = token === undefined ? {} : { NextToken: token }
      const asked = { ...parameters, MaxResults: String(pageLen), ...next }
      const reply = await this.#call(action, asked, signal)
      try {
        entries.push(...reply.items(list))
        token = reply.text('nextToken')
      } catch (error) {
        throw this.#strange(error)
      }
      if (token === undefined) return entries
    }
    throw new CallFailure(`${this.name} gives page after page of ${action}, without an end`)
  }

  close(): void {
    this.#agent.destroy()
  }

  async #call(
    action: string,
    parameters: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ReplyElement> {
    const { region, credential } = this.#options
    const form = new URLSearchParams({ Action: action, Version: EC2_VERSION, ...parameters })
    const body = Buffer.from(form.toString())
    const headers = signRequest(
      { method: 'POST', headers: { host: this.#options.url.host, 'content-type': FORM }, body },
      credential(),
      { region, service: 'ec2', at: new Date() },
    )
    const { status, text } = await this.#send(headers, body, signal)
    try {
      if (status === 200) return ReplyElement.parse(text, `${action}Response`)
    } catch (error) {
      throw this.#strange(error)
    }
    throw this.#refusal(status, text)
  }

  async #send(
    headers: Record<string, string>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    const { url, timeoutMs = TIMEOUT_MS } = this.#options
    const send = url.protocol === 'http:' ? http : https
    const asked = send(url, { method: 'POST', headers, agent: this.#agent, signal })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      asked.destroy()
    }, timeoutMs)
    try {
      const response = await responseTo(asked, body)
      return { status: response.statusCode ?? 0, text: await textOf(response) }
    } catch (error) {
      if (error instanceof BadReply) throw this.#strange(error)
      const { code, message } = error as NodeJS.ErrnoException
      // The other side has closed a connection that lay idle, just now: that says nothing of it.
      if (asked.reusedSocket && code === 'ECONNRESET' && !isLate) {
        return this.#send(headers, body, signal)
      }
      const reason = isLate ? `nothing within ${timeoutMs / 1000} s` : (code ?? message)
      throw new CallFailure(`${this.name} does not answer (${reason})`, false, error)
    } finally {
      clearTimeout(timer)
    }
  }

  #strange(error: unknown): unknown {
    if (!(error instanceof BadReply)) return error
    return new CallFailure(
      `${this.name} does not answer as EC2 does: ${error.message}`,
      false,
      error,
    )
  }

  #refusal(status: number, text: string): CallFailure {
    let code = `HTTP status ${status}`
    let message = ''
    try {
      const error = ReplyElement.parse(text, 'Response').child('Errors')?.child('Error')
      code = error?.text('Code') ?? code
      message = error?.text('Message') ?? ''
    } catch {
      // A proxy, or something else that is not EC2: its status says enough.
    }
    const isRefusal = status >= 400 && status < 500 && status !== 429 && !IS_BUSY.test(code)
    const said = message === '' ? code : `${code}: ${inOneLine(message)}`
    return new CallFailure(`${this.name} refuses: ${said}`, isRefusal)
  }
}

function responseTo(request: ClientRequest, body: Buffer): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve).on('error', reject)
    request.end(body)
  })
}

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    pieces.push(piece)
    length += piece.length
    if (length > REPLY_LEN_MAX)
      throw new BadReply(`the reply is longer than ${REPLY_LEN_MAX} octets`)
  }
  return Buffer.concat(pieces).toString()
}

/** What others wrote, fit for a line of ours. */
function inOneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').slice(0, 300)
}
