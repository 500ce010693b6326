import { descriptorLimit } from '../sink/descriptor-limit.js'

/** Files that one worker may hold open at a time. Plain data. */
export interface FileLimits {
  readonly captures: number
  readonly flowLogs: number
}

/**
 * Of the files that captures may have open: how many are when a session that nobody registered
 * opens one. What it leaves is for those that have lasted, and for registered ones.
 */
export const NEW_SHARE = 1 / 2
export const LASTED_SHARE = 3 / 4

/** Descriptors of Node, of the control plane and of what opens a file for a moment. */
const PROCESS_USE = 48
/** Those of a worker's sockets and event loop, and of a Parquet file being made by another thread. */
const WORKER_USE = 16
const FLOW_LOG_SHARE = 1 / 8
/** As many as one flow log has at most, and a few. */
const FLOW_LOG_FILES_MIN = 20
/** However few descriptors there are. */
const CAPTURES_MIN = 4

/** What else takes descriptors: connections, at most. */
export interface Connections {
  /** Of the API, which gets fewer where there are few descriptors; 0 without one. */
  readonly api: number
  /** Of health checks and of readers of packets. */
  readonly others: number
}

/** The API's share of the descriptors, for connections. */
const CONNECTIONS_SHARE = 1 / 4

/** How many of the connections that the API would take, at most, it may have. */
export function connectionsWithin(most: number, limit = descriptorLimit()): number {
  return Math.min(most, Math.floor(limit * CONNECTIONS_SHARE))
}

/** Shares out the process's descriptors. */
export function fileLimits(
  workers: number,
  { api, others }: Connections,
  limit = descriptorLimit(),
): FileLimits {
  const used = PROCESS_USE + others + connectionsWithin(api, limit)
  const each = Math.floor((limit - used) / workers) - WORKER_USE
  const flowLogs = Math.max(FLOW_LOG_FILES_MIN, Math.floor(each * FLOW_LOG_SHARE))
  return { captures: Math.max(CAPTURES_MIN, each - flowLogs), flowLogs }
}

/** What an operator is told whose sessions cannot all be captured; undefined where they can. */
export function fileLimitsWarning(
  maxSessions: number,
  workers: number,
  connections: Connections,
  limit = descriptorLimit(),
): string | undefined {
  const { captures } = fileLimits(workers, connections, limit)
  const sessions = Math.floor(captures * LASTED_SHARE)
  if (sessions >= maxSessions) return undefined
  const each = Math.ceil(Math.ceil(maxSessions / LASTED_SHARE) / (1 - FLOW_LOG_SHARE))
  const needed = PROCESS_USE + connections.api + connections.others + workers * (each + WORKER_USE)
  const worker = workers === 1 ? '' : ' by each worker'
  return (
    `${limit} files may be open at a time: at most ${sessions} of ${maxSessions} unknown sessions (--max-sessions) ` +
    `are captured${worker}; for all of them run "ulimit -n ${needed}" first`
  )
}
