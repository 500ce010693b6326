import type { CaptureSurroundings } from '../../src/pcap/rotation.js'
import { BlockPool } from '../../src/sink/block-pool.js'
import { FileBudget } from '../../src/sink/file-budget.js'

/** Of a capture that may have all it wants, but for what `changes` says. */
export function captureSurroundings(changes: Partial<CaptureSurroundings> = {}) {
  return {
    pool: new BlockPool(Number.POSITIVE_INFINITY),
    files: new FileBudget(Number.POSITIVE_INFINITY),
    share: () => 1,
    patience: () => Number.POSITIVE_INFINITY,
    mayMakeDirectory: () => true,
    onProblem: () => undefined,
    onTakenBack: () => undefined,
    onLost: () => undefined,
    ...changes,
  }
}
