import { DIRECTION_UNKNOWN, EGRESS, INGRESS, type PacketDirection } from '../wire/frame.js'

/**
 * What became of the packets that a session was to mirror, under the names of
 * CloudWatch (namespace AWS/EC2). Bytes are those of the frames as the interface
 * had them, without what the mirror puts around or cuts off. Skipped is what a
 * filter accepted and what was not sent all the same.
 *
 * https://docs.aws.amazon.com/vpc/latest/mirroring/traffic-mirror-cloudwatch.html
 */
interface MirrorMetrics {
  NetworkMirrorIn: number
  NetworkMirrorOut: number
  NetworkPacketsMirrorIn: number
  NetworkPacketsMirrorOut: number
  NetworkSkipMirrorIn: number
  NetworkSkipMirrorOut: number
  NetworkPacketsSkipMirrorIn: number
  NetworkPacketsSkipMirrorOut: number
}

/** Columns of a direction. */
const MIRRORED = 0
const MIRRORED_OCTETS = 1
const SKIPPED = 2
const SKIPPED_OCTETS = 3
const STRIDE = 4

/** Counts mirrored and skipped packets by direction. */
export class MirrorCounters {
  /** Ingress, egress, unknown. */
  readonly #counts = new Float64Array(3 * STRIDE)

  /** `direction` is not PASSING: that is nobody's to mirror. `octets` of the frame on the interface. */
  count(direction: PacketDirection, octets: number, sent: boolean): void {
    const at = direction * STRIDE + (sent ? MIRRORED : SKIPPED)
    this.#counts[at]! += 1
    this.#counts[at + 1]! += octets
  }

  /** What was counted as sent was skipped after all. */
  takeBack(direction: PacketDirection, octets: number): void {
    const at = direction * STRIDE
    this.#counts[at + MIRRORED]! -= 1
    this.#counts[at + MIRRORED_OCTETS]! -= octets
    this.count(direction, octets, false)
  }

  metrics(): MirrorMetrics {
    return {
      NetworkMirrorIn: this.#of(INGRESS, MIRRORED_OCTETS),
      NetworkMirrorOut: this.#of(EGRESS, MIRRORED_OCTETS),
      NetworkPacketsMirrorIn: this.#of(INGRESS, MIRRORED),
      NetworkPacketsMirrorOut: this.#of(EGRESS, MIRRORED),
      NetworkSkipMirrorIn: this.#of(INGRESS, SKIPPED_OCTETS),
      NetworkSkipMirrorOut: this.#of(EGRESS, SKIPPED_OCTETS),
      NetworkPacketsSkipMirrorIn: this.#of(INGRESS, SKIPPED),
      NetworkPacketsSkipMirrorOut: this.#of(EGRESS, SKIPPED),
    }
  }

  /** Packets whose direction nobody knew, mirrored and skipped: they are in no metric. */
  get unknownDirection(): number {
    return this.#of(DIRECTION_UNKNOWN, MIRRORED) + this.#of(DIRECTION_UNKNOWN, SKIPPED)
  }

  #of(direction: PacketDirection, column: number): number {
    return this.#counts[direction * STRIDE + column]!
  }
}
