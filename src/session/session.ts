import type { FlowRecord } from '../flow/flow-record.js'
import { WHOLE_FRAME } from '../mirror/evaluator.js'
import type { RuleSet } from '../mirror/rule-set.js'
import { formatAddress, formatMac, MAPPED_WORD } from '../wire/address.js'
import type { Frame } from '../wire/frame.js'
import type { Datagram, Packet } from '../wire/packet.js'
import { InterfaceIdentity, type KnownInterface } from './interface-identity.js'
import type { SessionReport } from './ledger.js'
import { SessionCounters } from './session-counters.js'

/** Where the packets of one session are kept; RotatingCapture is one. */
export interface SessionCapture {
  /**
   * False: not written. Counts what it lost by itself. Of the packet `kept` bytes are to be
   * written, of `originalLength` on the wire; `options`: of the packet, for pcapng.
   */
  write(packet: Packet, kept: number, originalLength: number, options: Buffer | undefined): boolean
  /** By a timer, with wall-clock seconds. */
  tick(nowSeconds: number): void
  /** Finishes every file. */
  close(): Promise<void>
}

/** Which packets of each session are wanted. Asked for each of them: neither allocates nor throws. */
export interface PacketFilter {
  /** `frame` is what parseFrame found in `packet`, as far as it got where there was a fault. */
  accepts(packet: Packet, frame: Frame, session: Session): boolean
}

/** The VNI in the name of a session that nobody has registered; undefined in any other. */
export function vniInName(name: string): number | undefined {
  const vni = /^vni-(\d{1,8})_/.exec(name)?.[1]
  return vni === undefined ? undefined : Number(vni)
}

/** What the control plane says of a session, beside its VNI. */
export interface SessionIdentity {
  /** `tms-…`. */
  readonly id: string
  /** The mirrored interface, where something is known of it. */
  readonly networkInterface: KnownInterface | undefined
}

/**
 * One mirror session: what a key (outer source address, VNI) stands for, or one
 * that the control plane has registered, which may have several keys or, where
 * its interface is not known, all those of its VNI.
 *
 * `index` names it in the flow table. Index 0 is kept for packets that were not
 * mirrored, which only capture files hold.
 */
export class Session {
  readonly index: number
  /** SessionRegistry may change that of a registered session. */
  vni: number | null
  /**
   * Primary address of the mirrored interface: the outer source, four words, IPv4 as
   * ::ffff:a.b.c.d. Null where it is not known (yet).
   */
  source: Uint32Array | null
  readonly name: string | null
  readonly isRegistered: boolean
  identity: InterfaceIdentity
  readonly counters = new SessionCounters()

  /** SessionRegistry's: which packets the mirror filter takes at the source; undefined takes all. */
  rules: RuleSet | undefined = undefined
  /** SessionRegistry's: bytes kept of each frame in captures. */
  packetLength = WHOLE_FRAME

  /** Of Pipeline, which opens it with the first packet; null: none is kept. Tap ends it. */
  capture: SessionCapture | null | undefined = undefined

  /** SessionDirectory's: the second of the first packet. */
  openedAt = 0
  /** SessionDirectory's: the last second in which it was found, so that its recency is noted once a second. */
  usedAt = -1

  /** The interface's addresses as flow records have them: IPv4 in word 0. */
  #address4: Uint32Array | undefined
  #address6: Uint32Array | undefined

  /** What is known of its interface, as text: undefined where nothing is. */
  #known: string | undefined

  constructor(
    index: number,
    vni: number | null,
    source: Uint32Array | null,
    registered?: SessionIdentity,
  ) {
    const known = registered?.networkInterface
    this.index = index
    this.vni = vni
    this.source = source ?? known?.addresses[0] ?? null
    this.identity = new InterfaceIdentity(this.source, known)
    this.#known = JSON.stringify(known)
    this.isRegistered = registered !== undefined
    for (const address of known?.addresses ?? []) this.#noteAddress(address)
    if (source !== null) this.#noteAddress(source)
    this.name = registered?.id ?? (vni === null ? null : `vni-${vni}_${sourceText(source)}`)
  }

  /** Its interface is `known` now. What was learned from packets stays only where that says the same as before. */
  identify(known: KnownInterface | undefined): void {
    const text = JSON.stringify(known)
    if (text === this.#known) return
    this.#known = text
    this.source = known?.addresses[0] ?? null
    this.identity = new InterfaceIdentity(this.source, known)
    this.#address4 = undefined
    this.#address6 = undefined
    for (const address of known?.addresses ?? []) this.#noteAddress(address)
  }

  /** Takes the outer source of a datagram for the address of an interface of which none is known. */
  learnSource(datagram: Datagram): void {
    const { source0, source1, source2, source3 } = datagram
    this.source = Uint32Array.of(source0, source1, source2, source3)
    this.identity.learnPrimary(this.source)
    this.#noteAddress(this.source)
  }

  /** Adds to a flow's record what the session knows: its interface's primary address. */
  completeRecord(record: FlowRecord): void {
    if (record.direction === undefined || !record.isInterfaceConfirmed) return
    record.interfaceAddress = record.ipVersion === 4 ? this.#address4 : this.#address6
  }

  #noteAddress(address: Uint32Array): void {
    const isV4 = address[0] === 0 && address[1] === 0 && address[2] === MAPPED_WORD
    if (isV4) this.#address4 ??= address.subarray(3)
    else this.#address6 ??= address
  }

  /** Its source as text; null for packets that were not mirrored, `any` where it is not known. */
  get sourceText(): string | null {
    if (this.vni === null) return null
    return this.source === null ? 'any' : sourceText(this.source)
  }

  report(): SessionReport {
    const { closedInto: _, cut, bytes, ...counts } = this.counters
    const { byCause, packetLength } = cut.report()
    return {
      session: this.name,
      vni: this.vni,
      source: this.source === null ? null : sourceText(this.source),
      ...counts,
      cut: cut.total,
      cutCauses: byCause,
      packetLength,
      outerPorts: this.counters.outerPorts,
      macAddress: this.identity.mac === undefined ? null : formatMac(this.identity.mac),
      bytes,
    }
  }
}

function sourceText(source: Uint32Array | null): string {
  if (source === null) return 'any'
  return formatAddress(source[0]!, source[1]!, source[2]!, source[3]!)
}
