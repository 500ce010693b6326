import type { FlowRecord } from '../flow/flow-record.js'
import { WHOLE_FRAME } from '../mirror/evaluator.js'
import type { RuleSet } from '../mirror/rule-set.js'
import { formatAddress, formatMac, MAPPED_WORD } from '../wire/address.js'
import type { Frame } from '../wire/frame.js'
import type { Datagram, Packet } from '../wire/packet.js'
import { CutFrames } from './cut-frames.js'
import { InterfaceIdentity, type KnownInterface } from './interface-identity.js'
import type { ClosedSessions, SessionReport } from './ledger.js'

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

/** What the control plane says of a session, beside its VNI. */
export interface SessionIdentity {
  /** `tms-…`. */
  readonly id: string
  /** The mirrored interface, where the configuration names it. */
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
  /** Of a registered session it may change. */
  vni: number | null
  /**
   * Primary address of the mirrored interface: the outer source, four words, IPv4 as
   * ::ffff:a.b.c.d. Null where it is not known (yet).
   */
  source: Uint32Array | null
  readonly name: string | null
  readonly isRegistered: boolean
  readonly identity: InterfaceIdentity
  /** Of a registered session: which packets its mirror filter takes at the source. Undefined takes all. */
  rules: RuleSet | undefined = undefined
  /** Undefined until the first packet, and for good where nothing is captured. */
  capture: SessionCapture | undefined = undefined
  captureDecided = false

  /**
   * Packets that are its own. Where several sessions share a VNI and source, a packet is
   * counted in one: the first that mirrors it, or the first of all where none does.
   */
  received = 0
  accepted = 0
  captured = 0
  captureLost = 0
  flowPackets = 0
  untracked = 0
  malformed = 0
  /** Packets that the filter turned away, or that no session sharing them mirrors. */
  filtered = 0
  /** Packets that `rules` let in while nobody could say which way they ran. */
  unknownDirection = 0
  /** Octets kept of each frame in captures; a registered session's PacketLength. */
  packetLength = WHOLE_FRAME
  /** Copies of packets that another session had brought, whatever was done with them. */
  duplicates = 0
  readonly cut = new CutFrames()
  bytes = 0
  /** Once it is closed: the sums that its counts went into. */
  closedInto: ClosedSessions | undefined = undefined
  /** Second of the first packet. */
  openedAt = 0
  /** The last second in which the session was found, so that its recency is noted once a second. */
  usedAt = -1

  /** The interface's addresses as flow records have them: IPv4 in word 0. */
  #address4: Uint32Array | undefined
  #address6: Uint32Array | undefined

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
    this.isRegistered = registered !== undefined
    for (const address of known?.addresses ?? []) this.#noteAddress(address)
    if (source !== null) this.#noteAddress(source)
    this.name = registered?.id ?? (vni === null ? null : `vni-${vni}_${sourceText(source)}`)
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

  /** Packets that its capture had taken, and a failed disk has lost. */
  takeBack(packets: number): void {
    for (const counts of [this, ...(this.closedInto === undefined ? [] : [this.closedInto])]) {
      counts.captured -= packets
      counts.captureLost += packets
    }
  }

  report(): SessionReport {
    return {
      session: this.name,
      vni: this.vni,
      source: this.source === null ? null : sourceText(this.source),
      received: this.received,
      accepted: this.accepted,
      captured: this.captured,
      captureLost: this.captureLost,
      flowPackets: this.flowPackets,
      untracked: this.untracked,
      malformed: this.malformed,
      filtered: this.filtered,
      unknownDirection: this.unknownDirection,
      duplicates: this.duplicates,
      cut: this.cut.total,
      cutCauses: this.cut.report().byCause,
      packetLength: this.cut.report().packetLength,
      macAddress: this.identity.mac === undefined ? null : formatMac(this.identity.mac),
      bytes: this.bytes,
    }
  }
}

function sourceText(source: Uint32Array | null): string {
  if (source === null) return 'any'
  return formatAddress(source[0]!, source[1]!, source[2]!, source[3]!)
}
