/** The entry of a converting thread: wiring alone. */
import { workerData } from 'node:worker_threads'
import { convertSpool } from './spool-conversion.js'
import type { SpoolOrder } from './spool-thread.js'

const { spool, path } = workerData as SpoolOrder
// What it rejects with ends the thread, and whoever started it is told.
void convertSpool(spool, path)
