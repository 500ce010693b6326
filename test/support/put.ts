import type { ByteSink } from '../../src/sink/byte-sink.js'

/** Puts one unit into the sink as an encoder does: first the room, then the block it is in. False when it took nothing. */
export function put(sink: ByteSink, unit: Buffer): boolean {
  const at = sink.reserve(unit.length)
  if (at === -1) return false
  unit.copy(sink.block, at)
  return true
}
