import { HOT_WORDS, SESSION } from '../../src/flow/flow-entry.js'
import { FlowHash } from '../../src/flow/flow-hash.js'
import { readFlowKey } from '../../src/flow/flow-key.js'
import { type FlowTable, NO_FLOW } from '../../src/flow/flow-table.js'
import type { Frame } from '../../src/wire/frame.js'

const HASH = new FlowHash()
/** The words of a key, behind its hash. */
const KEY_WORDS = 12

/** The key of a frame, as a queue lays it out, and its direction. */
function keyOf(frame: Frame, session: number, hash: FlowHash): [Uint32Array, number] {
  const key = new Uint32Array(HOT_WORDS)
  return [key, readFlowKey(frame, session, hash, key, 0)]
}

/** As FlowTable.touch, for the packet of a frame. `hash` is the same for every packet of a table. */
export function touchFrame(table: FlowTable, frame: Frame, session: number, hash = HASH): number {
  const [key, direction] = keyOf(frame, session, hash)
  table.direction = direction
  return table.touch(key, 0)
}

/** As FlowTable.find. */
export function findFrame(table: FlowTable, frame: Frame, session: number, hash = HASH): number {
  const [key] = keyOf(frame, session, hash)
  return table.find(key, 0)
}

/** The flow that a frame belongs to in a table whose hash is not known, found by looking at every one; or NO_FLOW. */
export function heldFlow(table: FlowTable, frame: Frame, session: number): number {
  const [key] = keyOf(frame, session, HASH)
  const wanted = key.subarray(SESSION, KEY_WORDS).join()
  for (let flow = 0; flow < table.used; flow++) {
    const at = flow * HOT_WORDS
    const held = table.words.subarray(at + SESSION, at + KEY_WORDS).join()
    if (table.isLive(flow) && held === wanted) return flow
  }
  return NO_FLOW
}
