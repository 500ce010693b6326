import { OperatorError } from '../../errors.js'
import { ExpressionFilter } from '../../filter/expression-filter.js'
import { captureNames } from '../../offline/capture-names.js'
import { JointCapture } from '../../pcap/joint-capture.js'
import type { OnDatagram, Receiver } from '../../receive/receiver.js'
import { Receivers } from '../../receive/receivers.js'
import type { LedgerReport } from '../../session/ledger.js'
import { Tap } from '../../session/tap.js'
import { errnoOf } from '../../sink/write-error.js'
import { LINKTYPE_ETHERNET } from '../../wire/link-type.js'
import { formatListening } from '../listen/listening-text.js'
import { say } from '../process/console.js'
import { onReportSignal } from '../process/report-signal.js'
import { writeStats } from '../process/stats-file.js'
import { type Stop, stoppable } from '../process/stop.js'
import { counted, sayWritten } from '../process/written.js'
import { jointOptions } from './joint-options.js'
import type { CaptureOptions } from './options.js'

/** Sessions open at once. Beyond, one that comes back is counted anew. */
const SESSIONS_MAX = 4096
/** Bytes that may wait for the disk or the reader; packets beyond are lost to the file. */
const PENDING_MAX = 128 * 1024 * 1024
const TICK_MS = 250

/** Captures from the network until it is told to stop or has enough. Throws OperatorError. */
export async function captureLive(options: CaptureOptions): Promise<void> {
  await stoppable((stop) => new LiveCapture(options, stop).run())
}

class LiveCapture {
  readonly #options: CaptureOptions
  readonly #stop: Stop
  /** The file named, or the last one of a series. */
  #target: string
  #files: number | undefined
  readonly #capture: JointCapture
  readonly #tap: Tap
  readonly #receivers = new Receivers()
  #hasSaidRefused = false

  constructor(options: CaptureOptions, stop: Stop) {
    this.#options = options
    this.#stop = stop
    const { vni, filter: text } = options
    const filter = text === undefined ? undefined : new ExpressionFilter(text, say)
    this.#target = options.write
    const capture = new JointCapture({
      ...jointOptions(options),
      limitBytes: PENDING_MAX,
      // Only GENEVE can bring anything but Ethernet: without it the header need not wait for a packet.
      ...(options.genevePort === undefined && { linkType: LINKTYPE_ETHERNET }),
      onOtherLinkType: (message) => say(`packets are left out: ${message}`),
      onFile: (path) => {
        this.#target = path
        this.#files = (this.#files ?? 0) + 1
      },
    })
    this.#capture = capture
    const names = captureNames(capture, jointOptions(options).format, options.names)
    this.#tap = new Tap({
      observe: names?.observe,
      maxSessions: SESSIONS_MAX,
      counter: () => undefined,
      openCapture: (session) => capture.source(session.name!),
      ...(vni && { vnis: new Set(vni) }),
      filter,
    })
  }

  async run(): Promise<void> {
    const { duration = Number.POSITIVE_INFINITY } = this.#options
    this.#capture.open(nowSeconds())
    try {
      await this.#listen()
    } catch (error) {
      await this.#receivers.close()
      await this.#capture.discard()
      throw error
    }
    const until = performance.now() + duration * 1000
    const timer = setInterval(() => {
      this.#tick()
      if (performance.now() >= until) this.#stop.stop()
    }, TICK_MS)
    onReportSignal(() => say(this.#summary()))
    await this.#stop.reached
    clearInterval(timer)
    await this.#finish()
  }

  async #listen(): Promise<void> {
    const { demux } = this.#tap
    const { port, genevePort } = this.#options
    const vxlan = await this.#open(port, (datagram) => demux.acceptVxlan(datagram))
    const geneve =
      genevePort === undefined
        ? undefined
        : await this.#open(genevePort, (datagram) => demux.acceptGeneve(datagram))
    const bound = {
      receiver: vxlan.name,
      port: vxlan.address.port,
      genevePort: geneve?.address.port,
      receiveBufferBytes: vxlan.receiveBufferBytes,
    }
    for (const line of formatListening(bound, this.#options)) say(line)
  }

  #open(port: number, accept: OnDatagram): Promise<Receiver> {
    const capture = this.#capture
    const stop = this.#stop
    return this.#receivers.open(this.#options.receiver, {
      host: this.#options.bind,
      port,
      receiveBufferBytes: this.#options.receiveBuffer,
      reusePort: false,
      onDatagram: (datagram) => {
        if (!capture.isOver(datagram.seconds)) accept(datagram)
        if (capture.isOver(datagram.seconds)) stop.stop()
      },
      onError: (error) => stop.fail(error),
    })
  }

  #tick(): void {
    const now = nowSeconds()
    const capture = this.#capture
    capture.tick(now, this.#receivers.kernelLost() ?? 0)
    if (capture.isOver(now - 1)) this.#stop.stop()
    if (capture.error !== undefined) this.#stop.stop()
    if (capture.refused > 0 && !this.#hasSaidRefused) {
      this.#hasSaidRefused = true
      const { write } = this.#options
      const name = write === '-' ? 'who reads standard output' : write
      say(`packets are lost to the capture: ${name} does not take them fast enough`)
    }
  }

  async #finish(): Promise<void> {
    const capture = this.#capture
    // The counter of what was lost is read last, and goes with the socket.
    await this.#receivers.close()
    const kernelLost = this.#receivers.kernelLost()
    capture.tick(nowSeconds(), kernelLost ?? 0)
    const failure = await capture.close().then(
      () => this.#stop.failure,
      (error: Error) => error,
    )
    // A reader such as `head` that has seen enough is not an error, and no news.
    const isUnread = errnoOf(failure) === 'EPIPE'
    const report = this.#tap.report(kernelLost)
    const captured = capture.packets - capture.unwritten
    if (failure === undefined) {
      say(formatSummary(captured, report, capture))
      sayWritten(counted(captured, 'packet'), this.#target, this.#files)
    }
    if (this.#options.stats !== undefined) writeStats(this.#options.stats, report)
    if (failure === undefined || isUnread) return
    if (!(failure instanceof OperatorError)) throw failure
    throw new OperatorError(`${failure.message}; ${captured} packets were captured before`)
  }

  #summary(): string {
    const capture = this.#capture
    const captured = capture.packets - capture.unwritten
    return formatSummary(captured, this.#tap.report(this.#receivers.kernelLost()), capture)
  }
}

function formatSummary(captured: number, report: LedgerReport, capture: JointCapture): string {
  const faults = Object.entries(report.malformed)
  const malformed = faults.reduce((sum, [, count]) => sum + count, 0)
  const reasons = faults.map(([reason, count]) => `${reason} ${count}`).join(', ')
  const parts = [
    `${captured} packets captured`,
    `${report.received} received`,
    report.kernelLost === null
      ? 'lost by the kernel: not known here'
      : `${report.kernelLost} lost by the kernel`,
    `${malformed} malformed${malformed > 0 ? ` (${reasons})` : ''}`,
  ]
  if (report.filtered > 0) parts.push(`${report.filtered} filtered`)
  if (capture.otherLinkType > 0) parts.push(`${capture.otherLinkType} of another link type`)
  if (capture.refused > 0) parts.push(`${capture.refused} found no room`)
  return parts.join(', ')
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
