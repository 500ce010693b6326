import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import writeFileAtomic from 'write-file-atomic'
import { deliveryNameOf, type QueueContent } from '../flowlog/delivery-queue-format.js'
import { makeFlowLogId, QUEUE_EXTENSION } from '../flowlog/layout.js'
import { regionOfDestination } from '../mirror/flow-log-destination.js'
import type { FlowLog } from '../mirror/resources.js'
import type { Deliveries } from './deliveries.js'
import { type Place, placeName, placeOfFlowLog } from './delivery-url.js'
import type { DeliveryErrorKind } from './destination.js'
import { parseKeptDelivery } from './kept-delivery.js'
import type { DeliverySpec } from './messages.js'

/** Below the directory of flow logs: what deliveries keep. */
const KEPT = '.deliver'

const DEFAULT_ID_FILE = 'default-flow-log-id'
const SPEC = '.json'

/** Where the default flow log goes. */
interface DefaultPlaces {
  readonly places: readonly Place[]
  /** Its id; undefined where it is delivered nowhere. */
  readonly defaultId: string | undefined
}

interface FlowLogDeliveriesOptions extends DefaultPlaces {
  /** Of all flow logs. */
  readonly directory: string
  readonly region: string
  readonly onProblem: (line: string) => void
  /** What brings them there. */
  readonly deliveries: Deliveries
}

/** The directory below which records wait for places that take records, not files. */
export function queueDirectory(directory: string): string {
  return join(directory, KEPT)
}

/** What waits for a place in a queue of its own; undefined for one that takes the flow log's files. */
const CONTENT: { readonly [Kind in Place['kind']]: QueueContent | undefined } = {
  s3: undefined,
  'cloudwatch-logs': 'lines',
  firehose: 'lines',
  ipfix: 'flows',
  nats: 'json',
}

/** The queue of the default flow log for a place that takes records; undefined for one that takes its files. */
export function defaultQueue(
  directory: string,
  place: Place,
): { directory: string; content: QueueContent } | undefined {
  const content = CONTENT[place.kind]
  return content && { directory: join(queueDirectory(directory), slugOf(place)), content }
}

/**
 * The id of the default flow log, the same at every start: what an earlier run has left is still
 * to be delivered. Throws the file system's error.
 */
export function defaultFlowLogId(directory: string): string {
  const path = join(queueDirectory(directory), DEFAULT_ID_FILE)
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  const id = makeFlowLogId()
  mkdirSync(queueDirectory(directory), { recursive: true })
  writeFileAtomic.sync(path, `${id}\n`)
  return id
}

/**
 * Which flow logs are delivered where. The files of a flow log for S3 are what is delivered, and
 * stay; for other places records wait in a queue of their own, and go with their delivery. A flow
 * log that is deleted has its last files delivered, also after a restart.
 */
export class FlowLogDeliveries {
  #options: FlowLogDeliveriesOptions
  readonly #deliveries: Deliveries

  constructor(options: FlowLogDeliveriesOptions) {
    this.#options = options
    this.#deliveries = options.deliveries
  }

  /** Why the files of a flow log do not arrive; undefined while they do. */
  errorOf(flowLogId: string): DeliveryErrorKind | undefined {
    return this.#deliveries.statusOf(deliveryNameOf(flowLogId))?.error
  }

