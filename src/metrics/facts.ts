import type { ApiCounts } from '../api/http/api-server.js'
import type { DeliveryStatus } from '../deliver/delivery.js'
import type { Latency } from '../durations.js'
import type { LedgerReport } from '../session/ledger.js'
import type { Space } from '../sink/disk-space.js'

/** What metrics are made of. */
export interface MetricsFacts {
  readonly version: string
  readonly isReady: boolean
  readonly ledger: LedgerReport
  readonly workers: readonly {
    readonly worker: number
    readonly silentMs: number
    readonly latency: Latency
  }[]
  /** By what is written: how long the oldest operation at its disk has been under way. */
  readonly waitingMs: Readonly<Record<string, number | undefined>>
  /** Of each socket, in bytes. */
  readonly receiveBuffer: { readonly asked: number; readonly granted: number }
  readonly spaces: readonly Space[]
  readonly deliveries: readonly DeliveryStatus[]
  /** undefined without an API. */
  readonly api: { readonly counts: ApiCounts; readonly latency: Latency } | undefined
  readonly auditLinesLost: number | undefined
}
