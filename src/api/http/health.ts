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
}

/** A receiving thread shows four times a second that it runs; its longest pauses take milliseconds. */
const SILENT_MS = 3000
/** What is slow but answers has 100 MB on a disk by then. */
const WAITING_MS = 5000

/** Why the appliance does not do its work, a line each; empty while it does. */
export function failuresOf({ workers, waitingMs }: Progress): string[] {
  const silent = workers.filter(({ silentMs }) => silentMs >= SILENT_MS)
  const waiting = Object.entries(waitingMs).filter(([, ms]) => (ms ?? 0) >= WAITING_MS)
  return [
    ...silent.map(
      ({ worker, silentMs }) =>
        `receiving thread ${worker} has not answered for ${inSeconds(silentMs)} s`,
    ),
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
      const { workers, waitingMs, api, auditLinesLost } = facts()
      const failures = failuresOf({ workers, waitingMs })
      const isWell = failures.length === 0
      const told = {
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
      }
      return {
        status: isWell ? 200 : 503,
        contentType: 'application/json',
        body: `${JSON.stringify(told)}\n`,
      }
    },
  }
}

function inSeconds(ms: number): number {
  return Math.round(ms / 100) / 10
}
