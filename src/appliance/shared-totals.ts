import { Ledger, type LedgerReport } from '../session/ledger.js'
import { FAULTS } from '../wire/fault.js'

const COUNTS = [
  'received',
  'accepted',
  'filtered',
  'unknownSession',
  'noRoom',
  'duplicate',
  'reservedBits',
  'inDoubt',
  'cutDatagrams',
] as const satisfies readonly (keyof Ledger)[]

/** Sockets of one worker: VXLAN and GENEVE. */
const SOCKETS = 2
const FAULTS_AT = COUNTS.length
const DROPS_AT = FAULTS_AT + FAULTS.length
const CELLS = DROPS_AT + SOCKETS

/**
 * A worker's totals in shared memory, where the pool still finds them after a death that
 * leaves no time for a report, such as running out of memory.
 */
export class SharedTotals {
  readonly memory: SharedArrayBuffer
  readonly #cells: Float64Array

  constructor(memory = new SharedArrayBuffer(CELLS * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#cells = new Float64Array(memory)
  }

  /** Allocates nothing. */
  write(ledger: Ledger): void {
    const cells = this.#cells
    for (let at = 0; at < COUNTS.length; at++) cells[at] = ledger[COUNTS[at]!]
    for (let at = 0; at < FAULTS.length; at++) cells[FAULTS_AT + at] = ledger.malformed[FAULTS[at]!]
  }

  /** What the kernel has dropped at one socket, as the worker last saw it; undefined: not known. */
  writeDrops(socket: number, drops: number | undefined): void {
    this.#cells[DROPS_AT + socket] = drops ?? Number.NaN
  }

  drops(socket: number): number {
    return this.#cells[DROPS_AT + socket]!
  }

  /** null where it is not known. */
  get kernelLost(): number | null {
    let lost = 0
    for (let socket = 0; socket < SOCKETS; socket++) lost += this.drops(socket)
    return Number.isNaN(lost) ? null : lost
  }

  /** All that is known of a worker that left no report: nothing of single sessions and flows. */
  report(): LedgerReport {
    const ledger = new Ledger()
    for (const [at, name] of COUNTS.entries()) ledger[name] = this.#cells[at]!
    for (const [at, fault] of FAULTS.entries()) {
      ledger.malformed[fault] = this.#cells[FAULTS_AT + at]!
    }
    return ledger.report({ kernelLost: this.kernelLost, sessions: [] })
  }
}
