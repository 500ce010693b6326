import type { Endpoint, PlanOptions } from '../../source/mirror-plan.js'
import type { Speed } from '../../source/pace.js'

export interface MirrorOptions extends PlanOptions {
  /** This or `interface`. */
  read?: string[]
  interface?: string
  /** Bytes. */
  receiveBuffer: number
  /** URL of a control plane. */
  control?: string
  /** With `control`: whose sessions. */
  networkInterfaceId?: string
  /** By target id. */
  target?: ReadonlyMap<string, Endpoint>
  /** Seconds. */
  controlInterval: number
  credentials?: string
  profile?: string
  region?: string
  /** A namespace. */
  cloudwatchMetrics?: string
  speed: Speed
  rate?: number
  loop: number
  json?: true
}
