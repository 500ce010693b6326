import { CLASS_SHIFT, STATE_MASK } from './flow-state.js'

/**
 * Idle time-outs by protocol and state, in whole seconds. A flow is idle when
 * more than that has passed since its last packet.
 */
export interface Lifetime {
  readonly tcp: StateSeconds
  readonly udp: StateSeconds
  readonly icmp: StateSeconds
  readonly other: StateSeconds
}

/** `closing` and `closed` have a meaning for TCP only. */
export interface StateSeconds {
  readonly new: number
  readonly established: number
  readonly closing?: number
  readonly closed?: number
}

/**
 * - `nfw`: AWS Network Firewall: TCP idle 350 s (its default), the rest as the
 *   engine inside it, Suricata, has it.
 * - `vpc`: EC2 connection tracking: established TCP 432,000 s, UDP 30 s for a
 *   single exchange and 180 s for a stream.
 * - `ids`: Suricata's defaults.
 *
 * A closed connection is kept for a few seconds, so that what still trickles in
 * after the last FIN is counted with it and does not begin a new flow.
 */
export const LIFETIMES = {
  nfw: {
    tcp: { new: 60, established: 350, closing: 60, closed: 10 },
    udp: { new: 30, established: 300 },
    icmp: { new: 30, established: 300 },
    other: { new: 30, established: 300 },
  },
  vpc: {
    tcp: { new: 60, established: 432_000, closing: 60, closed: 10 },
    udp: { new: 30, established: 180 },
    icmp: { new: 30, established: 60 },
    other: { new: 60, established: 600 },
  },
  ids: {
    tcp: { new: 60, established: 600, closing: 60, closed: 10 },
    udp: { new: 30, established: 300 },
    icmp: { new: 30, established: 300 },
    other: { new: 30, established: 300 },
  },
} satisfies Record<string, Lifetime>

/** A profile of idle time-outs; see LIFETIMES. */
export type LifetimeName = keyof typeof LIFETIMES

/** While the table is nearly full: Suricata's emergency values. */
export const EMERGENCY_LIFETIME: Lifetime = {
  tcp: { new: 5, established: 100, closing: 10, closed: 2 },
  udp: { new: 10, established: 100 },
  icmp: { new: 10, established: 100 },
  other: { new: 10, established: 100 },
}

/** The time-outs as an array, see timeoutIndex. */
export function compileLifetime(lifetime: Lifetime): Uint32Array {
  const seconds = new Uint32Array(16)
  const classes = [lifetime.tcp, lifetime.udp, lifetime.icmp, lifetime.other]
  for (const [index, of] of classes.entries()) {
    const closing = of.closing ?? of.established
    seconds.set([of.new, of.established, closing, of.closed ?? closing], index * 4)
  }
  return seconds
}

/** Where the time-out of a flow with this STATE word stands in a compiled lifetime. */
export function timeoutIndex(state: number): number {
  return ((state >>> (CLASS_SHIFT - 2)) & 0xc) | (state & STATE_MASK)
}
