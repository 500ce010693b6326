import { setImmediate as nextTurn } from 'node:timers/promises'
import { OperatorError } from '../../errors.js'
import { captureNames } from '../../offline/capture-names.js'
import { damageProblem } from '../../offline/problems.js'
import type { CaptureOutcome } from '../../pcap/capture-merge.js'
import { formatInName } from '../../pcap/capture-name.js'
import { type CaptureFormat, LAST_SECOND } from '../../pcap/capture-writer.js'
import { JointCapture, type JointSource } from '../../pcap/joint-capture.js'
import { type CaptureFile, isPart } from '../../search/capture-files.js'
import { PacketSearch } from '../../search/packet-search.js'
import type { FilePlan } from '../../search/search-plan.js'
import type { ApplicationPackets } from '../../session/application-packets.js'
import { errnoOf } from '../../sink/write-error.js'
import type { Packet } from '../../wire/packet.js'
import { namedCaptures } from '../named-captures.js'
import { checkNames, statOf } from '../named-files.js'
import { failWith } from '../offline-input.js'
import { print } from '../process/console.js'
import { Progress } from '../process/progress.js'
import { Interrupted, type Stop, stoppable } from '../process/stop.js'
import { counted, sayWritten } from '../process/written.js'
import { FoundFlows } from './found-flows.js'
import type { FindOptions } from './options.js'

/** Blocks of input between two looks at signals: some 16 MiB. */
const BLOCKS_A_TURN = 64
/** Files planned between two looks at signals. */
const FILES_A_TURN = 256
/** A reader of standard output gets what has been found at least so often. */
const FLUSH_EVERY_MS = 100
/** What packets of no known session are called in pcapng. */
const NOT_MIRRORED = 'not-mirrored'

/** Finds packets and writes, counts or describes them. Throws OperatorError. */
export async function find(
  paths: readonly string[],
  expression: string,
  options: FindOptions,
): Promise<void> {
  const directories = options.dir ?? []
  if (directories.length + paths.length === 0) {
    throw new OperatorError('nothing to search: give --dir DIRECTORY or name capture files', {
      exitCode: 2,
    })
  }
  const problems: string[] = []
  const { since, until, session, decap, vxlanPort, genevePort } = options
  const files: CaptureFile[] = []
  // Before anything is read: an expression that is wrong is reported at once.
  const search = new PacketSearch({
    files,
    text: expression,
    since,
    until,
    session,
    decap,
    vxlanPort,
    genevePort,
    onProblem: (line) => problems.push(line),
  })
  files.push(...(await namedCaptures([...directories, ...paths])))
  if (options.write !== undefined) {
    checkNames(
      files.map(({ path }) => path),
      [options.write],
    )
  }
  await stoppable((stop) => new Finding(search, options, problems).run(stop))
}

/** One search, and what becomes of what it finds. */
class Finding {
  readonly #search: PacketSearch
  readonly #options: FindOptions
  readonly #problems: string[]
  readonly #output: Output | undefined
  readonly #flows: FoundFlows | undefined
  readonly #limit: number
  #bytes = 0
  #first: string | null = null
  #last: string | null = null

  constructor(search: PacketSearch, options: FindOptions, problems: string[]) {
    this.#search = search
    this.#options = options
    this.#problems = problems
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY
    this.#output = options.write === undefined ? undefined : new Output(options.write, options)
    this.#flows = options.flows ? new FoundFlows(options.maxFlows) : undefined
  }

