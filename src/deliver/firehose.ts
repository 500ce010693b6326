import type { PutRecordBatchResponseEntry } from '@aws-sdk/client-firehose'
import { loadSdk } from '../aws/sdk.js'
import { awsClientConfig, awsFailure } from './aws-client.js'
import type { Destination } from './destination.js'
import { FileProgress } from './file-progress.js'
import type { QueuedRecord } from './queued-records.js'

/** Limits of PutRecordBatch: records of a call, bytes of a call (4 MB), and bytes of one record, before base64. */
const RECORDS_MAX = 500
const CALL_BYTES_MAX = 4_000_000
const RECORD_BYTES_MAX = 1_024_000

/** What is in memory at a time. */
const CHUNK = { records: RECORDS_MAX, bytes: CALL_BYTES_MAX }

interface FirehosePlace {
  readonly stream: string
  readonly region: string
  /** For tests: how long the other side may say nothing, in milliseconds. */
  readonly silenceMs?: number
}

/** A record of a chunk that has yet to arrive. */
interface Waiting {
  readonly index: number
  readonly data: Buffer
}

/**
 * Each record as one of the delivery stream, in the order of the files: `{"message":"2 …"}` and a
 * newline, which is what those who read AWS's flow logs from Firehose find there. Rejects with
 * OperatorError without the SDK.
 */
export async function openFirehose(place: FirehosePlace): Promise<Destination> {
  const { FirehoseClient, PutRecordBatchCommand } = await loadSdk(
    () => import('@aws-sdk/client-firehose'),
    '@aws-sdk/client-firehose',
    'delivering to Firehose',
  )
  const client = new FirehoseClient(awsClientConfig(place.region, place.silenceMs))
  const progress = new FileProgress()

  async function put(
    records: readonly Waiting[],
    signal: AbortSignal,
  ): Promise<readonly PutRecordBatchResponseEntry[]> {
    const command = new PutRecordBatchCommand({
      DeliveryStreamName: place.stream,
      Records: records.map(({ data }) => ({ Data: data })),
    })
    try {
      const { RequestResponses = [] } = await client.send(command, { abortSignal: signal })
      return RequestResponses
    } catch (error) {
      signal.throwIfAborted()
      throw awsFailure(error)
    }
  }

  /** Sends what of a chunk has not arrived. Those that a call leaves out are for the next attempt. */
  async function sendRest(
    records: readonly QueuedRecord[],
    signal: AbortSignal,
    onArrived: () => void,
  ): Promise<void> {
    for (const call of callsOf(waitingOf(records, progress))) {
      const answers = await put(call, signal)
      const failed: (PutRecordBatchResponseEntry | undefined)[] = []
      for (const [at, { index }] of call.entries()) {
        if (answers[at]?.RecordId === undefined) failed.push(answers[at])
        else progress.done.add(index)
      }
      if (failed.length < call.length) onArrived()
      if (failed.length > 0) throw awsFailure(failureOf(failed[0]))
    }
  }

  const deliver: Destination['deliver'] = (file, signal, onArrived) =>
    progress.deliver(file, CHUNK, (records) => sendRest(records, signal, onArrived))

  return { concurrency: 1, deliver, close: async () => client.destroy() }
}

/** One that is longer than Firehose takes, as JSON, is refused. */
function waitingOf(records: readonly QueuedRecord[], progress: FileProgress): Waiting[] {
  const waiting: Waiting[] = []
  for (const [index, { line }] of records.entries()) {
    if (progress.done.has(index)) continue
    const data = Buffer.from(`${JSON.stringify({ message: line })}\n`)
    if (data.length <= RECORD_BYTES_MAX) {
      waiting.push({ index, data })
      continue
    }
    progress.refused++
    progress.done.add(index)
  }
  return waiting
}

function callsOf(waiting: readonly Waiting[]): Waiting[][] {
  const calls: Waiting[][] = []
  let call: Waiting[] | undefined
  let bytes = 0
  for (const record of waiting) {
    const { length } = record.data
    if (call === undefined || call.length === RECORDS_MAX || bytes + length > CALL_BYTES_MAX) {
      call = []
      calls.push(call)
      bytes = 0
    }
    call.push(record)
    bytes += length
  }
  return calls
}

/** Why one record of a call was left out, as an error of the whole call would say it. */
function failureOf(answer: PutRecordBatchResponseEntry | undefined): Error {
  const { ErrorCode: name = 'InternalFailure', ErrorMessage = 'no reason given' } = answer ?? {}
  return Object.assign(new Error(ErrorMessage), { name })
}
