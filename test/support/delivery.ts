import { vi } from 'vitest'
import { Delivery } from '../../src/deliver/delivery.js'
import { DeliveryQueue } from '../../src/deliver/delivery-queue.js'
import type { Destination } from '../../src/deliver/destination.js'

/** Short waits: what is tried is what comes in the end. */
const RETRY_MS = { first: 10, last: 50 }

/** Begins to deliver the files of a directory to a server that the AWS SDK finds by this environment. */
export async function deliverTo(
  environment: Readonly<Record<string, string>>,
  directory: string,
  open: () => Promise<Destination>,
  retryMs = RETRY_MS,
): Promise<{ delivery: Delivery; lines: string[] }> {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  const lines: string[] = []
  const delivery = new Delivery({
    name: 'one',
    what: 'fl-1',
    destinationName: 'the server of the test',
    queue: await DeliveryQueue.open({ directory }, 0),
    destination: await open(),
    onProblem: (line) => lines.push(line),
    retryMs,
  })
  return { delivery, lines }
}
