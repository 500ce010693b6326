import { AwsJsonServer, serviceError } from './aws-json-server.js'

const HOUR_MS = 3600 * 1000

interface Event {
  readonly timestamp: number
  readonly message: string
}

/** CloudWatch Logs as far as events are put: with every limit of PutLogEvents. */
export class CloudWatchLogsServer extends AwsJsonServer {
  protected readonly service = 'logs'
  protected readonly target = 'Logs_20140328'
  protected readonly variable = 'AWS_ENDPOINT_URL_CLOUDWATCH_LOGS'
  readonly #groups = new Map<string, Map<string, Event[]>>()
  /** Events in each batch that was taken. */
  readonly batches: number[] = []

  static async start(): Promise<CloudWatchLogsServer> {
    const server = new CloudWatchLogsServer()
    await server.listen()
    return server
  }

  /** As somebody else would. */
  deleteGroup(name: string): void {
    this.#groups.delete(name)
  }

  makeGroup(name: string): void {
    this.#groups.set(name, new Map())
  }

  /** The events of a group, as `stream timestamp message`, sorted. */
  events(group: string): string[] {
    this.check()
    const streams = [...(this.#groups.get(group) ?? [])]
    return streams
      .flatMap(([stream, events]) =>
        events.map(({ timestamp, message }) => `${stream} ${timestamp} ${message}`),
      )
      .sort()
  }

  protected answer(operation: string, input: Record<string, unknown>): object {
    const group = String(input['logGroupName'])
    this.rule(/^[.\-_/#A-Za-z0-9]{1,512}$/.test(group), `log group ${group}`)
    if (operation === 'CreateLogGroup') {
      if (this.#groups.has(group)) throw exists()
      this.#groups.set(group, new Map())
      return {}
    }
    const stream = String(input['logStreamName'])
    this.rule(/^[^:*]{1,512}$/.test(stream), `log stream ${stream}`)
    const streams = this.#groups.get(group)
    if (streams === undefined) throw missing('group')
    if (operation === 'CreateLogStream') {
      if (streams.has(stream)) throw exists()
      streams.set(stream, [])
      return {}
    }
    this.rule(operation === 'PutLogEvents', `operation ${operation}`)
    const events = streams.get(stream)
    if (events === undefined) throw missing('stream')
    return this.#put(events, input['logEvents'] as Event[])
  }

  #put(events: Event[], batch: readonly Event[]): object {
    this.rule(batch.length >= 1 && batch.length <= 10_000, `${batch.length} events`)
    const bytes = batch.reduce((sum, { message }) => sum + Buffer.byteLength(message) + 26, 0)
    this.rule(bytes <= 1_048_576, `${bytes} bytes`)
    for (const [index, { timestamp, message }] of batch.entries()) {
      this.rule(Number.isSafeInteger(timestamp) && timestamp >= 0, `timestamp ${timestamp}`)
      this.rule(message.length > 0, 'an empty message')
      this.rule(index === 0 || batch[index - 1]!.timestamp <= timestamp, 'not in order of time')
    }
    const span = batch.at(-1)!.timestamp - batch[0]!.timestamp
    this.rule(span <= 24 * HOUR_MS, `a span of ${span} ms`)

    const tooOld = batch.filter(({ timestamp }) => timestamp < Date.now() - 14 * 24 * HOUR_MS)
    const tooNew = batch.filter(({ timestamp }) => timestamp > Date.now() + 2 * HOUR_MS)
    const taken = batch.slice(tooOld.length, batch.length - tooNew.length)
    events.push(...taken)
    this.batches.push(batch.length)
    if (tooOld.length + tooNew.length === 0) return {}
    return {
      rejectedLogEventsInfo: {
        ...(tooOld.length > 0 && { tooOldLogEventEndIndex: tooOld.length }),
        ...(tooNew.length > 0 && { tooNewLogEventStartIndex: batch.length - tooNew.length }),
      },
    }
  }
}

function exists(): Error {
  return serviceError('ResourceAlreadyExistsException', 'It is there already.')
}

function missing(what: string): Error {
  return serviceError('ResourceNotFoundException', `The specified log ${what} does not exist.`)
}
