import type { Progress } from '../../api/http/health.js'
import type { ReadinessFacts } from '../../api/http/probes.js'
import type { Pool } from '../../appliance/pool.js'
import type { ControlPlane } from '../../control/control-plane.js'
import type { DeliveryStatus } from '../../deliver/delivery.js'
import type { LedgerReport } from '../../session/ledger.js'
import type { Space } from '../../sink/disk-space.js'

/** What pages show of a running appliance. All but the ledger is known without asking anybody who may hang. */
export interface Watched {
  progress(): Progress
  spaces(): readonly Space[]
  deliveries(): readonly DeliveryStatus[]
  ledger(): Promise<LedgerReport>
}

export function progressOf(pool: Pool, { disk }: ControlPlane): Progress {
  const { workers, waitingMs } = pool.progress
  return { workers, waitingMs: { ...waitingMs, ...(disk && { state: disk.waitingMs }) } }
}

export function readinessFacts(watched: Watched): ReadinessFacts {
  return {
    progress: watched.progress(),
    spaces: watched.spaces(),
    deliveries: watched.deliveries(),
  }
}
