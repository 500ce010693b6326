import type { Outlet } from './outlet.js'

/**
 * Sockets to one target, each with a source port of its own. A real mirror
 * source takes the outer source port from a hash of the inner flow; a receiver
 * that spreads its load by outer ports sees as many of them as there are here.
 */
export const OUTER_SOCKETS = 16

/** An outlet that is sockets: `batch-sockets.ts` where koffi loads, else `dgram-sockets.ts`. */
export interface OuterSockets extends Outlet {
  /** Source ports of the datagrams. */
  readonly ports: readonly number[]
  /** Where they go, as an IP address and a port. */
  readonly target: { readonly host: string; readonly port: number }
  /** Source address of the datagrams when the sockets were opened. */
  readonly localHost: string
}
