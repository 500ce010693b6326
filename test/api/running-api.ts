import { once } from 'node:events'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { type ApiLimits, ApiServer } from '../../src/api/http/api-server.js'
import type { AuditLog } from '../../src/api/http/audit-log.js'
import { Dispatcher } from '../../src/api/http/dispatcher.js'
import { health } from '../../src/api/http/health.js'
import type { Route } from '../../src/api/http/route.js'
import type { Visitors } from '../../src/api/http/visitors.js'
import type { Action } from '../../src/aws/protocol/action.js'
import { makeServices } from '../../src/aws/protocol/service.js'
import type { Credential } from '../../src/aws/sigv4/credentials.js'
import { Verifier } from '../../src/aws/sigv4/verifier.js'

export const REGION = 'us-east-1'
export const ACCOUNT = '111122223333'

/** The pair of AWS's documentation. */
export const ALICE: Credential = {
  userName: 'alice',
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
}

export const BOB: Credential = {
  userName: 'bob',
  accessKeyId: 'AKIDBOB',
  secretAccessKey: 'bob-secret',
  sessionToken: 'bob/token+with=signs',
}

export const NO_COUNTS = {
  connections: 0,
  connectionsEvicted: 0,
  connectionsRefused: 0,
  bodiesGivenUp: 0,
  turnedAway: 0,
  answered: 0,
  refused: 0,
  failed: 0,
}

export const NO_LATENCY = { count: 0, sumSeconds: 0, quantiles: [0, 0, 0, 0] }

/** Of an appliance where all is well. */
export const QUIET = {
  workers: [{ worker: 1, silentMs: 100, latency: NO_LATENCY }],
  waitingMs: {},
  auditLinesLost: 0,
  deliveries: [],
}

export interface ApiSetting {
  ec2?: readonly Action[]
  networkFirewall?: readonly Action[]
  credentials?: readonly Credential[] | 'none'
  audit?: AuditLog
  now?: () => number
  skewSeconds?: number
  visitors?: Visitors
}

export interface MadeDispatcher {
  dispatcher: Dispatcher
  /** Lines told to the operator. */
  problems: string[]
}

export function makeDispatcher(setting: ApiSetting = {}): MadeDispatcher {
  const { credentials = [ALICE, BOB], now = Date.now } = setting
  const problems: string[] = []
  const verifier =
    credentials === 'none'
      ? undefined
      : new Verifier({
          credentials: new Map(credentials.map((one) => [one.accessKeyId, one])),
          region: REGION,
          skewSeconds: setting.skewSeconds ?? 900,
          now,
        })
  const dispatcher = new Dispatcher({
    services: makeServices({
      ec2: setting.ec2 ?? [],
      networkFirewall: setting.networkFirewall ?? [],
    }),
    verifier,
    visitors: setting.visitors,
    audit: setting.audit,
    region: REGION,
    accountId: ACCOUNT,
    onProblem: (line) => problems.push(line),
    now,
  })
  return { dispatcher, problems }
}

export interface RunningApi extends MadeDispatcher {
  server: ApiServer
  url: string
}

/** A server on a free port of loopback, closed when the test ends. */
export async function startApi(
  setting: ApiSetting & { limits?: Partial<ApiLimits>; routes?: readonly Route[] } = {},
): Promise<RunningApi> {
  const made = makeDispatcher(setting)
  const server: ApiServer = await ApiServer.start({
    host: '127.0.0.1',
    port: 0,
    dispatcher: made.dispatcher,
    routes: setting.routes ?? [health(() => ({ ...QUIET, api: server.counts }))],
    limits: { closeMs: 1000, ...setting.limits },
    onProblem: (line) => made.problems.push(line),
  })
  onTestFinished(() => server.close())
  return { ...made, server, url: server.url }
}

/** Sends bytes as they are, and resolves with everything that comes until the server closes. */
export async function sendRaw(port: number, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const received: Buffer[] = []
  socket.on('data', (bytes: Buffer) => received.push(bytes))
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  for (const piece of pieces) socket.write(piece)
  if (!socket.destroyed) await once(socket, 'close')
  return Buffer.concat(received).toString('latin1')
}
