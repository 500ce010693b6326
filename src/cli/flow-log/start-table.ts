import { availableParallelism } from 'node:os'
import { SESSION_INDICES } from '../../flow/flow-entry.js'
import { TableThread } from '../../offline/table-thread.js'
import { lifetimeOf } from '../lifetime-options.js'
import { statOf } from '../named-files.js'
import type { FlowLogOptions } from './options.js'

/** Bytes of captures. */
const WORTH_A_THREAD = 32 * 1024 * 1024

/** Starts a thread for the flow table where it is better kept by one of its own; else undefined. */
export function startTable(
  files: readonly string[],
  options: FlowLogOptions,
): TableThread | undefined {
  if (!isWorthAThread(files)) return undefined
  return new TableThread({
    capacity: options.maxFlows,
    sessions: SESSION_INDICES,
    lifetime: lifetimeOf(options),
    windowSeconds: Number(options.maxAggregationInterval),
  })
}

/** A thread takes a while to start, and on a pipe, starting a thread costs more than it saves. */
function isWorthAThread(files: readonly string[]): boolean {
  if (availableParallelism() < 2) return false
  let octets = 0
  for (const file of files) {
    if (file === '-') return false
    octets += statOf(file)?.size ?? 0
  }
  return octets >= WORTH_A_THREAD
}
