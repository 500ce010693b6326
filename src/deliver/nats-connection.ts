import { readFile } from 'node:fs/promises'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { loadSdk } from '../aws/sdk.js'
import { formatHostPort } from '../wire/host-port.js'
import type { NatsPlace } from './delivery-url.js'
import { DeliveryError, type DeliveryErrorKind } from './destination.js'

/** How long connecting, and then an answer, may take. */
const CONNECT_MS = 10_000
const ANSWER_MS = 5000
const RECONNECT_MS = 500

/** What a server says of a stream that it does not have. */
export const STREAM_NOT_FOUND = 10_059
/** What it says while the servers of a cluster have not agreed on a leader. */
const CLUSTER_NOT_AVAILABLE = 10_008

export interface JetStream {
  readonly connection: NatsConnection
  readonly client: JetStreamClient
  readonly manager: JetStreamManager
  /** What JetStream's errors carry. */
  codeOf(error: unknown): number | undefined
}

export interface ConnectRules {
  /** What the connection is for, as messages have it: `delivering to NATS`. */
  readonly task: string
  /** How often a connection that is lost is tried again; undefined: for ever. */
  readonly reconnects?: number
  /** For tests. */
  readonly answerMs?: number | undefined
}

/**
 * Connects to one of the servers. Who it is, the environment says, by the names that the `nats`
 * command knows: NATS_CREDS, NATS_USER and NATS_PASSWORD, NATS_TOKEN. Rejects with OperatorError
 * without the packages, otherwise with DeliveryError.
 */
export async function connectJetStream(
  { servers }: Pick<NatsPlace, 'servers'>,
  { task, reconnects = -1, answerMs = ANSWER_MS }: ConnectRules,
): Promise<JetStream> {
  const transport = await loadSdk(
    () => import('@nats-io/transport-node'),
    '@nats-io/transport-node',
    task,
  )
  const { JetStreamApiError, jetstream, jetstreamManager } = await loadSdk(
    () => import('@nats-io/jetstream'),
    '@nats-io/jetstream',
    task,
  )
  const { NATS_CREDS, NATS_USER: user, NATS_PASSWORD: pass, NATS_TOKEN: token } = process.env
  let connection: NatsConnection | undefined
  try {
    connection = await transport.connect({
      servers: servers.map(formatHostPort),
      name: 'mirrortap',
      timeout: CONNECT_MS,
      maxReconnectAttempts: reconnects,
      reconnectTimeWait: RECONNECT_MS,
      // A server that hangs, and does not say so, is left soon.
      pingInterval: answerMs,
      maxPingOut: 2,
      ...(user !== undefined && { user }),
      ...(pass !== undefined && { pass }),
      ...(token !== undefined && { token }),
      ...(NATS_CREDS !== undefined && {
        authenticator: transport.credsAuthenticator(await readFile(NATS_CREDS)),
      }),
    })
    const manager = await jetstreamManager(connection, { timeout: answerMs })
    const client = jetstream(connection, { timeout: answerMs })
    const codeOf = (error: unknown) => (error instanceof JetStreamApiError ? error.code : undefined)
    return { connection, client, manager, codeOf }
  } catch (error) {
    await connection?.close()
    throw natsFailure(error)
  }
}

/** Whether an error says only that a cluster has no leader yet: it is worth asking again. */
export function isWithoutLeader(error: unknown): boolean {
  const { name, code } = (error instanceof DeliveryError ? error.cause : error) as Error & {
    code?: unknown
  }
  return code === CLUSTER_NOT_AVAILABLE || name === 'TimeoutError' || name === 'NoRespondersError'
}

const REFUSED = /^(?:Authorization|UserAuthenticationExpired|PermissionViolation)/

/** A failure of the client, as delivery words it. */
export function natsFailure(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error
  const { name, message } = error as Error
  const kind: DeliveryErrorKind = REFUSED.test(name) ? 'Access error' : 'Unknown error'
  return new DeliveryError(kind, said(name, message), error)
}

function said(name: string, message: string): string {
  switch (name) {
    case 'TimeoutError':
      return 'no server has answered in time'
    case 'ConnectionError':
    case 'ClosedConnectionError':
      return `no server can be reached: ${message}`
    case 'NoRespondersError':
      return 'the servers have no leader now, or no such stream'
    case 'JetStreamNotEnabled':
      return 'the server runs without JetStream: start it with -js'
    default:
      return `${name}: ${message}`
  }
}
