import { EGRESS, INGRESS, type PacketDirection } from '../wire/frame.js'
import { CutFrames } from './cut-frames.js'
import type { ClosedSessions } from './ledger.js'

/**
 * What became of a session's packets, as the pipeline counts it. Where several sessions share a
 * VNI and source, a packet is counted in one: the first that mirrors it, or the first of all
 * where none does.
 */
export class SessionCounters {
  received = 0
  accepted = 0
  captured = 0
  captureLost = 0
  flowPackets = 0
  untracked = 0
  malformed = 0
  /** Packets that the filter turned away, or that no session sharing them mirrors. */
  filtered = 0
  /** Packets that rules let in although it was not known which way they ran. */
  unknownDirection = 0
  /** Accepted packets of flows by their direction, where it is known, and their bytes on the wire. */
  ingressPackets = 0
  ingressBytes = 0
  egressPackets = 0
  egressBytes = 0
  /** Copies of packets that another session had brought, whatever was done with them. */
  duplicates = 0
  /** On the wire. */
  bytes = 0
  readonly cut = new CutFrames()
  #lowPorts = 0
  #highPorts = 0
  /** Once the session is closed: the sums that its counts went into. */
  closedInto: ClosedSessions | undefined = undefined

  /** The UDP port that a datagram of the session came from. */
  noteOuterPort(port: number): void {
    if ((port & 32) === 0) this.#lowPorts |= 1 << (port & 31)
    else this.#highPorts |= 1 << (port & 31)
  }

  /** How many outer ports there were at least: those whose last six bits are the same count as one. */
  get outerPorts(): number {
    return bitsOf(this.#lowPorts) + bitsOf(this.#highPorts)
  }

  /** `bytes` on the wire. */
  countDirection(direction: PacketDirection, bytes: number): void {
    if (direction === INGRESS) {
      this.ingressPackets++
      this.ingressBytes += bytes
    } else if (direction === EGRESS) {
      this.egressPackets++
      this.egressBytes += bytes
    }
  }

  /** Packets that its capture had taken, and a failed disk has lost. */
  takeBack(packets: number): void {
    for (const counts of [this, ...(this.closedInto === undefined ? [] : [this.closedInto])]) {
      counts.captured -= packets
      counts.captureLost += packets
    }
  }
}

function bitsOf(word: number): number {
  let count = 0
  for (let left = word; left !== 0; left &= left - 1) count++
  return count
}
