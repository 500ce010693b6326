/**
 * pcap-filter(7) expressions on mirrored frames.
 *
 * @module mirrortap/filter
 */

export type { FilterSubject } from '../filter/decision.js'
export { ExpressionFilter } from '../filter/expression-filter.js'
export { compileFilter, type PacketTest } from '../library/packet-filter.js'
