import type { RejectedLogEventsInfo } from '@aws-sdk/client-cloudwatch-logs'
import { loadSdk } from '../aws/sdk.js'
import { awsClientConfig, awsFailure } from './aws-client.js'
import type { Destination } from './destination.js'
import { FileProgress } from './file-progress.js'
import type { QueuedRecord } from './queued-records.js'

/** Limits of PutLogEvents: events and bytes of a batch, and the span of its timestamps. */
const EVENTS_MAX = 10_000
const BATCH_BYTES_MAX = 1_048_576
const EVENT_OVERHEAD = 26
const SPAN_MS = 24 * 3600 * 1000

/** What is in memory at a time, of all streams. */
const CHUNK = { records: 20_000, bytes: 8 * 1024 * 1024 }
/** Batches on their way at a time. */
const CALLS = 4

/** Of records whose interface is unknown. */
const UNKNOWN = 'unknown'
const STREAM_NAME_MAX = 512
const SUFFIX = '-all'

interface CloudWatchLogsPlace {
  readonly group: string
  readonly region: string
  /** For tests: how long the other side may say nothing, in milliseconds. */
  readonly silenceMs?: number
}

/** Records of one stream that go in one call, in the order of their time. */
interface Batch {
  readonly stream: string
  readonly records: QueuedRecord[]
}

/**
 * Each record as an event of the log group, in a stream for each interface as AWS has them. Group
 * and streams are made when they are missing. Rejects with OperatorError without the SDK.
 */
export async function openCloudWatchLogs(place: CloudWatchLogsPlace): Promise<Destination> {
  const {
    CloudWatchLogsClient,
    CreateLogGroupCommand,
    CreateLogStreamCommand,
    PutLogEventsCommand,
  } = await loadSdk(
    () => import('@aws-sdk/client-cloudwatch-logs'),
    '@aws-sdk/client-cloudwatch-logs',
    'delivering to CloudWatch Logs',
  )
  const client = new CloudWatchLogsClient(awsClientConfig(place.region, place.silenceMs))
  const logGroupName = place.group
  const progress = new FileProgress()

  /** Resolves with the number of events that were refused. */
  async function put({ stream, records }: Batch, abortSignal: AbortSignal): Promise<number> {
    const command = new PutLogEventsCommand({
      logGroupName,
      logStreamName: stream,
      logEvents: records.map(({ startMs, line }) => ({ timestamp: startMs, message: line })),
    })
    const { rejectedLogEventsInfo } = await client.send(command, { abortSignal })
    return refusedOf(rejectedLogEventsInfo, records.length)
  }

  async function makeStream(logStreamName: string, abortSignal: AbortSignal): Promise<void> {
    const make = () =>
      made(
        client.send(new CreateLogStreamCommand({ logGroupName, logStreamName }), { abortSignal }),
      )
    try {
      await make()
    } catch (error) {
      if (!isNamed(error, 'ResourceNotFoundException')) throw error
      await made(client.send(new CreateLogGroupCommand({ logGroupName }), { abortSignal }))
      await make()
    }
  }

  async function send(batch: Batch, signal: AbortSignal): Promise<number> {
    try {
      return await put(batch, signal)
    } catch (error) {
      // What services of before 2023 say of a batch that they have had.
      if (isNamed(error, 'DataAlreadyAcceptedException')) return 0
      if (!isNamed(error, 'ResourceNotFoundException')) throw error
      await makeStream(batch.stream, signal)
      return put(batch, signal)
    }
  }

  /** Several at a time; those under way are awaited when one fails. */
  async function sendAll(
    batches: readonly Batch[],
    signal: AbortSignal,
    onArrived: () => void,
  ): Promise<void> {
    const left = [...batches.keys()].filter((index) => !progress.done.has(index))
    const failures: unknown[] = []
    const call = async (): Promise<void> => {
      while (failures.length === 0) {
        const index = left.shift()
        if (index === undefined) return
        try {
          const refused = await send(batches[index]!, signal)
          progress.refused += refused
          progress.done.add(index)
          onArrived()
        } catch (error) {
          failures.push(error)
        }
      }
    }
    await Promise.all(Array.from({ length: CALLS }, call))
    if (failures.length === 0) return
    signal.throwIfAborted()
    throw awsFailure(failures[0])
  }

  const deliver: Destination['deliver'] = (file, signal, onArrived) =>
    progress.deliver(file, CHUNK, (records) => sendAll(batchesOf(records), signal, onArrived))

  return { concurrency: 1, deliver, close: async () => client.destroy() }
}

/** The same ones for the same records. */
function batchesOf(records: readonly QueuedRecord[]): Batch[] {
  const streams = new Map<string, QueuedRecord[]>()
  for (const record of records) {
    const name = streamOf(record.source)
    const stream = streams.get(name)
    if (stream === undefined) streams.set(name, [record])
    else stream.push(record)
  }
  const batches: Batch[] = []
  for (const [stream, all] of streams) {
    all.sort((a, b) => a.startMs - b.startMs)
    let batch: Batch | undefined
    let bytes = 0
    for (const record of all) {
      const more = record.bytes + EVENT_OVERHEAD
      const first = batch?.records[0]
      if (
        batch === undefined ||
        batch.records.length === EVENTS_MAX ||
        bytes + more > BATCH_BYTES_MAX ||
        record.startMs - first!.startMs >= SPAN_MS
      ) {
        batch = { stream, records: [] }
        batches.push(batch)
        bytes = 0
      }
      batch.records.push(record)
      bytes += more
    }
  }
  return batches
}

/** As AWS names it. What no name of a stream may hold becomes `_`. */
function streamOf(source: string): string {
  const id = source === '-' ? UNKNOWN : source.replace(/[:*]/g, '_')
  return id.slice(0, STREAM_NAME_MAX - SUFFIX.length) + SUFFIX
}

/** How many of a batch's events are before one that is young enough, or after one that is old enough. */
function refusedOf(info: RejectedLogEventsInfo | undefined, events: number): number {
  if (info === undefined) return 0
  const tooOld = Math.max(info.tooOldLogEventEndIndex ?? 0, info.expiredLogEventEndIndex ?? 0)
  const tooNew = events - (info.tooNewLogEventStartIndex ?? events)
  return Math.min(events, tooOld + tooNew)
}

/** It may be there already. */
async function made(answer: Promise<unknown>): Promise<void> {
  try {
    await answer
  } catch (error) {
    if (!isNamed(error, 'ResourceAlreadyExistsException')) throw error
  }
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name
}
