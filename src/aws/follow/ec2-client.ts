import { Transform } from 'node:stream'
import type { EC2Client, EC2ClientConfig } from '@aws-sdk/client-ec2'
import { OperatorError } from '../../errors.js'
import { loadSdk } from '../sdk.js'

export interface Ec2ClientOptions {
  /** `http://127.0.0.1:4780`, `https://ec2.us-east-1.amazonaws.com`: nothing but scheme, host and port. */
  readonly url: URL
  readonly region: string
  /** A file in AWS's shared format; without it the SDK's default chain finds credentials. */
  readonly credentialsFile?: string | undefined
  /** A profile of that file, else of AWS's own files. */
  readonly profile?: string | undefined
  /** Milliseconds for one call, its retries included. */
  readonly timeoutMs?: number
}

/** What AWS's clients assume, and appliances of this kind. */
const DEFAULT_REGION = 'us-east-1'

/** `eu-west-1` of `https://ec2.eu-west-1.amazonaws.com`; undefined where the host does not say. */
export function regionInHost({ hostname }: URL): string | undefined {
  return /^ec2\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)/.exec(hostname)?.[1]
}

/** The region to sign for: the one given, else that of the host, else what every AWS client takes. */
export function regionToSign(url: URL, given: string | undefined): string {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env
  return given ?? regionInHost(url) ?? (AWS_REGION || AWS_DEFAULT_REGION || DEFAULT_REGION)
}

/** Why there is no answer; the message begins with the address that was asked. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure'
  /** Whether the other side understood and refused: asking again does not help. */
  readonly isRefusal: boolean

  constructor(message: string, isRefusal = false, cause?: unknown) {
    super(message, { cause })
    this.isRefusal = isRefusal
  }
}

const TIMEOUT_MS = 10_000
/** Bytes of one reply. A page of 1000 filters with ten rules each takes 5 MB. */
const REPLY_LEN_MAX = 32 * 1024 * 1024

/** Codes that mean "later" although their status is 4xx. */
const IS_BUSY = /^(?:RequestLimitExceeded|Throttling|ThrottlingException|Unavailable)$/

/** Thrown into the SDK when a reply grows beyond the bound. */
class ReplyTooLong extends Error {}

type Sdk = typeof import('@aws-sdk/client-ec2')

/**
 * EC2 by the AWS SDK, at any endpoint. The SDK signs, retries what may pass, and finds credentials
 * as every AWS client does: environment, SSO, shared files, web identity, container and instance
 * roles. This class adds what the SDK leaves open: a bound on the time of a call and on the length
 * of a reply, and failures as one line.
 */
export class Ec2Api {
  readonly sdk: Sdk
  readonly client: EC2Client
  readonly #options: Ec2ClientOptions

  private constructor(sdk: Sdk, client: EC2Client, options: Ec2ClientOptions) {
    this.sdk = sdk
    this.client = client
    this.#options = options
  }

