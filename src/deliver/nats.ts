import type { NatsPlace } from './delivery-url.js'
import type { Destination } from './destination.js'
import { FileProgress } from './file-progress.js'
import {
  connectJetStream,
  type JetStream,
  natsFailure,
  STREAM_NOT_FOUND,
} from './nats-connection.js'
import type { QueuedRecord } from './queued-records.js'

/** What is in memory at a time, and of it in a message. */
const CHUNK = { records: 20_000, bytes: 8 * 1024 * 1024 }
const BATCH_RECORDS = 1000
const BATCH_BYTES = 256 * 1024
/** What a server counts besides: the subject and headers. */
const OVERHEAD = 1024

/** Messages on their way at a time: JetStream answers each, and those that nobody bounds time out together. */
const OUTSTANDING = 16

/** How long a stream that we make knows message ids: what comes again within it is not stored again. */
const DUPLICATES_MS = 2 * 3600 * 1000
/** Copies of a stream that we make in a cluster. */
const REPLICAS = 3

/** Records of one session that go in one message. */
interface Batch {
  readonly session: string
  readonly lines: string[]
}

/**
 * Records as messages of a stream: `STREAM.SESSION` has those of a session, as JSON lines. A message
 * has an id that says which records of which file it has, so that one that comes again, after
 * an answer that was lost or a process that was killed, is stored once. Rejects with OperatorError
 * without the packages.
 */
export async function openNats(place: NatsPlace, answerMs?: number): Promise<Destination> {
  const progress = new FileProgress()
  let jetStream: JetStream | undefined

  async function connected(): Promise<JetStream> {
    if (jetStream !== undefined && !jetStream.connection.isClosed()) return jetStream
    jetStream = await connectJetStream(place, { task: 'delivering to NATS', answerMs })
    await ensureStream(place, jetStream)
    return jetStream
  }

  /** Several at a time; those under way are awaited when one fails. */
  async function publish(
    name: string,
    records: readonly QueuedRecord[],
    first: number,
    signal: AbortSignal,
    onArrived: () => void,
  ): Promise<void> {
    const { client, connection } = await connected()
    const bytesMax = Math.min(BATCH_BYTES, (connection.info?.max_payload ?? BATCH_BYTES) - OVERHEAD)
    const batches = batchesOf(records, bytesMax)
    const left = [...batches.keys()].filter((index) => !progress.done.has(index))
    const failures: unknown[] = []
    const call = async (): Promise<void> => {
      while (failures.length === 0 && !signal.aborted) {
        const index = left.shift()
        if (index === undefined) return
        const { session, lines } = batches[index]!
        try {
          await client.publish(`${place.stream}.${tokenOf(session)}`, lines.join(''), {
            msgID: `${name}/${first}/${index}`,
            expect: { streamName: place.stream },
          })
          progress.done.add(index)
          onArrived()
        } catch (error) {
          failures.push(error)
        }
      }
    }
    await untilAborted(Promise.all(Array.from({ length: OUTSTANDING }, call)), signal)
    signal.throwIfAborted()
    if (failures.length > 0) throw failures[0]
  }

  const deliver: Destination['deliver'] = async (file, signal, onArrived) => {
    const name = file.key.slice(file.key.lastIndexOf('/') + 1)
    return progress.deliver(file, CHUNK, async (records, first) => {
      try {
        await publish(name, records, first, signal, onArrived)
      } catch (error) {
        signal.throwIfAborted()
        throw natsFailure(error)
      }
    })
  }

  return { concurrency: 1, deliver, close: async () => jetStream?.connection.close() }
}

/** One that exists stays as it is: whoever made it knows how long and how often records are kept. */
async function ensureStream(
  { stream, replicas }: NatsPlace,
  { connection, manager, codeOf }: JetStream,
): Promise<void> {
  try {
    await manager.streams.info(stream)
  } catch (error) {
    if (codeOf(error) !== STREAM_NOT_FOUND) throw error
    const isCluster = connection.info?.cluster !== undefined
    await manager.streams.add({
      name: stream,
      subjects: [`${stream}.>`],
      num_replicas: replicas ?? (isCluster ? REPLICAS : 1),
      duplicate_window: DUPLICATES_MS * 1_000_000,
    })
  }
}

/** The same ones for the same records. */
function batchesOf(records: readonly QueuedRecord[], bytesMax: number): Batch[] {
  const batches: Batch[] = []
  const open = new Map<string, { batch: Batch; bytes: number }>()
  for (const { source, line, bytes } of records) {
    let into = open.get(source)
    const isFull =
      into !== undefined &&
      (into.batch.lines.length === BATCH_RECORDS || into.bytes + bytes + 1 > bytesMax)
    if (into === undefined || isFull) {
      into = { batch: { session: source, lines: [] }, bytes: 0 }
      open.set(source, into)
      batches.push(into.batch)
    }
    into.batch.lines.push(`${line}\n`)
    into.bytes += bytes + 1
  }
  return batches
}

/** Resolves with the work, or as soon as the signal is aborted: answers may be seconds away. */
async function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let stop: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => {
    stop = resolve
    signal.addEventListener('abort', stop, { once: true })
  })
  await Promise.race([work, aborted])
  signal.removeEventListener('abort', stop)
}

/** A session's name as a part of a subject. */
function tokenOf(session: string): string {
  return session.replace(/[^A-Za-z0-9_-]/g, '_')
}
