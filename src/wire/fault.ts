/**
 * Why bytes could not be read as what they claim to be.
 *
 * A parser returns `undefined` when all is well and one of these otherwise. It
 * never throws: a malformed datagram is an event to count, not an exception.
 * The strings are the keys under `malformed` in the ledger, so renaming one is
 * a visible change.
 */
export const FAULTS = [
  'vxlan-truncated',
  'vxlan-no-vni',
  'geneve-truncated',
  'geneve-version',
  'geneve-protocol',
  'link-type',
  'link-truncated',
  'vlan-truncated',
  'mpls-truncated',
  'pppoe-truncated',
  'ip-version',
  'ipv4-truncated',
  'ipv4-header-length',
  'ipv4-total-length',
  'ipv6-truncated',
  'ipv6-extension-truncated',
  'ipv6-extension-count',
] as const

/** One of FAULTS. */
export type Fault = (typeof FAULTS)[number]
