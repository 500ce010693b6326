import type { Consumer, JsMsg, StreamState } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { LRUCache } from 'lru-cache'
import { OperatorError } from '../errors.js'
import { sleep } from '../sleep.js'
import { type NatsPlace, placeName } from './delivery-url.js'
import {
  connectJetStream,
  isWithoutLeader,
  type JetStream,
  natsFailure,
  STREAM_NOT_FOUND,
} from './nats-connection.js'

/** What is asked of a server at a time. */
const MESSAGES = 64
/** How often a server that is gone is looked for. */
const RECONNECTS = 20
/** How long servers may be without a leader at the start, and how often they are asked. */
const LEADER_MS = 60_000
const ASK_AGAIN_MS = 500

/** Ids of the last messages: one that a publisher stored twice is given once. */
const IDS_KEPT = 100_000

export interface ReadRules {
  /** Goes on with messages to come. Otherwise it ends with the last one there is at the start. */
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** The messages of a stream from its first: JSON lines each. Rejects with OperatorError. */
export async function* readNats(
  place: NatsPlace,
  rules: ReadRules,
): AsyncGenerator<Uint8Array, void, void> {
  let jetStream: JetStream | undefined
  const begin = async () => {
    jetStream ??= await connectJetStream(place, {
      task: 'reading from NATS',
      reconnects: RECONNECTS,
    })
    const { state } = await jetStream.manager.streams.info(place.stream)
    const consumer = await jetStream.client.consumers.get(place.stream)
    return { state, consumer, connection: jetStream.connection }
  }
  try {
    yield* messagesOf(await onceThereIsALeader(begin, rules.signal), rules)
  } catch (error) {
    if (error instanceof OperatorError) throw error
    if (jetStream?.codeOf(error) === STREAM_NOT_FOUND) {
      throw new OperatorError(`${placeName(place)}: there is no such stream`)
    }
    throw new OperatorError(`${placeName(place)}: ${natsFailure(error).message}`)
  } finally {
    await jetStream?.connection.close()
  }
}

/** A cluster that has lost a server, or has it back, takes some seconds to agree on a leader. */
async function onceThereIsALeader<Answer>(
  ask: () => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  const end = performance.now() + LEADER_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!isWithoutLeader(error) || signal.aborted || performance.now() > end) throw error
    }
    await sleep(ASK_AGAIN_MS, signal)
  }
}

interface Begun {
  readonly state: StreamState
  readonly consumer: Consumer
  readonly connection: NatsConnection
}

async function* messagesOf(
  { state, consumer, connection }: Begun,
  { follow, signal }: ReadRules,
): AsyncGenerator<Uint8Array, void, void> {
  if (state.messages === 0 && !follow) return
  const messages = await consumer.consume({ max_messages: MESSAGES })
  const stop = () => messages.stop()
  signal.addEventListener('abort', stop, { once: true })
  void connection.closed().then(stop)
  const known = new LRUCache<string, true>({ max: IDS_KEPT })
  try {
    if (signal.aborted) return
    for await (const message of messages) {
      const id = message.headers?.get('Nats-Msg-Id') ?? ''
      if (id === '' || !known.has(id)) yield message.data
      if (id !== '') known.set(id, true)
      if (!follow && isLast(message, state.last_seq)) return
    }
  } finally {
    signal.removeEventListener('abort', stop)
    messages.stop()
  }
  if (!signal.aborted) {
    throw new OperatorError(
      'the connection to the servers was lost before the end of the stream: the output is incomplete',
    )
  }
}

/** The last one that there was may have been removed meanwhile. */
function isLast({ seq, info }: JsMsg, last: number): boolean {
  return seq >= last || info.pending === 0
}
