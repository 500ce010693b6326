/**
 * The entry of a receiving thread: wiring alone. Its sockets feed a column, a
 * timer drives it, messages order it about.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { Change } from '../control/state.js'
import { Durations } from '../durations.js'
import { OperatorError } from '../errors.js'
import type { OnDatagram, Receiver } from '../receive/receiver.js'
import { Receivers } from '../receive/receivers.js'
import { attachSteering, steeringProgram } from '../receive/steering.js'
import type { FlowBatch } from './captured-flows.js'
import { Column, type ColumnOptions, type ColumnOutlets, type Tuning } from './column.js'
import type { FlowOrder, Notice, Order, WorkerOptions } from './messages.js'
import { PacketRingWriter } from './packet-ring.js'
import { Progress } from './progress.js'
import { SharedTotals } from './shared-totals.js'

const TICK_MS = 250
/** Ticks between two looks at the latency. */
const LATENCY_TICKS = 8
/** Datagrams between two looks at the totals: what a sudden death may leave uncounted. A power of two. */
const TOTALS_EVERY = 64
/** After a crash: how long finishing the files may take. */
const SALVAGE_MS = 5000

const options = workerData as WorkerOptions
const tell = (notice: Notice): void => parentPort!.postMessage(notice)
const column = new Column(
  columnOptions(options),
  (line) => tell({ type: 'problem', line }),
  (path) => tell({ type: 'finished', path }),
  outlets(options),
)
const receivers = new Receivers()
const totals = new SharedTotals(options.totals)
const progress = new Progress(options.progress)
const durations = new Durations()
let timer: NodeJS.Timeout | undefined

function outlets({ forward, index }: WorkerOptions): ColumnOutlets {
  return forward === undefined ? {} : { forward: new PacketRingWriter(forward[index]!) }
}

/** What a column is told of the others. */
function columnOptions({ column, index, workers, steer }: WorkerOptions): ColumnOptions {
  if (workers === 1) return column
  const flowLog = column.flowLog && { ...column.flowLog, worker: index }
  if (steer === 'vni') {
    return { ...column, ...(flowLog && { flowLog: { ...flowLog, share: { index, of: workers } } }) }
  }
  // Several see one session: each writes capture files under names of its own.
  const { capture } = column
  return {
    ...column,
    ...(flowLog && { flowLog }),
    ...(capture && { capture: { ...capture, suffix: `.w${index}` } }),
  }
}

/** An error as it crosses to the pool. */
function told(error: unknown): { message: string; code: string | undefined } {
  if (error instanceof OperatorError) return { message: error.message, code: error.code }
  return { message: (error as Error | undefined)?.stack ?? String(error), code: undefined }
}

function fail(error: unknown): void {
  tell({ type: 'failed', ...told(error) })
}

let isEnding = false

/** Before the first packet there is nothing to save; after it, files are finished and counts reported. */
function crash(error: unknown, isFinal: boolean): void {
  // What else comes of it has no meaning: the first is the cause.
  if (isEnding) return
  isEnding = true
  void leave(error, isFinal)
}

async function leave(error: unknown, isFinal: boolean): Promise<void> {
  clearInterval(timer)
  for (const receiver of receivers.opened) column.ledger.received += receiver.abandon()
  // What is broken may be what is to be finished; its `.part` files are then adopted.
  const closing = column.close().catch(() => undefined)
  await Promise.race([closing, delay(SALVAGE_MS)])
  const report = column.report()
  const { message, code } = told(error)
  tell(isFinal ? { type: 'failed', message, code, report } : { type: 'crashed', message, report })
  process.exit(1)
}

const crashed = (error: unknown): void => crash(error, false)

let sinceTotals = 0
let ticks = 0

/** Says now and then what has been counted, where it outlives the thread. */
function noteTotals(): void {
  sinceTotals = (sinceTotals + 1) & (TOTALS_EVERY - 1)
  if (sinceTotals === 0) totals.write(column.ledger)
}

async function open(port: number, onDatagram: OnDatagram): Promise<Receiver> {
  const { choice, host, receiveBufferBytes } = options.receiver
  return receivers.open(choice, {
    host,
    port,
    receiveBufferBytes,
    reusePort: options.workers > 1,
    firstOfGroup: options.index === 0,
    onDatagram,
    onBatch: (microseconds) => durations.record(microseconds),
    takeOver: options.takeOver?.[receivers.opened.length],
    // Another in its place would stand last in the kernel's group, and be sent what is another's.
    onError: (error) => crash(error, true),
  })
}

function kernelLost(): number | null {
  return receivers.kernelLost((index, drops) => totals.writeDrops(index, drops))
}