  async run(stop: Stop): Promise<void> {
    const output = this.#output
    try {
      const plans = await this.#plan(stop)
      await this.#read(plans, stop)
      if (stop.by !== undefined) throw new Interrupted(stop.by)
      await output?.close(stop)
      if (this.#options.count) print(`${this.#found}\n`)
      const { flows, json = false } = this.#options
      if (flows) await stop.interrupts(this.#flows!.print(json))
      else if (json) print(`${JSON.stringify(this.#report(plans), undefined, 2)}\n`)
    } catch (error) {
      await output?.discard()
      throw error
    }
    if (output?.isUnread) return
    failWith([...this.#problems, ...(this.#flows?.problems ?? [])])
  }

  async #plan(stop: Stop): Promise<FilePlan[]> {
    const plans: FilePlan[] = []
    for (const plan of this.#search.plan()) {
      plans.push(plan)
      if (plans.length % FILES_A_TURN > 0) continue
      await nextTurn()
      if (stop.isReached) break
    }
    return plans
  }

  async #read(plans: readonly FilePlan[], stop: Stop): Promise<void> {
    const progress = new Progress(bytesOf(plans))
    let blocks = 0
    try {
      const reading = this.#search.read(
        plans,
        (packet, session) => this.#take(packet, session, stop),
        (octets) => {
          progress.show(octets)
          if (this.#output?.error !== undefined) stop.stop()
          if (stop.isReached) return false
          return this.#output?.room() ?? (++blocks % BLOCKS_A_TURN === 0 ? nextTurn<void>() : true)
        },
      )
      const outcomes = await stop.interrupts(reading)
      for (const outcome of outcomes) this.#problems.push(...problemsOf(outcome))
      if (outcomes.length > 0 && outcomes.every(({ summary }) => summary === undefined)) {
        failWith(this.#problems)
      }
    } finally {
      progress.done()
    }
  }

  #take(packet: Packet, session: string | null, stop: Stop): void {
    if (this.#search.found > this.#limit) return
    this.#bytes += packet.originalLength
    if (this.#options.json && packet.timed) {
      this.#first ??= timeOf(packet)
      this.#last = timeOf(packet)
    }
    // Writing may take a packet's time away.
    this.#flows?.add(packet, session)
    this.#output?.take(packet, session)
    if (this.#search.found >= this.#limit) stop.stop()
  }

  get #found(): number {
    return Math.min(this.#search.found, this.#limit)
  }

  #report(plans: readonly FilePlan[]): unknown {
    const isRead = ({ ranges }: FilePlan): boolean => ranges === undefined || ranges.length > 0
    return {
      packets: this.#found,
      bytes: this.#bytes,
      firstSeen: this.#first,
      lastSeen: this.#last,
      files: plans.map((plan) => ({
        file: plan.file.path,
        session: plan.file.session ?? null,
        index: plan.index,
        read: isRead(plan),
        ...(plan.index === 'used' && { blocks: plan.blocks, candidates: plan.candidates }),
      })),
    }
  }
}

/** The capture file that is written. */
class Output {
  /** The reader of a pipe has seen enough. */
  isUnread = false
  readonly #path: string
  readonly #format: CaptureFormat
  readonly #capture: JointCapture
  readonly #sources = new Map<string | null, JointSource>()
  readonly #names: ApplicationPackets | undefined
  #flushedPackets = 0
  #flushedAt = Number.NEGATIVE_INFINITY

  constructor(path: string, { format, snaplen, names }: FindOptions) {
    this.#path = path
    this.#format = format ?? formatInName(path) ?? 'pcap'
    const never = Number.POSITIVE_INFINITY
    this.#capture = new JointCapture({
      path,
      format: this.#format,
      snaplen,
      count: never,
      rotateBytes: never,
      rotateSeconds: never,
      files: never,
      limitBytes: never,
      onOtherLinkType: (message) => {
        throw new OperatorError(message)
      },
    })
    this.#capture.open(0)
    this.#names = captureNames(this.#capture, this.#format, names)
  }

  get error(): Error | undefined {
    return this.#capture.error
  }

  room(): Promise<void> | undefined {
    if (this.#path === '-') this.#flush()
    return this.#capture.room()
  }

  /** Whoever reads on does not wait until a block is full. */
  #flush(): void {
    const { packets } = this.#capture
    const now = performance.now()
    if (packets === this.#flushedPackets || now < this.#flushedAt + FLUSH_EVERY_MS) return
    this.#flushedPackets = packets
    this.#flushedAt = now
    this.#capture.flush()
  }

  take(packet: Packet, session: string | null): void {
    if (packet.seconds > LAST_SECOND[this.#format]) {
      packet.seconds = 0
      packet.nanoseconds = 0
    }
    let source = this.#sources.get(session)
    if (source === undefined) {
      source = this.#capture.source(session ?? NOT_MIRRORED)
      this.#sources.set(session, source)
    }
    // Of one name an address has, whichever session told it.
    this.#names?.read(packet, 0)
    source.write(packet, packet.end - packet.start, packet.originalLength, undefined)
  }

  async close(stop: Stop): Promise<void> {
    try {
      const closed = this.#capture.close()
      // A reader may never read.
      await (this.#path === '-' ? stop.interrupts(closed) : closed)
    } catch (error) {
      this.isUnread = errnoOf(error) === 'EPIPE'
      if (!this.isUnread) throw error
      return
    }
    sayWritten(counted(this.#capture.packets, 'packet'), this.#path)
  }

  async discard(): Promise<void> {
    await this.#capture.discard()
  }
}

/** Bytes to be read, as far as that is known: of whole files their length. */
function bytesOf(plans: readonly FilePlan[]): number {
  let bytes = 0
  for (const { file, ranges } of plans) {
    const size = statOf(file.path)?.size ?? 0
    if (ranges === undefined) bytes += size
    else for (const { start, end } of ranges) bytes += Math.min(end, size) - Math.min(start, size)
  }
  return bytes
}

function timeOf({ seconds, nanoseconds }: Packet): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

/** What of a file could not be searched. One that is still being written ends anywhere. */
function problemsOf({ path, summary, error }: CaptureOutcome): string[] {
  const problems = error === undefined ? [] : [error.message]
  const damage = isPart(path) ? undefined : summary?.damage
  if (damage !== undefined) problems.push(damageProblem(path, damage))
  return problems
}
