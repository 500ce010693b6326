import { AwsJsonServer } from './aws-json-server.js'

const HOUR_MS = 3600 * 1000

interface Datum {
  readonly MetricName: string
  readonly Dimensions: readonly { readonly Name: string; readonly Value: string }[]
  /** Seconds. */
  readonly Timestamp: number
  readonly Value: number
  readonly Unit: string
}

/** CloudWatch as far as metrics are put: with every limit of PutMetricData. */
export class CloudWatchServer extends AwsJsonServer {
  protected readonly service = 'monitoring'
  protected readonly target = 'GraniteServiceVersion20100801'
  protected override readonly version = '1.0'
  protected readonly variable = 'AWS_ENDPOINT_URL_CLOUDWATCH'
  readonly #data: Datum[] = []
  /** Values in each call that was taken. */
  readonly calls: number[] = []

  static async start(): Promise<CloudWatchServer> {
    const server = new CloudWatchServer()
    await server.listen()
    return server
  }

  /** What all values of a metric add up to, by `Name=Value metric`. */
  sums(): Record<string, number> {
    this.check()
    const sums: Record<string, number> = {}
    for (const { MetricName, Dimensions, Value } of this.#data) {
      const [{ Name, Value: of }] = Dimensions as [Datum['Dimensions'][number]]
      const key = `${Name}=${of} ${MetricName}`
      sums[key] = (sums[key] ?? 0) + Value
    }
    return sums
  }

  /** Milliseconds. */
  times(): number[] {
    return [...new Set(this.#data.map(({ Timestamp }) => Timestamp * 1000))]
  }

  protected answer(operation: string, input: Record<string, unknown>): object {
    this.rule(operation === 'PutMetricData', `operation ${operation}`)
    const namespace = String(input['Namespace'])
    this.rule(/^(?!AWS\/)[^:][0-9A-Za-z.\-_/#:]{0,254}$/.test(namespace), `namespace ${namespace}`)
    const data = input['MetricData'] as Datum[]
    this.rule(data.length >= 1 && data.length <= 1000, `${data.length} metrics`)
    this.rule(JSON.stringify(input).length <= 1_000_000, 'a call of over 1 MB')
    for (const { MetricName, Dimensions, Timestamp, Value, Unit } of data) {
      this.rule(/^[\x20-\x7e]{1,255}$/.test(MetricName), `metric ${MetricName}`)
      this.rule(Dimensions.length <= 30, `${Dimensions.length} dimensions`)
      for (const { Name, Value: of } of Dimensions) {
        this.rule(/^(?!:)[\x20-\x7e]{1,255}$/.test(Name), `dimension ${Name}`)
        this.rule(/^[\x20-\x7e]{1,1024}$/.test(of), `dimension ${Name} of ${of}`)
      }
      const ageMs = Date.now() - Timestamp * 1000
      this.rule(ageMs < 14 * 24 * HOUR_MS && ageMs > -2 * HOUR_MS, `a timestamp ${Timestamp}`)
      this.rule(Number.isFinite(Value) && Math.abs(Value) <= 2 ** 360, `a value of ${Value}`)
      this.rule(Unit === 'Bytes' || Unit === 'Count', `unit ${Unit}`)
    }
    this.#data.push(...data)
    this.calls.push(data.length)
    return {}
  }
}