let tickedAt = performance.now()

function tick(): void {
  const now = performance.now()
  column.tick(Math.floor(Date.now() / 1000), kernelLost(), (now - tickedAt) / 1000)
  tickedAt = now
  totals.write(column.ledger)
  const { captures, flowLogs, eventLogs } = column.disks
  progress.noteWrites('captures', captures.waitingSince)
  progress.noteWrites('flow logs', flowLogs?.waitingSince)
  progress.noteWrites('event logs', eventLogs?.waitingSince)
  ticks = (ticks + 1) % LATENCY_TICKS
  if (ticks === 0) progress.noteLatency(durations.latency)
  progress.beat()
}

async function stop(): Promise<void> {
  clearInterval(timer)
  timer = setInterval(() => progress.beat(), TICK_MS)
  // The counter of what was lost is read last, and goes with the socket.
  await receivers.close()
  await Promise.all([...operations, changing])
  tick()
  await column.close()
  clearInterval(timer)
  tell({ type: 'done', report: column.report() })
  parentPort!.close()
}

/** Walks of the flow table under way: captures, flushes and looks for talkers. */
const operations = new Set<Promise<void>>()

function follow(walk: Promise<void>): void {
  const operation = walk.catch(crashed).finally(() => operations.delete(operation))
  operations.add(operation)
}

async function operateOnFlows({ type, id, request }: FlowOrder): Promise<void> {
  const onBatch = (batch: FlowBatch): void => {
    const notice: Notice = { type: 'flows', id, batch }
    parentPort!.postMessage(notice, [batch.rows])
  }
  const outcome = await (type === 'flush-flows'
    ? column.flushFlows(request, onBatch)
    : column.captureFlows(request, onBatch))
  tell({ type: 'flows-done', id, outcome })
}

async function tellTalkers(): Promise<void> {
  tell({ type: 'talkers', talkers: await column.talkers() })
}

/** The changes under way and those that wait for them. */
let changing: Promise<void> = Promise.resolve()

function change(changes: readonly Change[]): Promise<void> {
  changing = changing.then(() => column.apply(changes, Math.floor(Date.now() / 1000)))
  return changing
}

function retune(tuning: Tuning): Promise<void> {
  // What is of this worker alone is added as at the start.
  const { capture, ...others } = tuning
  const own = columnOptions({
    ...options,
    column: { ...options.column, ...others, ...(capture && { capture }) },
  })
  const isKept = (name: string): boolean => name in tuning
  const changed = Object.fromEntries(Object.entries(own).filter(([name]) => isKept(name)))
  changing = changing.then(() =>
    column.retune({ ...changed, ...(capture === null && { capture: null }) }),
  )
  return changing
}

async function start(): Promise<void> {
  const { port, genevePort } = options.receiver
  // Before the first packet, so that none is taken for one of a session nobody announced.
  await change(options.mirror)
  const vxlan = await open(port, (datagram) => {
    column.demux.acceptVxlan(datagram)
    noteTotals()
  })
  const geneve =
    genevePort === undefined
      ? undefined
      : await open(genevePort, (datagram) => {
          column.demux.acceptGeneve(datagram)
          noteTotals()
        })

  timer = setInterval(tick, TICK_MS)
  parentPort!.on('message', (order: Order) => {
    // Who crashes answers with that.
    if (isEnding && order.type !== 'report') return
    if (order.type === 'stop') stop().catch(crashed)
    else if (order.type === 'report') tell({ type: 'report', report: column.report() })
    else if (order.type === 'records-lost') {
      column.noteRecordsLost(order.records, Math.floor(Date.now() / 1000))
    } else if (order.type === 'change') {
      change(order.changes).then(() => tell({ type: 'changed' }), crashed)
    } else if (order.type === 'retune') {
      retune(order.tuning).then(() => tell({ type: 'changed' }), crashed)
    } else if (order.type === 'capture-flows' || order.type === 'flush-flows') {
      follow(operateOnFlows(order))
    } else if (order.type === 'talkers') follow(tellTalkers())
    else {
      const { steer, workers } = options
      attachSteering(vxlan, steeringProgram(steer, workers, 'vxlan'))
      if (geneve !== undefined) attachSteering(geneve, steeringProgram(steer, workers, 'geneve'))
      tell({ type: 'steered' })
    }
  })
  process.on('uncaughtException', crashed)
  tell({
    type: 'ready',
    receiver: vxlan.name,
    port: vxlan.address.port,
    genevePort: geneve?.address.port,
    receiveBufferBytes: vxlan.receiveBufferBytes,
    sockets: [vxlan.fd, geneve?.fd],
  })
}

start().catch(fail)
