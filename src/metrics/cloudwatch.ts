import { loadSdk } from '../aws/sdk.js'
import { awsClientConfig, awsFailure } from '../deliver/aws-client.js'
import { errnoOf } from '../sink/write-error.js'
import { sleep } from '../sleep.js'

/** What has been counted of something since it began, by the names of CloudWatch. */
export interface Counted {
  readonly dimension: { readonly name: string; readonly value: string }
  readonly totals: Readonly<Record<string, number>>
}

export interface CloudWatchOptions {
  readonly namespace: string
  readonly region: string
  /** May reject: what it would have said is in the next answer. */
  readonly count: () => Promise<readonly Counted[]>
  readonly onProblem: (line: string) => void
  /** For tests: how long a period is, how long the other side may say nothing, and how much may wait. */
  readonly periodMs?: number
  readonly silenceMs?: number
  readonly pointsMax?: number
}

/** Limits of PutMetricData: values a call, and how old one may be. */
const POINTS_PER_CALL = 1000
const AGE_MS_MAX = 14 * 24 * 3600 * 1000

/** Values that wait while the service does not answer, some 10 MB. */
const POINTS_MAX = 100_000

const PERIOD_MS = 60_000
/** How long the last values may take when everything stops. */
const LAST_MS = 5000

/** The increase of one count in one period. */
interface Point {
  readonly name: string
  readonly dimension: Counted['dimension']
  readonly value: number
  /** When the period began. */
  readonly atMs: number
}

/** Failures of a connection in which nothing can have been sent. */
const NEVER_SENT = /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

/**
 * Once a minute, what was counted in it goes to CloudWatch. What cannot be sent is sent later,
 * with the time it is of, as far as there is room for it. Two calls with the same values would be added up there:
 * those that may have arrived although no answer came are not sent again, and are counted as lost.
 */
export class CloudWatchMetrics {
  readonly #options: CloudWatchOptions
  readonly #put: (points: readonly Point[], signal: AbortSignal) => Promise<unknown>
  readonly #close: () => void
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #before = new Map<string, number>()
  #points: Point[] = []
  #sending: Promise<void> | undefined
  #isFailing = false
  #lost = 0

  private constructor(
    options: CloudWatchOptions,
    put: (points: readonly Point[], signal: AbortSignal) => Promise<unknown>,
    close: () => void,
  ) {
    this.#options = options
    this.#put = put
    this.#close = close
    this.#running = this.#run()
  }

  /** Rejects with OperatorError without the SDK. */
  static async start(options: CloudWatchOptions): Promise<CloudWatchMetrics> {
    const { CloudWatchClient, PutMetricDataCommand } = await loadSdk(
      () => import('@aws-sdk/client-cloudwatch'),
      '@aws-sdk/client-cloudwatch',
      '--cloudwatch-metrics',
    )
    const client = new CloudWatchClient({
      ...awsClientConfig(options.region, options.silenceMs),
      maxAttempts: 1,
    })
    const put = (points: readonly Point[], abortSignal: AbortSignal): Promise<unknown> =>
      client.send(
        new PutMetricDataCommand({
          Namespace: options.namespace,
          MetricData: points.map(({ name, dimension, value, atMs }) => ({
            MetricName: name,
            Dimensions: [{ Name: dimension.name, Value: dimension.value }],
            Timestamp: new Date(atMs),
            Value: value,
            Unit: name.includes('Packets') ? ('Count' as const) : ('Bytes' as const),
          })),
        }),
        { abortSignal },
      )
    return new CloudWatchMetrics(options, put, () => client.destroy())
  }

  /** Values that will never be there, or are not known to be. */
  get lost(): number {
    return this.#lost
  }

  /** Sends what has been counted by now, unless that takes long. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.#close()
    if (this.#points.length > 0) {
      this.#options.onProblem(`${this.#points.length} values for CloudWatch were not sent`)
    }
  }

  async #run(): Promise<void> {
    const { periodMs = PERIOD_MS } = this.#options
    const { signal } = this.#stopping
    const everything = new AbortController()
    await this.#count(undefined)
    while (!signal.aborted) {
      const atMs = Math.floor(Date.now() / periodMs) * periodMs
      await sleep(atMs + periodMs - Date.now(), signal)
      await this.#count(atMs)
      // Behind a call that hangs, the next minutes are counted all the same.
      this.#sending ??= this.#send(everything.signal).finally(() => {
        this.#sending = undefined
      })
    }
    const late = setTimeout(() => everything.abort(), LAST_MS)
    await this.#sending
    if (!this.#isFailing) await this.#send(everything.signal)
    clearTimeout(late)
  }

  /** `atMs` undefined: what was counted before we began is nobody's. */
  async #count(atMs: number | undefined): Promise<void> {
    let counted: readonly Counted[]
    try {
      counted = await this.#options.count()
    } catch {
      return
    }
    const now = new Map<string, number>()
    for (const { dimension, totals } of counted) {
      for (const [name, total] of Object.entries(totals)) {
        const key = `${dimension.name}\n${dimension.value}\n${name}`
        const last = this.#before.get(key) ?? 0
        now.set(key, total)
        // Of something that began anew, all is new.
        const value = total - (total < last ? 0 : last)
        if (atMs !== undefined) this.#points.push({ name, dimension, value, atMs })
      }
    }
    this.#before = now
    const { pointsMax = POINTS_MAX } = this.#options
    const oldest = Date.now() - AGE_MS_MAX
    const kept = this.#points.filter(({ atMs }) => atMs > oldest).slice(-pointsMax)
    this.#lost += this.#points.length - kept.length
    this.#points = kept
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { onProblem } = this.#options
    while (this.#points.length > 0) {
      const points = this.#points.slice(0, POINTS_PER_CALL)
      let failure: Error | undefined
      try {
        await this.#put(points, signal)
      } catch (error) {
        failure = awsFailure(error)
        if (mayBeSentAgain(error)) {
          if (!this.#isFailing) onProblem(`CloudWatch gets no metrics: ${failure.message}`)
          this.#isFailing = true
          return
        }
      }
      // Meanwhile the oldest may have been given up.
      const first = points.indexOf(this.#points[0]!)
      const left = first < 0 ? 0 : points.length - first
      this.#points.splice(0, left)
      if (failure === undefined) {
        if (this.#isFailing)
          onProblem(`CloudWatch gets metrics again; ${this.#lost} values are lost`)
        this.#isFailing = false
        continue
      }
      this.#lost += left
      onProblem(`${points.length} values may never have reached CloudWatch: ${failure.message}`)
      if (signal.aborted) return
    }
  }
}

/** Not where it may have been taken, and not where it is refused for what it says. */
function mayBeSentAgain(error: unknown): boolean {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
  if (status !== undefined) {
    const { name } = error as Error
    return (
      status >= 500 ||
      !/^(?:InvalidParameter|MissingParameter|MissingRequired|Validation)/.test(name)
    )
  }
  const { name, message } = error as Error
  // Two time-outs of the SDK have one name.
  const neverConnected = name === 'TimeoutError' && message.includes('did not establish')
  return neverConnected || name.endsWith('ProviderError') || NEVER_SENT.test(errnoOf(error) ?? '')
}
