import type { FlowRecord } from '../flow/flow-record.js'
import { NO_METADATA, type SessionMetadata } from '../flowlog/metadata.js'
import { formatAddress, formatMac, MAPPED_WORD } from '../wire/address.js'
import type { Frame } from '../wire/frame.js'
import type { Packet } from '../wire/packet.js'
import { CutFrames } from './cut-frames.js'
import { InterfaceIdentity } from './interface-identity.js'
import type { SessionReport } from './ledger.js'

/** Where the packets of one session are kept; RotatingCapture is one. */
export interface SessionCapture {
  /** False: not written. Counts what it lost by itself. `options`: of the packet, for pcapng. */
  write(
    bytes: Uint8Array,
    start: number,
    end: number,
    seconds: number,
    nanoseconds: number,
    originalLength: number,
    options: Buffer | undefined,
    /** LINKTYPE_… of the frame: GENEVE and capture files may bring several in one session. */
    linkType: number,
  ): boolean
  /** By a timer, with wall-clock seconds. */
  tick(nowSeconds: number): void
  /** Finishes every file. */
  close(): Promise<void>
}

/** Which packets of a session are wanted. Asked for each of them: neither allocates nor throws. */
export interface PacketFilter {
  /** `frame` is what parseFrame found in `packet`, as far as it got where there was a fault. */
  accepts(packet: Packet, frame: Frame, session: Session): boolean
}

/**
 * One mirror session: what a key (outer source address, VNI) stands for.
 *
 * `index` names it in the flow table. Index 0 is kept for packets that were not
 * mirrored, which only capture files hold.
 */
export class Session {
  readonly index: number
  readonly vni: number | null
  /** Primary address of the mirrored interface: the outer source, four words, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint32Array | null
  readonly name: string | null
  readonly identity: InterfaceIdentity
  metadata: SessionMetadata = NO_METADATA
  /** Undefined wants every packet. */
  filter: PacketFilter | undefined = undefined

  /** Undefined until the first packet, and for good where nothing is captured. */
  capture: SessionCapture | undefined = undefined
  captureDecided = false

  received = 0
  accepted = 0
  captured = 0
  captureLost = 0
  flowPackets = 0
  untracked = 0
  malformed = 0
  /** Packets that `filter` turned away. */
  filtered = 0
  /** Copies of packets that another session had brought, whatever was done with them. */
  duplicates = 0
  readonly cut = new CutFrames()
  bytes = 0
  /** Second of the first packet. */
  openedAt = 0
  /** Ends of the latest two windows that the session had flow records in. */
  windowEnd = 0
  previousWindowEnd = 0
  /** The last second in which the session was found, so that its recency is noted once a second. */
  usedAt = -1

  /** The source as flow records have addresses: IPv4 in word 0. */
  readonly #sourceVersion: 4 | 6
  readonly #sourceAddress: Uint32Array | undefined

  constructor(index: number, vni: number | null, source: Uint32Array | null) {
    this.index = index
    this.vni = vni
    this.source = source
    this.identity = new InterfaceIdentity(source)
    const isV4 = source?.[0] === 0 && source[1] === 0 && source[2] === MAPPED_WORD
    this.#sourceVersion = isV4 ? 4 : 6
    this.#sourceAddress = isV4 ? source?.subarray(3) : (source ?? undefined)
    this.name = vni === null ? null : `vni-${vni}_${sourceText(source)}`
  }

  /** Adds to a flow's record what the session knows: its interface's primary address. */
  completeRecord(record: FlowRecord): void {
    if (record.direction === undefined || !record.isInterfaceConfirmed) return
    if (record.ipVersion === this.#sourceVersion) record.interfaceAddress = this.#sourceAddress
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
