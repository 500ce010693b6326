import { AwsJsonServer, serviceError } from './aws-json-server.js'

/** Firehose as far as records are put: with every limit of PutRecordBatch. */
export class FirehoseServer extends AwsJsonServer {
  protected readonly service = 'firehose'
  protected readonly target = 'Firehose_20150804'
  protected readonly variable = 'AWS_ENDPOINT_URL_FIREHOSE'
  readonly #records: string[] = []
  readonly stream = 'flow.logs_1'
  /** Records of each call. */
  readonly calls: number[] = []
  /** Which records of the calls to come are left out: the last of each so many. */
  leavesOut: number[] = []
  /** The same for every call behind those. */
  alwaysLeavesOut = 0
  isThere = true

  static async start(): Promise<FirehoseServer> {
    const server = new FirehoseServer()
    await server.listen()
    return server
  }

  /** The data of the records, in the order in which they came. */
  records(): string[] {
    this.check()
    return [...this.#records]
  }

  /** The flow log's lines in them. */
  lines(): string[] {
    return this.records().map((data) => {
      const { message, ...others } = JSON.parse(data) as { message: string }
      this.rule(data.endsWith('}\n') && Object.keys(others).length === 0, `data ${data}`)
      return message
    })
  }

  protected answer(operation: string, input: Record<string, unknown>): object {
    this.rule(operation === 'PutRecordBatch', `operation ${operation}`)
    const name = String(input['DeliveryStreamName'])
    this.rule(/^[a-zA-Z0-9_.-]{1,64}$/.test(name), `stream ${name}`)
    if (!this.isThere || name !== this.stream) {
      throw serviceError('ResourceNotFoundException', `Firehose ${name} not found.`)
    }
    const records = input['Records'] as { Data: string }[]
    this.rule(records.length >= 1 && records.length <= 500, `${records.length} records`)
    const all = records.map(({ Data }) => Buffer.from(Data, 'base64'))
    for (const { length } of all) this.rule(length <= 1_024_000, `a record of ${length} bytes`)
    const bytes = all.reduce((sum, { length }) => sum + length, 0)
    this.rule(bytes <= 4 * 1024 * 1024, `${bytes} bytes`)
    this.calls.push(records.length)
    const every = this.leavesOut.shift() ?? this.alwaysLeavesOut
    const isLeftOut = (index: number): boolean => every > 0 && index % every === every - 1
    for (const [index, data] of all.entries()) {
      if (!isLeftOut(index)) this.#records.push(data.toString())
    }
    const RequestResponses = all.map((_, index) =>
      isLeftOut(index)
        ? { ErrorCode: 'ServiceUnavailableException', ErrorMessage: 'Slow down.' }
        : { RecordId: `record-${index}` },
    )
    const FailedPutCount = all.filter((_, index) => isLeftOut(index)).length
    return { FailedPutCount, RequestResponses }
  }
}
