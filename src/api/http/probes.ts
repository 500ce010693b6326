import { isFull, type Space } from '../../sink/disk-space.js'
import { failuresOf, type Progress } from './health.js'
import type { Route } from './route.js'

/** What keeps an appliance from being sent packets. */
export interface ReadinessFacts {
  readonly progress: Progress
  readonly spaces: readonly Space[]
  /** Directories that cannot be written to, a line each. */
  readonly troubles: readonly string[]
  readonly deliveries: readonly Backlog[]
}

/** What waits to be delivered to one destination. */
interface Backlog {
  readonly what: string
  readonly destination: string
  readonly waitingFiles: number
  /** When the oldest of them was finished, in milliseconds since the epoch. */
  readonly oldest: number | undefined
  /** Why the last attempt failed; undefined when it did not. */
  readonly error: string | undefined
}

/** A destination that fails is tried again for ever; after so long somebody should look. */
const BACKLOG_MS = 15 * 60_000

/** Why the appliance is not ready, a line each; empty while it is. That nothing comes is no reason. */
export function unreadiness(facts: ReadinessFacts, nowMs: number): string[] {
  const { progress, spaces, troubles, deliveries } = facts
  const full = spaces.filter(isFull).map(({ directory }) => `${directory}: the disk is full`)
  const late = deliveries.flatMap(({ what, destination, waitingFiles, oldest, error }) => {
    if (error === undefined || oldest === undefined || nowMs - oldest < BACKLOG_MS) return []
    const minutes = Math.floor((nowMs - oldest) / 60_000)
    return `${what} to ${destination}: ${waitingFiles} files wait, the oldest for ${minutes} minutes: ${error}`
  })
  return [...failuresOf(progress), ...troubles, ...full, ...late]
}

/** `/healthz`: the process answers. */
export const alive: Route = { path: '/healthz', answer: () => text(200, ['ok']) }

/** 200 while the appliance does its work, else 503 with the reasons. */
export function readiness(path: string, facts: () => ReadinessFacts): Route {
  return {
    path,
    answer: () => {
      const reasons = unreadiness(facts(), Date.now())
      return reasons.length === 0 ? text(200, ['ok']) : text(503, reasons)
    },
  }
}

function text(status: number, lines: readonly string[]) {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${lines.join('\n')}\n` }
}
