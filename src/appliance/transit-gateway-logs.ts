import { FlowRecord } from '../flow/flow-record.js'
import type { FlowLogDestination } from '../flowlog/flow-log-destination.js'
import type { FlowLog, MirrorSession, NetworkInterface } from '../mirror/resources.js'
import type { Session } from '../session/session.js'
import { EGRESS, INGRESS } from '../wire/frame.js'
import { FlowFrame } from './flow-frame.js'
import { SeenWindows } from './seen-windows.js'
import type { Crossing, TransitGateways } from './transit-gateways.js'

interface GatewayLog {
  readonly resource: FlowLog
  readonly destination: FlowLogDestination
}

/** Windows of the shortest interval, in which the records of transit gateways are. */
class AttachmentWindows {
  /** With records, or said to be without. */
  readonly seen = new SeenWindows(60)
  /** Said to lack records. */
  readonly skipped = new SeenWindows(60)
}

interface RunningLog extends GatewayLog {
  /** By attachment. */
  readonly windows: Map<string, AttachmentWindows>
  /** Since before the window that ends next. */
  isSettled: boolean
}

/**
 * Writes the records of flows that cross a transit gateway into its flow logs: one for the
 * attachment where the flow enters the gateway, one for that where it leaves. Whose records
 * these are depends on the flow's addresses, so it is decided record by record.
 */
export class TransitGatewayLogs {
  readonly #gateways: TransitGateways
  readonly #interfaces: ReadonlyMap<string, NetworkInterface>
  readonly #logs = new Map<string, RunningLog>()
  /** Registered sessions by their interfaces. */
  readonly #sessions = new Map<string, Set<Session>>()
  readonly #frame = new FlowFrame()
  readonly #quiet = new FlowRecord()

  constructor(gateways: TransitGateways, interfaces: ReadonlyMap<string, NetworkInterface>) {
    this.#gateways = gateways
    this.#interfaces = interfaces
  }

  get isEmpty(): boolean {
    return this.#logs.size === 0
  }

  add(log: GatewayLog): void {
    this.#logs.set(log.resource.id, { ...log, windows: new Map(), isSettled: false })
  }

  remove(id: string): void {
    this.#logs.delete(id)
  }

  follow(session: Session, { networkInterfaceId }: MirrorSession): void {
    const sessions = this.#sessions.get(networkInterfaceId)
    if (sessions === undefined) this.#sessions.set(networkInterfaceId, new Set([session]))
    else sessions.add(session)
  }

  forget(session: Session, { networkInterfaceId }: MirrorSession): void {
    const sessions = this.#sessions.get(networkInterfaceId)
    sessions?.delete(session)
    if (sessions?.size === 0) this.#sessions.delete(networkInterfaceId)
  }

  /** `seenAt`: the interface whose session the record is of. */
  write(record: FlowRecord, seenAt: string): void {
    const vpcId = this.#interfaces.get(seenAt)?.vpcId
    const crossing = this.#gateways.crossingOf(record, vpcId)
    if (crossing === undefined || !this.#isCountedAt(seenAt, crossing, record)) return
    const { gatewayId } = crossing
    for (const log of this.#logs.values()) {
      for (const { attachmentId, metadata } of crossing.ends) {
        if (!covers(log, gatewayId, attachmentId)) continue
        log.destination.write(record, metadata)
        windowsOf(log, attachmentId).seen.note(record.windowEnd)
      }
    }
  }

  /**
   * A window is over in which packets or records were lost, or perhaps nothing came. Says so of
   * the attachments whose VPC has mirrored interfaces; that nothing came, only where `isWhole`:
   * all that they mirror comes to this column.
   */
  end(windowStart: number, windowEnd: number, lost: number, isWhole: boolean): void {
    if (this.#logs.size === 0) return
    const record = this.#quiet
    record.status = lost > 0 ? 'SKIPDATA' : 'NODATA'
    record.windowStart = windowStart
    record.windowEnd = windowEnd
    const mirrored = new Set<string | undefined>()
    for (const id of this.#sessions.keys()) mirrored.add(this.#interfaces.get(id)?.vpcId)
    for (const log of this.#logs.values()) {
      const maySayNothingCame = isWhole && log.isSettled
      log.isSettled = true
      for (const { gatewayId, attachmentId, vpcId, metadata } of this.#gateways.attachments) {
        if (!mirrored.has(vpcId) || !covers(log, gatewayId, attachmentId)) continue
        const { seen, skipped } = windowsOf(log, attachmentId)
        if (lost > 0 ? skipped.has(windowEnd) : !maySayNothingCame || seen.has(windowEnd)) continue
        seen.note(windowEnd)
        if (lost > 0) skipped.note(windowEnd)
        log.destination.write(record, metadata)
      }
    }
  }

  /**
   * A flow that is mirrored at both of its ends is counted at its source. Where neither end
   * is mirrored, an interface in between has seen it.
   */
  #isCountedAt(seenAt: string, { source, destination }: Crossing, record: FlowRecord): boolean {
    if (source !== undefined && this.#isMirrored(source, record, EGRESS)) {
      return seenAt === source.id
    }
    if (destination !== undefined && this.#isMirrored(destination, record, INGRESS)) {
      return seenAt === destination.id
    }
    return true
  }

  #isMirrored(
    { id }: NetworkInterface,
    record: FlowRecord,
    direction: typeof EGRESS | typeof INGRESS,
  ): boolean {
    const sessions = this.#sessions.get(id)
    if (sessions === undefined) return false
    const frame = this.#frame.of(record)
    frame.direction = direction
    for (const session of sessions) {
      if (session.rules?.accepts(frame) === true) return true
    }
    return false
  }
}

function covers({ resource }: GatewayLog, gatewayId: string, attachmentId: string): boolean {
  return resource.resourceId === gatewayId || resource.resourceId === attachmentId
}

function windowsOf(log: RunningLog, attachmentId: string): AttachmentWindows {
  let windows = log.windows.get(attachmentId)
  if (windows === undefined) {
    windows = new AttachmentWindows()
    log.windows.set(attachmentId, windows)
  }
  return windows
}
