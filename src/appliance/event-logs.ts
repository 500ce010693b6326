import { setImmediate as nextTurn } from 'node:timers/promises'
import { ApplicationReader } from '../application/application-reader.js'
import { type TransactionSink, Transactions } from '../application/transactions.js'
import { type LogFormat, type Logs, openLogs, type TakeLine } from '../export/logs.js'
import { ConnectionFacts } from '../flow/connection-facts.js'
import { rowsOf } from '../flow/flow-row.js'
import type { FlowTracker } from '../flow/flow-tracker.js'
import type { PacketCounter } from '../flow/packet-counter.js'
import type { FlowLogStatistics } from '../flowlog/flow-log-destination.js'
import { LogDirectory } from '../flowlog/log-directory.js'
import type { RecordEncoder } from '../flowlog/record-encoder.js'
import { ApplicationPackets } from '../session/application-packets.js'
import type { DuplicateMode } from '../session/duplicates.js'
import type { PacketObserver } from '../session/pipeline.js'
import type { Session } from '../session/session.js'
import { Disk } from '../sink/disk.js'
import type { FileBudget } from '../sink/file-budget.js'
import { EventLogLayout } from './event-log-layout.js'

/** Plain data. */
export interface EventLogOptions {
  readonly directory: string
  readonly format: LogFormat
  /** Of EVE: `flow`, not `netflow`. */
  readonly pairs: boolean
  /** Whether what packets say of applications is written too. */
  readonly names: boolean
  /** What one file covers. */
  readonly intervalSeconds: number
}

interface EventLogsSurroundings {
  /** Session indices are below this. */
  readonly sessions: number
  readonly maxFlows: number
  readonly duplicates: DuplicateMode
  /** Files that may be open. */
  readonly files: FileBudget
  onProblem(line: string): void
  /** A file has got its final name. */
  onFinished?(path: string): void
  /** Takes the moment at which a slice of work began; it has just ended. */
  onSlice(began: number): void
}

/** Rows that wait to be written; more are lost. */
const WAITING_MAX = 16_384
/** How long rows are written in one go before packets have their turn. */
const SLICE_MS = 1
/** Bytes of text of each log that may wait for the compressor; from half of it on, rows wait. */
const PENDING_MAX = 16 * 1024 * 1024
const GRACE_SECONDS = 1
/** What waits for another half is looked at so often. */
const EXPIRE_SECONDS = 10
/** An index that another session has got is another number: beyond those that indices have. */
const NEXT_NUMBER = 2 ** 17

interface Line {
  readonly seconds: number
  readonly text: string
}

/** Lines of a file, each made before: a newline is added. */
class LineEncoder implements RecordEncoder<Line, undefined> {
  readonly #header: string

  constructor(header: string | undefined) {
    this.#header = header === undefined ? '' : `${header}\n`
  }

  headerLine(): string {
    return this.#header
  }

  maxLineLength(_about: undefined, { text }: Line): number {
    return Buffer.byteLength(text) + 1
  }

  encode({ text }: Line, _about: undefined, bytes: Buffer, at: number): number {
    const end = at + bytes.write(text, at, 'utf8')
    bytes[end] = 0x0a
    return end + 1
  }
}

/**
 * What flows do and what packets say, as logs of other programs that grow while packets come: the rows that
 * `flows --format` has of the same packets. Of packets only what a row needs is read at once; rows are written
 * in slices between packets, and those that come faster are lost and counted.
 */
export class EventLogs {
  /** Of all its files. */
  readonly disk = new Disk()
  readonly observe: PacketObserver | undefined
  readonly #of: EventLogsSurroundings
  readonly #options: EventLogOptions
  readonly #directories: LogDirectory<Line, undefined>[] = []
  readonly #logs: Logs
  readonly #reader: ApplicationReader | undefined
  readonly #packets: ApplicationPackets | undefined
  readonly #transactions: Transactions | undefined
  #tracker: FlowTracker | undefined
  #facts: ConnectionFacts | undefined
  /** By index, what to add for the session that has it now. */
  readonly #numbers: Float64Array
  #waiting: ((() => void) | undefined)[] = []
  #next = 0
  #writing: Promise<void> | undefined
  #lost = 0
  #now = 0
  #expiredAt = 0

