import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Turns } from '../sink/turns.js'

/** Makes the Parquet file at `path` of `spool`; rejects when it cannot. */
export type Convert = (spool: string, path: string) => Promise<void>

/** What a converting thread is told. Plain data. */
export interface SpoolOrder {
  readonly spool: string
  readonly path: string
}

/** What such a thread runs. */
const WORKER = new URL('./spool-worker.js', import.meta.url)

/** Files that end together are converted one after another. */
const turns = new Turns(1)

/**
 * As convertSpool, while the thread goes on receiving. Seconds of work every five
 * minutes are not worth a thread that waits for them, so each has its own.
 */
export function convertInThread(spool: string, path: string): Promise<void> {
  return turns.run(async () => {
    const order: SpoolOrder = { spool, path }
    const worker = new Worker(WORKER, { workerData: order })
    // Rejects with what the thread threw.
    const [code] = await once(worker, 'exit')
    if (code !== 0) throw new Error(`converting ${spool} ended with code ${code}`)
  })
}
