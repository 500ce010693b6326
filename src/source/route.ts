import type { MirrorCounters } from '../mirror/mirror-counters.js'
import type { Outlet } from './outlet.js'

/** Where the copies of one mirror session go, and what became of them. */
export class Route {
  readonly vni: number
  /** Bytes kept of each frame, after the VXLAN header; infinite for all. */
  readonly packetLength: number
  /** Several sessions of one target share it. */
  readonly outlet: Outlet
  /** Of all sessions, as AWS counts them. */
  readonly counters: MirrorCounters

  /** Packets the session was to mirror. */
  packets = 0
  /** Of these, longer than the packet length. */
  cut = 0
  /** Of these, sent. */
  sent = 0

  constructor(options: Pick<Route, 'vni' | 'packetLength' | 'outlet' | 'counters'>) {
    this.vni = options.vni
    this.packetLength = options.packetLength
    this.outlet = options.outlet
    this.counters = options.counters
  }
}
