import { WRITES } from '../../appliance/progress.js'
import { OPERATIONS_AT_A_TIME } from '../../sink/disk.js'

/** For the state, the audit log, captures that are downloaded, names of hosts, compression and whatever does not hang. */
const OTHERS = 8 + OPERATIONS_AT_A_TIME
/** What libuv allows. */
const THREADS_MAX = 1024

/**
 * Has libuv start a thread for every operation that receiving threads may have at their disks at a time,
 * and some more: all of the process share them, four otherwise, and a disk that hangs would hold up
 * the state and the audit log on another. libuv looks when the first is needed: nothing may
 * have been asked of it before.
 */
export function reserveDiskThreads(workers: number): void {
  const wanted = workers * WRITES.length * OPERATIONS_AT_A_TIME + OTHERS
  const given = Number(process.env['UV_THREADPOOL_SIZE'] ?? 0)
  process.env['UV_THREADPOOL_SIZE'] = String(Math.min(Math.max(wanted, given || 0), THREADS_MAX))
}
