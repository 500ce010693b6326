/**
 * The entry of the delivering thread: wiring alone. Destinations are slow, and their SDKs large:
 * neither the API nor a receiving thread is to notice.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { Delivery } from './delivery.js'
import { DeliveryQueue } from './delivery-queue.js'
import { placeName } from './delivery-url.js'
import type { DeliveryNotice, DeliveryOrder, DeliverySpec } from './messages.js'
import { openDestination } from './open-destination.js'

const STATUS_MS = 1000

const deliveries = new Map<string, Delivery>()
const tell = (notice: DeliveryNotice): void => parentPort!.postMessage(notice)
const problem = (line: string): void => tell({ type: 'problem', line })
const statuses = () => [...deliveries.values()].map(({ status }) => status)

async function open(spec: DeliverySpec): Promise<void> {
  const { name, what, place, queue } = spec
  try {
    const before = deliveries.get(name)
    deliveries.delete(name)
    await before?.stop()
    const delivery = new Delivery({
      name,
      what,
      destinationName: placeName(place),
      queue: await DeliveryQueue.open(queue, Date.now()),
      destination: await openDestination(spec),
      onProblem: problem,
    })
    deliveries.set(name, delivery)
  } catch (error) {
    problem(`${what} to ${placeName(place)}: nothing is delivered: ${(error as Error).message}`)
  }
}

async function end(name: string): Promise<void> {
  const delivery = deliveries.get(name)
  if (delivery === undefined) return
  await delivery.drained()
  // The process may have been told to stop meanwhile.
  if (delivery.status.waitingFiles > 0) return
  // Or another has taken its place.
  if (deliveries.get(name) !== delivery) return
  deliveries.delete(name)
  await delivery.stop()
  tell({ type: 'ended', name })
}

async function stop(patienceMs: number): Promise<void> {
  await ordered
  const all = [...deliveries.values()]
  const settled = Promise.all(all.map((delivery) => delivery.settled()))
  await Promise.race([settled, delay(patienceMs, undefined, { ref: false })])
  await Promise.all(all.map((delivery) => delivery.stop()))
  tell({ type: 'stopped', statuses: statuses() })
  process.exit()
}

async function follow(order: DeliveryOrder): Promise<void> {
  switch (order.type) {
    case 'open':
      await open(order.spec)
      break
    case 'end':
      void end(order.name)
      break
    case 'finished':
      for (const path of order.paths) {
        for (const delivery of deliveries.values()) await delivery.add(path)
      }
      break
    case 'scan':
      for (const delivery of deliveries.values()) await delivery.scan()
      break
    case 'undelivered':
      tell({
        type: 'undelivered',
        paths: [...deliveries.values()].flatMap(({ waiting }) => waiting),
      })
      break
    case 'removed':
      for (const delivery of deliveries.values()) delivery.removed(order.paths)
      break
    case 'stop':
      void stop(order.patienceMs)
      break
  }
}

/** Orders are followed one after another: a file may be of a delivery that is still being opened. */
let ordered: Promise<void> = Promise.resolve()

parentPort!.on('message', (order: DeliveryOrder) => {
  const before = ordered
  ordered = before
    .then(() => follow(order))
    .catch((error: Error) => problem(`delivering: ${error.message}`))
})
setInterval(() => tell({ type: 'status', statuses: statuses() }), STATUS_MS)
