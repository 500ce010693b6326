import type { ApiServer } from '../../api/http/api-server.js'
import type { AuditLog } from '../../api/http/audit-log.js'
import type { Progress } from '../../api/http/health.js'
import { type ReadinessFacts, unreadiness } from '../../api/http/probes.js'
import type { TopTalkers } from '../../appliance/live-talkers.js'
import type { Pool } from '../../appliance/pool.js'
import type { PoolProgress } from '../../appliance/progress.js'
import type { ControlPlane } from '../../control/control-plane.js'
import type { DeliveryStatus } from '../../deliver/delivery.js'
import type { MetricsFacts } from '../../metrics/facts.js'
import type { LedgerReport } from '../../session/ledger.js'
import type { Space } from '../../sink/disk-space.js'

/** What pages show of a running appliance. All but the ledger is known without asking anybody who may hang. */
export interface Watched {
  readonly version: string
  /** Of each socket, in bytes. */
  readonly receiveBuffer: { readonly asked: number; readonly granted: number }
  progress(): Progress & Pick<PoolProgress, 'workers'>
  spaces(): readonly Space[]
  /** As of ReadinessFacts. */
  troubles(): readonly string[]
  deliveries(): readonly DeliveryStatus[]
  ledger(): Promise<LedgerReport>
  talkers(): Promise<TopTalkers | undefined>
  /** From when it is served. */
  api: { readonly server: ApiServer; readonly audit: AuditLog | undefined } | undefined
}

export function progressOf(pool: Pool, { disk }: ControlPlane): ReturnType<Watched['progress']> {
  const { workers, waitingMs } = pool.progress
  return { workers, waitingMs: { ...waitingMs, ...(disk && { state: disk.waitingMs }) } }
}

export function readinessFacts(watched: Watched): ReadinessFacts {
  return {
    progress: watched.progress(),
    spaces: watched.spaces(),
    troubles: watched.troubles(),
    deliveries: watched.deliveries(),
  }
}

export async function metricsFacts(watched: Watched): Promise<MetricsFacts> {
  const { version, receiveBuffer, api } = watched
  const ledger = await watched.ledger()
  const { workers, waitingMs } = watched.progress()
  return {
    version,
    receiveBuffer,
    ledger,
    workers,
    waitingMs,
    isReady: unreadiness(readinessFacts(watched), Date.now()).length === 0,
    spaces: watched.spaces(),
    deliveries: watched.deliveries(),
    api: api && { counts: api.server.counts, latency: api.server.durations.latency },
    auditLinesLost: api?.audit?.lost,
  }
}