  constructor(options: EventLogOptions, of: EventLogsSurroundings) {
    this.#options = options
    this.#of = of
    this.#numbers = new Float64Array(of.sessions)
    this.#logs = openLogs({
      format: options.format,
      pairs: options.pairs,
      applications: options.names,
      open: (name, header) => this.#open(name, header),
    })
    const { transactions } = this.#logs
    if (transactions === undefined) return
    this.#transactions = new Transactions(this.#deferred(transactions))
    this.#reader = new ApplicationReader(this.#transactions)
    this.#packets = new ApplicationPackets(this.#reader, of.duplicates, (session) =>
      this.#numberOf(session.index),
    )
    this.observe = this.#packets.observe
  }

  /** What is to count packets, by way of the tracker, whose flows end with `ended`. */
  counterOf(tracker: FlowTracker): PacketCounter {
    this.#tracker = tracker
    if (!this.#logs.arePairs) return tracker
    this.#facts = new ConnectionFacts(tracker, this.#of.maxFlows)
    return this.#facts
  }

  get statistics(): Pick<FlowLogStatistics, 'written' | 'lost'> {
    let [written, lost] = [0, this.#lost]
    for (const { statistics } of this.#directories) {
      written += statistics.written
      lost += statistics.lost
    }
    return { written, lost }
  }

  /** A flow is about to leave the table. */
  ended(flow: number): void {
    const facts = this.#facts
    if (facts === undefined) {
      for (const row of rowsOf(this.#tracker!, flow)) {
        row.session = this.#numberOf(row.session)
        this.#later(() => this.#logs.flow(row))
      }
      return
    }
    if (this.#hasRoom()) {
      const row = facts.connectionOf(flow)
      row.session = this.#numberOf(row.session)
      this.#later(() => this.#logs.connection(row))
    } else this.#lost++
    facts.forget(flow)
  }

  /** A session is closed, its flows have ended: the next that has its index is another. */
  forget(session: Session): void {
    this.#numbers[session.index]! += NEXT_NUMBER
  }

  tick(nowSeconds: number): void {
    this.#now = nowSeconds
    for (const directory of this.#directories) directory.tick(nowSeconds)
    // Without a time no row could be written.
    this.#beginWriting()
    if (Math.abs(nowSeconds - this.#expiredAt) < EXPIRE_SECONDS) return
    this.#expiredAt = nowSeconds
    this.#reader?.expire(nowSeconds)
    this.#transactions?.expire(nowSeconds)
  }

  /** Resolves when there is room for the rows of what ends next. */
  async room(): Promise<void> {
    while (this.#waiting.length - this.#next > WAITING_MAX / 4) await nextTurn()
  }

  /** Publishes what there is. Errors are reported, not thrown. */
  async close(): Promise<void> {
    this.#packets?.end()
    await this.#written()
    this.#transactions?.end()
    await this.#written()
    const ends = this.#directories.map((directory) => directory.close())
    for (const end of await Promise.allSettled(ends)) {
      if (end.status === 'rejected') this.#of.onProblem((end.reason as Error).message)
    }
  }

  #open(name: string, header: string | undefined): TakeLine {
    const { directory, intervalSeconds, format } = this.#options
    const log = new LogDirectory<Line, undefined>({
      name: 'event logs',
      directory,
      layout: new EventLogLayout(name, format === 'eve' ? '.json.gz' : '.log.gz'),
      encoder: new LineEncoder(header),
      secondOf: ({ seconds }) => seconds,
      bucketSeconds: intervalSeconds,
      graceSeconds: GRACE_SECONDS,
      pendingBytesMax: PENDING_MAX,
      disk: this.disk,
      files: this.#of.files,
      onProblem: this.#of.onProblem,
      onPublished: this.#of.onFinished,
    })
    this.#directories.push(log)
    return (text) => log.write({ seconds: this.#now, text }, undefined)
  }

  #deferred(sink: TransactionSink): TransactionSink {
    const { dns, tls, quic, http, ssh, smtp, kerberos, ntlm, smbMapping } = sink
    return {
      dns: dns && ((row) => this.#later(() => dns(row))),
      tls: tls && ((row) => this.#later(() => tls(row))),
      quic: quic && ((row) => this.#later(() => quic(row))),
      http: http && ((row) => this.#later(() => http(row))),
      ssh: ssh && ((row) => this.#later(() => ssh(row))),
      smtp: smtp && ((row) => this.#later(() => smtp(row))),
      kerberos: kerberos && ((row) => this.#later(() => kerberos(row))),
      ntlm: ntlm && ((row) => this.#later(() => ntlm(row))),
      smbMapping: smbMapping && ((row) => this.#later(() => smbMapping(row))),
    }
  }

  #numberOf(index: number): number {
    return index + this.#numbers[index]!
  }

  #hasRoom(): boolean {
    return this.#waiting.length - this.#next < WAITING_MAX
  }

  #later(write: () => void): void {
    if (!this.#hasRoom()) {
      this.#lost++
      return
    }
    this.#waiting.push(write)
    if (this.#now !== 0) this.#beginWriting()
  }

  async #written(): Promise<void> {
    this.#beginWriting()
    await this.#writing
  }

  #beginWriting(): void {
    if (this.#waiting.length > 0) this.#writing ??= this.#write()
  }

  async #write(): Promise<void> {
    do {
      for (const directory of this.#directories) {
        if (directory.pendingBytes > PENDING_MAX / 2) await directory.drained()
      }
      await nextTurn()
      const began = performance.now()
      do {
        this.#waiting[this.#next]!()
        this.#waiting[this.#next++] = undefined
      } while (this.#next < this.#waiting.length && performance.now() - began < SLICE_MS)
      if (this.#next === this.#waiting.length || this.#next > WAITING_MAX) {
        this.#waiting.splice(0, this.#next)
        this.#next = 0
      }
      this.#of.onSlice(began)
    } while (this.#waiting.length > 0)
    this.#writing = undefined
  }
}
