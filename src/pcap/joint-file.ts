import type { ByteSink } from '../sink/byte-sink.js'
import { type CaptureFormat, CaptureWriter } from './capture-writer.js'
import { DEFAULT_SNAPLEN } from './pcap.js'

/**
 * Interfaces of one file; sessions that come later share one. A sender chooses how many sessions
 * there are. Readers (our own, for one) go up to 65,536.
 */
const INTERFACES_MAX = 65_000
const OTHERS = 'other-sessions'
/** In a pcap file nothing tells sessions apart. */
const ALL = 'all'

interface JointFileOptions {
  format: CaptureFormat
  /** Bytes kept of each frame; 0 keeps all. */
  snaplen: number
}

/** The packets of one session and link type in one file. */
export interface JointInterface {
  readonly writer: CaptureWriter
  readonly linkType: number
  readonly id: number
  /** Packets offered, and those of them that found no room. */
  received: number
  dropped: number
}

/**
 * One capture file that several sessions share. In pcapng each is an interface of
 * its own, or several where it has frames of several link types; in pcap all are
 * one, and of one link type.
 */
export class JointFile {
  readonly #sink: ByteSink
  readonly #options: JointFileOptions
  readonly #interfaces: JointInterface[] = []
  readonly #byLinkType = new Map<number, Map<string, JointInterface>>()
  #writer: CaptureWriter | undefined

  constructor(sink: ByteSink, options: JointFileOptions) {
    this.#sink = sink
    this.#options = options
  }

  /** Undefined until there is a link type to begin the file with. */
  get writer(): CaptureWriter | undefined {
    return this.#writer
  }

  /** Where packets of that session and link type go; new ones are declared. */
  interfaceOf(session: string, linkType: number): JointInterface {
    let byName = this.#byLinkType.get(linkType)
    if (byName === undefined) {
      byName = new Map()
      this.#byLinkType.set(linkType, byName)
    }
    let name = this.#options.format === 'pcap' ? ALL : session
    if (!byName.has(name) && this.#interfaces.length >= INTERFACES_MAX) name = OTHERS
    let found = byName.get(name)
    if (found === undefined) {
      found = this.#declare(name, linkType)
      byName.set(name, found)
    }
    return found
  }

  /** Writes the header of a pcap file of that link type, which need not wait for a packet. */
  begin(linkType: number): void {
    this.interfaceOf(ALL, linkType)
  }

  /**
   * Ends the file; one without packets says it is of `emptyLinkType`. Packets that
   * the kernel lost meanwhile belong to nobody knows which session, and are
   * counted for interface 0.
   */
  finish(emptyLinkType: number, kernelLost: number): void {
    if (this.#writer === undefined) this.begin(emptyLinkType)
    for (const { writer, id, received, dropped } of this.#interfaces) {
      const lost = id === 0 ? kernelLost : 0
      writer.finish({ received: received + lost, dropped: dropped + lost }, id)
    }
  }

  #declare(interfaceName: string, linkType: number): JointInterface {
    const { format } = this.#options
    const snaplen = this.#options.snaplen === 0 ? DEFAULT_SNAPLEN : this.#options.snaplen
    let id = 0
    if (this.#writer === undefined) {
      this.#writer = new CaptureWriter(this.#sink, { format, linkType, snaplen, interfaceName })
    } else {
      id = this.#writer.addInterface(linkType, snaplen, interfaceName)
    }
    const made = { writer: this.#writer, linkType, id, received: 0, dropped: 0 }
    this.#interfaces.push(made)
    return made
  }
}
