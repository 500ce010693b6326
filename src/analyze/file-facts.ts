import type { FileSummary } from '../pcap/capture-merge.js'
import { linkTypeName } from '../wire/link-type.js'
import type { Packet } from '../wire/packet.js'
import type { FileReport } from './analysis-report.js'
import type { Distribution } from './distribution.js'
import { Span } from './span.js'

/** What can be said of a capture file without looking into its packets. */
export class FileFacts {
  packets = 0
  bytes = 0
  capturedBytes = 0
  cut = 0
  untimed = 0
  readonly span = new Span()

  readonly #interArrival: Distribution
  #backwards = 0
  #largestStepNs = 0
  /** Of the packet before; -1: there was none. */
  #seconds = -1
  #nanoseconds = 0

  constructor(interArrival: Distribution) {
    this.#interArrival = interArrival
  }

  /** Takes a packet as it lies in the file, whatever is wrapped in it. */
  add(packet: Packet): void {
    const captured = packet.end - packet.start
    this.packets++
    this.bytes += packet.originalLength
    this.capturedBytes += captured
    if (captured < packet.originalLength) this.cut++
    if (!packet.timed) {
      this.untimed++
      return
    }
    const { seconds, nanoseconds } = packet
    if (this.#seconds >= 0) {
      const step = (seconds - this.#seconds) * 1e9 + (nanoseconds - this.#nanoseconds)
      if (step >= 0) this.#interArrival.record(step)
      else {
        this.#backwards++
        if (-step > this.#largestStepNs) this.#largestStepNs = -step
      }
    }
    this.#seconds = seconds
    this.#nanoseconds = nanoseconds
    this.span.add(seconds, nanoseconds)
  }

  report(file: string, summary: FileSummary): FileReport {
    const { format, compression, linkTypes, snaplen, interfaceCount, damage } = summary
    return {
      file,
      format,
      compression,
      linkTypes: linkTypes.map((linkType) => ({ linkType, name: linkTypeName(linkType) })),
      snaplen,
      interfaces: interfaceCount,
      packets: this.packets,
      bytes: this.bytes,
      capturedBytes: this.capturedBytes,
      cut: this.cut,
      untimed: this.untimed,
      ...this.span.report(),
      ordering: { backwards: this.#backwards, largestStepNs: this.#largestStepNs },
      damage: damage ?? null,
    }
  }
}
