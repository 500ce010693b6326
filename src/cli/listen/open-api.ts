import { resolve } from 'node:path'
import { API_LIMITS, type ApiLimits, ApiServer } from '../../api/http/api-server.js'
import { AuditLog } from '../../api/http/audit-log.js'
import { capturesPages } from '../../api/http/captures-pages.js'
import { Dispatcher } from '../../api/http/dispatcher.js'
import { findPage } from '../../api/http/find-page.js'
import { type HealthFacts, health, type Progress } from '../../api/http/health.js'
import { ledgerPage } from '../../api/http/ledger-page.js'
import { bindAddress } from '../../api/http/loopback.js'
import { alive, readiness } from '../../api/http/probes.js'
import { signInToken, Visitors } from '../../api/http/visitors.js'
import { connectionsWithin } from '../../appliance/file-limits.js'
import type { LineLimits } from '../../appliance/line-limit.js'
import type { Action } from '../../aws/protocol/action.js'
import { makeServices } from '../../aws/protocol/service.js'
import type { Credential } from '../../aws/sigv4/credentials.js'
import { defaultCredentialsPath, openCredentials } from '../../aws/sigv4/credentials-file.js'
import { Verifier } from '../../aws/sigv4/verifier.js'
import { LiveFeed } from '../../dashboard/live-feed.js'
import { dashboardPages } from '../../dashboard/pages.js'
import { OperatorError } from '../../errors.js'
import type { MetadataValues } from '../../flowlog/metadata.js'
import { metricsPage } from '../../metrics/metrics-page.js'
import { type ApiCliOptions, DEFAULT_API } from './api-options.js'
import { metricsFacts, readinessFacts, type Watched } from './watched.js'

/** What AWS's clients assume, and what its emulators answer as. */
const DEFAULT_REGION = 'us-east-1'
const DEFAULT_ACCOUNT = '000000000000'

/** This one, for what is done in a process of its own. */
const PROGRAM = [process.execPath, process.argv[1]!] as const

/** As EC2 allows. */
const SKEW_SECONDS = 15 * 60

/** The configured ones, or those that stand in for them. */
export function regionAndAccount(metadata: MetadataValues): { region: string; accountId: string } {
  return {
    region: metadata.region ?? DEFAULT_REGION,
    accountId: metadata['account-id'] ?? DEFAULT_ACCOUNT,
  }
}

/** How lines for the operator are said: at the start, and those of a kind that clients can cause. */
export interface Lines {
  say(line: string): void
  warn(line: string): void
  readonly limits: LineLimits
}

/**
 * Serves the API, and says where and with which keys; undefined without one.
 *
 * An API that was asked for in any way and cannot be had is an OperatorError. One that is there only
 * because it always is stops no packets from being received: the failure is reported and packets are still received.
 */
export async function openApi(
  options: ApiCliOptions,
  metadata: MetadataValues,
  actions: { ec2: readonly Action[]; networkFirewall: readonly Action[] },
  lines: Lines,
  watched: Watched,
): Promise<ApiServer | undefined> {
  const { api, credentials, auth, auditLog } = options
  if (api === false) return undefined
  const isAskedFor =
    typeof api === 'object' || credentials !== undefined || auth === false || auditLog !== undefined
  try {
    return await serve(options, metadata, actions, lines, watched)
  } catch (error) {
    if (isAskedFor || !(error instanceof OperatorError)) throw error
    lines.warn(`without the API: ${error.message}`)
    return undefined
  }
}