  /** Rejects with OperatorError where the URL cannot be asked, or the SDK is not installed. */
  static async open(options: Ec2ClientOptions): Promise<Ec2Api> {
    const { url, region, profile, timeoutMs = TIMEOUT_MS } = options
    checkUrl(url)
    const sdk = await loadSdk(
      () => import('@aws-sdk/client-ec2'),
      '@aws-sdk/client-ec2',
      'asking EC2',
    )
    const config: EC2ClientConfig = {
      endpoint: url.origin,
      region,
      requestHandler: { connectionTimeout: timeoutMs, requestTimeout: timeoutMs },
      ...(profile === undefined ? {} : { profile }),
      ...(await credentialsOf(options)),
    }
    const client = new sdk.EC2Client(config)
    client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args)
        const { response } = result as { response: { body?: unknown } }
        if (response.body instanceof Object && 'pipe' in response.body) {
          response.body = bounded(response.body as NodeJS.ReadableStream)
        }
        return result
      },
      // Before the SDK reads the body: the last of this step to see a call is the first to see its reply.
      { step: 'deserialize', priority: 'low', name: 'boundReply' },
    )
    return new Ec2Api(sdk, client, options)
  }

  /** What messages call the endpoint: without a trailing slash. */
  get name(): string {
    return this.#options.url.origin
  }

  /**
   * The result of `call`, which is given a signal that ends it in time. Rejects with CallFailure;
   * with OperatorError where no credentials are found; with the reason of `signal` once that is
   * aborted.
   */
  async ask<T>(
    signal: AbortSignal,
    call: (options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs = TIMEOUT_MS } = this.#options
    const limit = AbortSignal.timeout(timeoutMs)
    try {
      return await call({ abortSignal: AbortSignal.any([signal, limit]) })
    } catch (error) {
      signal.throwIfAborted()
      throw this.#failure(error, limit.aborted)
    }
  }

  close(): void {
    this.client.destroy()
  }

  #failure(error: unknown, isLate: boolean): Error {
    if (error instanceof CallFailure || error instanceof OperatorError) return error
    const { name, code } = error as NodeJS.ErrnoException
    const message = firstLine((error as Error).message)
    const { profile, credentialsFile, timeoutMs = TIMEOUT_MS } = this.#options
    if (name === 'CredentialsProviderError') {
      const where = credentialsFile === undefined ? '' : ` in ${credentialsFile}`
      const whose = profile === undefined ? '' : ` for the profile ${profile}`
      return new OperatorError(
        `no AWS credentials${whose}${where}: ${message}; give --credentials FILE or --profile NAME, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
        { cause: error },
      )
    }
    // The SDK calls a connection that was reset a time-out, too; its code tells them apart.
    if (isLate || (name === 'TimeoutError' && code === undefined)) {
      return new CallFailure(
        `${this.name} does not answer (nothing within ${timeoutMs / 1000} s)`,
        false,
        error,
      )
    }
    if (error instanceof this.sdk.EC2ServiceException) {
      const status = error.$metadata.httpStatusCode ?? 0
      // An answer that is not EC2's has no code that the SDK could read.
      const isEc2 = error.name !== '' && !/^(?:Unknown|UnknownError|Error)$/.test(error.name)
      const said = isEc2 ? `${error.name}: ${message}` : `HTTP status ${status}`
      return new CallFailure(
        `${this.name} refuses: ${said}`,
        status >= 400 && status < 500 && !IS_BUSY.test(error.name),
        error,
      )
    }
    if (code !== undefined) {
      return new CallFailure(`${this.name} does not answer (${code})`, false, error)
    }
    const { $response } = error as { $response?: { statusCode?: number } }
    const status = $response?.statusCode ?? 0
    if (status >= 400) {
      return new CallFailure(`${this.name} refuses: HTTP status ${status}`, status < 500, error)
    }
    const reason = error instanceof ReplyTooLong ? message : `its reply cannot be read (${message})`
    return new CallFailure(`${this.name} does not answer as EC2 does: ${reason}`, false, error)
  }
}

function checkUrl(url: URL): void {
  const isPlain = url.pathname === '/' && url.search === '' && url.hash === ''
  if (/^https?:$/.test(url.protocol) && isPlain && url.username === '') return
  throw new OperatorError(
    `${url.protocol}//${url.host} must not be followed by a path: give http://HOST:PORT or https://HOST`,
    { exitCode: 2 },
  )
}

/** Keys of a file alone; undefined leaves them to the SDK's default chain. */
async function credentialsOf({
  credentialsFile,
  profile = 'default',
}: Ec2ClientOptions): Promise<Pick<EC2ClientConfig, 'credentials'>> {
  if (credentialsFile === undefined) return {}
  const name = '@aws-sdk/credential-provider-ini'
  const { fromIni } = await loadSdk(
    () => import('@aws-sdk/credential-provider-ini'),
    name,
    'asking EC2',
  )
  // Read anew when the SDK asks: keys with a session token last for hours, clients for months.
  return {
    credentials: fromIni({
      filepath: credentialsFile,
      configFilepath: credentialsFile,
      profile,
      ignoreCache: true,
    }),
  }
}

/** What others wrote, fit for a line of ours; the SDK adds advice for programmers on further lines. */
function firstLine(text: string): string {
  // EC2's own messages may have line breaks.
  const [said] = text.split('\n  Deserialization error')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return said!.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').slice(0, 300)
}

function bounded(body: NodeJS.ReadableStream): Transform {
  let length = 0
  const limit = new Transform({
    transform(piece: Buffer, _, done) {
      length += piece.length
      if (length <= REPLY_LEN_MAX) done(null, piece)
      else done(new ReplyTooLong(`the reply is longer than ${REPLY_LEN_MAX} bytes`))
    },
  })
  body.once('error', (error: Error) => limit.destroy(error))
  limit.once('error', () => (body as NodeJS.ReadableStream & { destroy?(): void }).destroy?.())
  return body.pipe(limit)
}
