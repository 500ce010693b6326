/**
 * The entry of the indexing thread: wiring alone. It looks for finished captures without an index now
 * and then, whoever has left them, and indexes one after the other. It may be ended at any time.
 */
import { setPriority } from 'node:os'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { IndexNotice, IndexThreadOptions } from './index-thread.js'
import { MissingIndexes } from './missing-indexes.js'

/** The least that the system gives: whatever else wants the processor goes first. */
const NICENESS = 19
/** Between two looks at the directory, and as a part of the time at most that a look takes. */
const LOOK_MS = 5000
const LOOK_SHARE = 0.05

const { directory } = workerData as IndexThreadOptions
const tell = (notice: IndexNotice): void => parentPort!.postMessage(notice)

async function index(): Promise<never> {
  const missing = new MissingIndexes(
    directory,
    (line) => tell({ type: 'problem', line }),
    (capture) => tell({ type: 'begun', capture }),
  )
  for (;;) {
    const began = performance.now()
    await missing.look()
    const looked = performance.now() - began
    while (await missing.indexNext()) await nextTurn()
    await delay(Math.max(LOOK_MS, looked / LOOK_SHARE))
  }
}

try {
  // On Linux this is the thread's own, elsewhere the process's: there it stays as it is.
  if (process.platform === 'linux') setPriority(NICENESS)
} catch {
  // It then runs like every other.
}
void index()