async function serve(
  options: ApiCliOptions,
  metadata: MetadataValues,
  actions: { ec2: readonly Action[]; networkFirewall: readonly Action[] },
  { say, warn, limits }: Lines,
  watched: Watched,
): Promise<ApiServer> {
  const sayOfRequests = limits.about('requests to the API')
  const { captureDir } = options
  const { host, port } = typeof options.api === 'object' ? options.api : DEFAULT_API
  const isOpen = options.auth === false
  const { region, accountId } = regionAndAccount(metadata)
  const address = await bindAddress(host, isOpen)
  const path = isOpen ? undefined : (options.credentials ?? defaultCredentialsPath())
  const keys = path === undefined ? undefined : await openCredentials(path)
  const audit =
    options.auditLog === undefined
      ? undefined
      : await AuditLog.open(options.auditLog, limits.about('the audit log'))

  const verifier =
    keys === undefined
      ? undefined
      : new Verifier({
          credentials: keys.credentials,
          region,
          skewSeconds: SKEW_SECONDS,
          now: Date.now,
        })
  const visitors = keys === undefined ? undefined : new Visitors(keys.credentials.values())
  const feed = new LiveFeed({ facts: watched, keepsCaptures: captureDir !== undefined })
  const services = makeServices(actions)
  const dispatcher = new Dispatcher({
    services,
    verifier,
    visitors,
    audit,
    region,
    accountId,
    onProblem: sayOfRequests,
    now: Date.now,
  })
  const facts = (): HealthFacts => ({
    ...withAudit(watched.progress(), audit),
    api: server.counts,
    auditLinesLost: audit?.lost,
    deliveries: watched.deliveries(),
  })
  const server: ApiServer = await ApiServer.start({
    host: address,
    port,
    dispatcher,
    routes: [
      health(facts),
      alive,
      readiness('/readyz', () => readinessFacts(watched)),
      ledgerPage(watched.ledger),
      metricsPage(() => metricsFacts(watched), true),
      ...(captureDir === undefined
        ? []
        : [
            findPage({ program: PROGRAM, directory: captureDir }),
            ...capturesPages({ directory: captureDir }),
          ]),
      ...dashboardPages(),
      feed.route,
      ...(visitors === undefined ? [] : [visitors.signIn, visitors.signOut]),
    ],
    limits: connectionLimits(),
    onProblem: sayOfRequests,
  })

  watched.api = { server, audit }
  const whose = path === undefined ? 'for everybody on this host' : `access keys in ${path}`
  say(`API on ${server.url}, region ${region}, account ${accountId}, ${whose}`)
  sayDashboard(server.url, keys?.credentials.values().next().value, say)
  if (keys?.isExposed) warn(`others may read ${path}: run "chmod 600 ${path}"`)
  if (keys?.made !== undefined) sayKeys(keys.made, path!, region, server.url, say)
  return server
}

/** As many connections as the process's descriptors allow. */
function connectionLimits(): Partial<ApiLimits> {
  const { connections, connectionsOfClient } = API_LIMITS
  return {
    connections: connectionsWithin(connections),
    connectionsOfClient: Math.ceil(connectionsWithin(connectionsOfClient * 2) / 2),
  }
}

function withAudit(progress: Progress, audit: AuditLog | undefined): Progress {
  if (audit === undefined) return progress
  return { ...progress, waitingMs: { ...progress.waitingMs, 'audit log': audit.disk.waitingMs } }
}

/** The link signs in: like a secret, it is for the eyes of whoever started it. */
function sayDashboard(
  url: string,
  credential: Credential | undefined,
  say: (line: string) => void,
): void {
  if (credential === undefined) say(`dashboard on ${url}/`)
  else if (process.stderr.isTTY) say(`dashboard on ${url}/#${signInToken(credential)}`)
  else say(`dashboard on ${url}/ ("mirrortap top --link" prints the link that signs in)`)
}

/** The secret is for the eyes of whoever started it; a log is read by others. */
function sayKeys(
  { accessKeyId, secretAccessKey }: Credential,
  path: string,
  region: string,
  url: string,
  say: (line: string) => void,
): void {
  say(`made an access key in ${path}; to use it:`)
  if (process.stderr.isTTY) {
    say(`  export AWS_ACCESS_KEY_ID=${accessKeyId}`)
    say(`  export AWS_SECRET_ACCESS_KEY=${secretAccessKey}`)
  } else {
    say(`  export AWS_SHARED_CREDENTIALS_FILE=${resolve(path)}`)
  }
  say(`  export AWS_DEFAULT_REGION=${region}`)
  say(`  export AWS_ENDPOINT_URL=${url}`)
  say(
    `  aws --endpoint-url ${url} ec2 describe-traffic-mirror-sessions  # AWS CLI before 2.13 and 1.29 knows no AWS_ENDPOINT_URL`,
  )
}
