import { SILENT_MS, silenceText } from '../../appliance/progress.js'
import type { ApiCounts } from './api-server.js'
import type { Route } from './route.js'

/** How far everything has got, as it is known without asking anybody that may hang. */
export interface Progress {
  readonly workers: readonly { readonly worker: number; readonly silentMs: number }[]
  /** By what is written: how long the oldest operation at its disk has been under way; undefined when none is. */
  readonly waitingMs: Readonly<Record<string, number | undefined>>
}

/** What `/health` tells. */
export interface HealthFacts extends Progress {
  readonly api: ApiCounts
  /** Lines of the audit log that were never written; undefined where there is none. */
  readonly auditLinesLost: number | undefined
  readonly deliveries: readonly DeliveryFacts[]
}

/** What has yet to arrive at one destination. */
export interface DeliveryFacts {
  readonly what: string
  readonly destination: string
  readonly waitingFiles: number
  readonly waitingBytes: number
  /** When the oldest of them was finished, in milliseconds since the epoch. */
  readonly oldest: number | undefined
  readonly failures: number
  /** Why the last attempt failed; undefined when it did not. */
  readonly errorMessage: string | undefined
}

/** Destinations shown, those first that are furthest behind: flow logs may have thousands. */
const DELIVERIES_SHOWN = 64

/** What is slow but answers has 100 MB on a disk by then. */
const WAITING_MS = 5000

/** Why the appliance does not do its work, a line each; empty while it does. */
export function failuresOf({ workers, waitingMs }: Progress): string[] {
  const silent = workers.filter(({ silentMs }) => silentMs >= SILENT_MS)
  const waiting = Object.entries(waitingMs).filter(([, ms]) => (ms ?? 0) >= WAITING_MS)
  return [
    ...silent.map(({ worker, silentMs }) => silenceText(worker, silentMs)),
    ...waiting.map(
      ([what, ms]) =>
        `${what}: an operation at the disk has been under way for ${inSeconds(ms!)} s`,
    ),
  ]
}

/** Answers at once, whatever hangs: 200 while all is well, else 503. */
export function health(facts: () => HealthFacts): Route {
  return {
    path: '/health',
    answer: () => {
      const { workers, waitingMs, api, auditLinesLost, deliveries } = facts()
      const failures = failuresOf({ workers, waitingMs })
      const isWell = failures.length === 0
      const body = {
        status: isWell ? 'ok' : 'failing',
        failures,
        workers: workers.map(({ worker, silentMs }) => ({
          worker,
          silentSeconds: inSeconds(silentMs),
        })),
        writes: Object.entries(waitingMs).map(([of, ms]) => ({
          of,
          waitingSeconds: ms === undefined ? null : inSeconds(ms),
        })),
        api,
        ...(auditLinesLost !== undefined && { auditLinesLost }),
        // Whether what waits is too much is for the operator to say: it is safe on the disk.
        deliveries: furthestBehind(deliveries).map(told),
        deliveriesOmitted: Math.max(0, deliveries.length - DELIVERIES_SHOWN),
      }
      return {
        status: isWell ? 200 : 503,
        contentType: 'application/json',
        body: `${JSON.stringify(body)}\n`,
      }
    },
  }
}

function furthestBehind(deliveries: readonly DeliveryFacts[]): DeliveryFacts[] {
  const since = ({ oldest = Number.POSITIVE_INFINITY }: DeliveryFacts): number => oldest
  return [...deliveries]
    .sort((a, b) => (since(a) < since(b) ? -1 : since(a) > since(b) ? 1 : 0))
    .slice(0, DELIVERIES_SHOWN)
}

function told({ oldest, errorMessage, ...rest }: DeliveryFacts) {
  const { what, destination, waitingFiles, waitingBytes, failures } = rest
  return {
    of: what,
    destination,
    waitingFiles,
    waitingBytes,
    oldestWaitingSeconds: oldest === undefined ? null : inSeconds(Math.max(0, Date.now() - oldest)),
    failures,
    lastError: errorMessage ?? null,
  }
}

function inSeconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
