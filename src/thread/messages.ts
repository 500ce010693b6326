import type { FlowCaptureRequest } from '../flow/flow-capture.js'
import type { ReceiverChoice } from '../receive/open.js'
import type { SteerBy } from '../receive/steering.js'
import type { CapturedFlow, ColumnOptions, FlowCaptureOutcome } from '../session/column.js'
import type { LedgerReport } from '../session/ledger.js'

/** What a worker is started with. Plain data. */
export interface WorkerOptions {
  index: number
  /** How many workers share the ports. */
  workers: number
  /** What keeps datagrams together among them. */
  steer: SteerBy
  column: ColumnOptions
  receiver: {
    choice: ReceiverChoice
    host: string
    port: number
    /** Undefined: no GENEVE. */
    genevePort: number | undefined
    receiveBufferBytes: number
  }
}

/** From the pool to a worker. */
export type Order =
  /** Place the datagrams among the sockets; to the first worker, when all are ready. */
  | { readonly type: 'steer' }
  | { readonly type: 'report' }
  /** Answered by any number of `flows` and one `flows-done`. One at a time. */
  | { readonly type: 'capture-flows'; readonly request: FlowCaptureRequest }
  /** Finish everything and answer `done`. */
  | { readonly type: 'stop' }

/** From a worker to the pool. */
export type Notice =
  | {
      readonly type: 'ready'
      readonly receiver: 'dgram' | 'recvmmsg'
      readonly port: number
      readonly genevePort: number | undefined
      readonly receiveBufferBytes: number
    }
  | { readonly type: 'steered' }
  | { readonly type: 'report'; readonly report: LedgerReport }
  | { readonly type: 'flows'; readonly rows: readonly CapturedFlow[] }
  | { readonly type: 'flows-done'; readonly outcome: FlowCaptureOutcome }
  /** Something an operator should read; the worker goes on. */
  | { readonly type: 'problem'; readonly line: string }
  /** The worker cannot go on. `operator`: the message is for the operator, else it is a bug. */
  | { readonly type: 'failed'; readonly message: string; readonly operator: boolean }
  | { readonly type: 'done'; readonly report: LedgerReport }