  /** Begins, with the flow logs there are and those that were deleted before all was delivered. */
  start(flowLogs: Iterable<FlowLog>): void {
    for (const place of this.#options.places) this.#deliveries.open(this.#ofDefault(place))
    const present = new Set<string>()
    for (const flowLog of flowLogs) {
      present.add(deliveryNameOf(flowLog.id))
      this.#open(flowLog)
    }
    for (const spec of this.#kept()) {
      if (present.has(spec.name)) continue
      this.#deliveries.open(spec)
      this.#end(spec.name)
      present.add(spec.name)
    }
    for (const place of this.#options.places) present.add(slugOf(place))
    this.#sayUnclaimed(present)
  }

  /** Of queues whose destination is not named any more: nobody else would know that there are any. */
  #sayUnclaimed(names: ReadonlySet<string>): void {
    const { directory, onProblem } = this.#options
    const kept = queueDirectory(directory)
    if (!existsSync(kept)) return
    for (const entry of readdirSync(kept, { withFileTypes: true })) {
      if (!entry.isDirectory() || names.has(entry.name)) continue
      const queue = join(kept, entry.name)
      const files = readdirSync(queue, { recursive: true, encoding: 'utf8' })
      const waiting = files.filter((name) => name.endsWith(QUEUE_EXTENSION)).length
      if (waiting === 0) continue
      onProblem(
        `${queue}: files that wait for a destination which is not named any more: ${waiting}; name it again, or remove them`,
      )
    }
  }

  /**
   * The default flow log goes to other places from now on. What this returns is called once no more files
   * come for those that are not among them: what waits for one of these is delivered first.
   */
  setPlaces(next: DefaultPlaces): () => void {
    const before = new Map(this.#options.places.map((place) => [slugOf(place), place]))
    this.#options = { ...this.#options, ...next }
    for (const place of next.places) {
      const name = slugOf(place)
      // One may differ in what is no part of its name.
      if (!isDeepStrictEqual(before.get(name), place)) this.#deliveries.open(this.#ofDefault(place))
      before.delete(name)
    }
    return () => {
      for (const name of before.keys()) this.#deliveries.end(name, () => undefined)
    }
  }

  /** A flow log is made or deleted; the files of a deleted one have their names. */
  follow(before: FlowLog | undefined, after: FlowLog | undefined): void {
    if (before === undefined && after !== undefined) this.#open(after)
    else if (before !== undefined && after === undefined) this.#end(deliveryNameOf(before.id))
  }

  #end(name: string): void {
    this.#deliveries.end(name, () => this.#forget(name))
  }

  #open(flowLog: FlowLog): void {
    const { directory, region, onProblem } = this.#options
    const place = placeOfFlowLog(flowLog)
    if (place === undefined || flowLog.trafficType === 'REJECT') return
    const name = deliveryNameOf(flowLog.id)
    const where = { place, region: regionOfDestination(flowLog) ?? region }
    const spec = this.#specOf(name, { what: flowLog.id, ...where })
    try {
      mkdirSync(queueDirectory(directory), { recursive: true })
      writeFileAtomic.sync(this.#specPath(name), `${JSON.stringify(spec)}\n`)
    } catch (error) {
      // Delivered all the same, unless the process ends first.
      onProblem(
        `${flowLog.id}: where it is delivered to cannot be kept: ${(error as Error).message}`,
      )
    }
    this.#deliveries.open(spec)
  }

  #specOf(name: string, of: Pick<DeliverySpec, 'what' | 'place' | 'region'>): DeliverySpec {
    const { directory } = this.#options
    const queue =
      of.place.kind === 's3'
        ? {
            directory,
            names: `_${of.what}_`,
            journal: join(queueDirectory(directory), `${name}.delivered`),
          }
        : { directory: join(queueDirectory(directory), name) }
    return { name, ...of, queue }
  }

  #ofDefault(place: Place): DeliverySpec {
    const { directory, region, defaultId } = this.#options
    const own = defaultQueue(directory, place)
    const queue =
      own === undefined
        ? {
            directory,
            names: `_${defaultId}_`,
            journal: join(queueDirectory(directory), `${slugOf(place)}.delivered`),
          }
        : { directory: own.directory }
    return { name: slugOf(place), what: 'the default flow log', place, region, queue }
  }

  #specPath(name: string): string {
    return join(queueDirectory(this.#options.directory), name + SPEC)
  }

  #kept(): DeliverySpec[] {
    const directory = queueDirectory(this.#options.directory)
    if (!existsSync(directory)) return []
    const specs: DeliverySpec[] = []
    for (const file of readdirSync(directory)) {
      if (!file.endsWith(SPEC)) continue
      const name = file.slice(0, -SPEC.length)
      try {
        const text = readFileSync(join(directory, file), 'utf8')
        specs.push(this.#specOf(name, parseKeptDelivery(text, name)))
      } catch (error) {
        this.#options.onProblem(
          `${join(directory, file)} cannot be read: ${(error as Error).message}`,
        )
      }
    }
    return specs
  }

  /** Nothing of a deleted flow log is left to deliver. */
  #forget(name: string): void {
    rmSync(this.#specPath(name), { force: true })
    const directory = queueDirectory(this.#options.directory)
    rmSync(join(directory, `${name}.delivered`), { force: true })
    rmSync(join(directory, name), { recursive: true, force: true })
  }
}

/** A name for files of this place, which no other has. */
export function slugOf(place: Place): string {
  const name = placeName(place)
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return `${name.replace(/[^A-Za-z0-9.-]+/g, '-').slice(0, 60)}-${hash}`
}
