/** The entry of the thread that gives packets on to other tools: wiring alone. */
import { parentPort, workerData } from 'node:worker_threads'
import { OperatorError } from '../errors.js'
import { Forwarding } from './forwarding.js'
import type { ForwardNotice, ForwardOptions } from './messages.js'

const tell = (notice: ForwardNotice): void => parentPort!.postMessage(notice)

async function start(): Promise<void> {
  const forwarding = await Forwarding.open(workerData as ForwardOptions, (line) =>
    tell({ type: 'problem', line }),
  )
  // The only order there is: to stop.
  parentPort!.once('message', async () => {
    await forwarding.close()
    parentPort!.close()
  })
  tell({ type: 'ready', ports: forwarding.ports })
}

start().catch((error: Error) => {
  const code = error instanceof OperatorError ? error.code : undefined
  const message = code === undefined ? (error.stack ?? String(error)) : error.message
  tell({ type: 'failed', message, code })
  // Servers that are open would keep it.
  parentPort!.close()
  setImmediate(() => process.exit())
})
