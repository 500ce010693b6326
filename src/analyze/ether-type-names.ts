/** Up to here the field is the length of an IEEE 802.3 frame (802.3 §3.2.6). */
export const ETHERTYPE_LENGTH_MAX = 1500
/** Stands for all lengths. */
export const ETHERTYPE_LENGTH = 1

/** IEEE registrations that people meet. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'unknown'],
  [ETHERTYPE_LENGTH, 'llc'],
  [0x0806, 'arp'],
  [0x0842, 'wake-on-lan'],
  [0x8035, 'rarp'],
  [0x8137, 'ipx'],
  [0x8808, 'flow control'],
  [0x8809, 'lacp'],
  [0x8847, 'mpls'],
  [0x8848, 'mpls'],
  [0x8863, 'pppoe discovery'],
  [0x8864, 'pppoe'],
  [0x888e, 'eapol'],
  [0x88cc, 'lldp'],
  [0x88e5, 'macsec'],
  [0x88f7, 'ptp'],
  [0x894f, 'nsh'],
  [0x9000, 'loopback'],
])

/** `arp`, or `0x88b8`; 0 stands for a frame whose link layer names no type. */
export function etherTypeName(etherType: number): string {
  return NAMES.get(etherType) ?? `0x${etherType.toString(16).padStart(4, '0')}`
}
