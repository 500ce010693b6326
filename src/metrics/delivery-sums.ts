import type { DeliveryStatus } from '../deliver/delivery.js'

const COUNTS = [
  'deliveredFiles',
  'deliveredBytes',
  'refusedRecords',
  'lostFiles',
  'failures',
] as const satisfies readonly (keyof DeliveryStatus)[]

/** All deliveries to one kind of place: clients of the API may name any number of places. */
export interface DeliverySums extends Record<(typeof COUNTS)[number], number> {
  /** `s3`, `firehose`, … */
  readonly kind: string
  waitingFiles: number
  waitingBytes: number
  lagSeconds: number
  failing: number
}

/** Sums that do not go back when a delivery ends. */
export class DeliveriesByKind {
  readonly #sums = new Map<string, DeliverySums>()
  #last = new Map<string, DeliveryStatus>()

  update(statuses: readonly DeliveryStatus[], nowMs: number): DeliverySums[] {
    for (const sums of this.#sums.values()) Object.assign(sums, NOTHING_WAITS)
    for (const status of statuses) {
      const kind = status.destination.split(':', 1)[0]!
      const sums = this.#sums.get(kind) ?? nothing(kind)
      this.#sums.set(kind, sums)
      const { waitingFiles, waitingBytes, oldest, error } = status
      sums.waitingFiles += waitingFiles
      sums.waitingBytes += waitingBytes
      sums.failing += error === undefined ? 0 : 1
      const lagSeconds = oldest === undefined ? 0 : (nowMs - oldest) / 1000
      sums.lagSeconds = Math.max(sums.lagSeconds, lagSeconds)
      const last = this.#last.get(status.name)
      for (const count of COUNTS) {
        const before = last?.[count] ?? 0
        // The thread may have been started again.
        sums[count] += status[count] - (status[count] < before ? 0 : before)
      }
    }
    this.#last = new Map(statuses.map((status) => [status.name, status]))
    return [...this.#sums.values()]
  }
}

const NOTHING_WAITS = { waitingFiles: 0, waitingBytes: 0, lagSeconds: 0, failing: 0 }

function nothing(kind: string): DeliverySums {
  const counts = Object.fromEntries(COUNTS.map((name) => [name, 0]))
  return { kind, ...NOTHING_WAITS, ...(counts as Record<(typeof COUNTS)[number], number>) }
}
