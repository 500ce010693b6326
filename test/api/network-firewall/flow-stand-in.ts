import type {
  FlowSource,
  FlowSourceResult,
} from '../../../src/api/network-firewall/flow-operations.js'
import { CapturedFlows } from '../../../src/appliance/captured-flows.js'
import type { FlowOperationRequest } from '../../../src/appliance/column.js'
import { emptyRow } from '../../../src/flow/flow-row.js'
import { ROW_BYTES, RowBlock } from '../../../src/flow/row-block.js'

interface Asked {
  what: 'capture' | 'flush'
  request: FlowOperationRequest
  limit: number
}

/** Flows as rows with ports from 1 on, begun at a second. */
export function flowsOf(count: number, firstSeconds = 0): CapturedFlows {
  const flows = new CapturedFlows()
  const rows = new ArrayBuffer(count * ROW_BYTES)
  const block = new RowBlock(rows)
  const row = { ...emptyRow(), protocol: 6, firstSeconds, packets: 2, bytes: 100 }
  row.packetSource[0] = 0x0a00_0001
  row.packetDestination[0] = 0x0a00_0002
  for (let port = 1; port <= count; port++) block.put({ ...row, sourcePort: port })
  if (count > 0) flows.add({ rows, count, labels: [] })
  return flows
}

/**
 * Stands in for the pool where a test is about what is made of its answers: keeps what
 * it is asked, and answers when it is told to.
 */
export class FlowStandIn implements FlowSource {
  readonly asked: Asked[] = []
  names: string[] = ['vni-7_10.0.0.1', 'tms-1']
  silence: string | undefined
  readonly #waiting: { resolve: (result: FlowSourceResult) => void; reject: (e: Error) => void }[] =
    []

  captureFlows(request: FlowOperationRequest, limit: number): Promise<FlowSourceResult> {
    return this.#ask({ what: 'capture', request, limit })
  }

  flushFlows(request: FlowOperationRequest, limit: number): Promise<FlowSourceResult> {
    return this.#ask({ what: 'flush', request, limit })
  }

  async sessions(): Promise<string[]> {
    return this.names
  }

  /** Answers the first that waits, and lets the answer arrive. */
  async answer(flows: CapturedFlows, reason: string | null = null): Promise<void> {
    const status = reason === null ? 'COMPLETED' : 'COMPLETED_WITH_ERRORS'
    this.#waiting.shift()!.resolve({ status, reason, flows })
    await turn()
  }

  async fail(): Promise<void> {
    this.#waiting.shift()!.reject(new Error('a worker is gone'))
    await turn()
  }

  #ask(asked: Asked): Promise<FlowSourceResult> {
    this.asked.push(asked)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }
}

/** Resolves when what was promised so far has been done. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
