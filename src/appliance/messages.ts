import type { Change } from '../control/state.js'
import type { ReceiverChoice } from '../receive/open.js'
import type { LeftSocket } from '../receive/receiver.js'
import type { SteerBy } from '../receive/steering.js'
import type { LedgerReport } from '../session/ledger.js'
import type { FlowBatch } from './captured-flows.js'
import type { ColumnOptions, FlowCaptureOutcome, FlowOperationRequest, Tuning } from './column.js'
import type { TopTalkers } from './live-talkers.js'

/** What a worker is started with. Plain data. */
export interface WorkerOptions {
  index: number
  /** How many workers share the ports. */
  workers: number
  /** What keeps datagrams together among them. */
  steer: SteerBy
  column: ColumnOptions
  /** Of SharedTotals. */
  totals: SharedArrayBuffer
  /** Of Progress. */
  progress: SharedArrayBuffer
  /** Those of the thread whose place it takes, first VXLAN, then GENEVE. */
  takeOver?: readonly (LeftSocket | undefined)[]
  /** What the control plane knows at the start, as changes of nothing. */
  mirror: readonly Change[]
  /** Where each worker puts packets for other tools, by its index; see PacketRingWriter. */
  forward?: readonly SharedArrayBuffer[]
  receiver: {
    choice: ReceiverChoice
    host: string
    port: number
    /** Undefined: no GENEVE. */
    genevePort: number | undefined
    receiveBufferBytes: number
  }
}

/** Answered by any number of `flows` and one `flows-done` of the same number. */
export interface FlowOrder {
  readonly type: 'capture-flows' | 'flush-flows'
  readonly id: number
  readonly request: FlowOperationRequest
}

/** From the pool to a worker. */
export type Order =
  /** Place the datagrams among the sockets; to the first worker, when all are ready. */
  | { readonly type: 'steer' }
  | { readonly type: 'report' }
  /** Answer `talkers` with who sends and receives most now. */
  | { readonly type: 'talkers' }
  /** Follow the control plane, and answer `changed` in the order of these. */
  | { readonly type: 'change'; readonly changes: readonly Change[] }
  /** Records that were written are lost before they were delivered: so many, at least. */
  | { readonly type: 'records-lost'; readonly records: number }
  /** Go on otherwise from the next packet on, and answer `changed` in the order of these. */
  | { readonly type: 'retune'; readonly tuning: Tuning }
  | FlowOrder
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
      /** Descriptors of the sockets that outlive the thread, first VXLAN, then GENEVE. */
      readonly sockets: readonly (number | undefined)[]
    }
  | { readonly type: 'steered' }
  | { readonly type: 'report'; readonly report: LedgerReport }
  /** Undefined at the first look, which there is nothing to compare with. */
  | { readonly type: 'talkers'; readonly talkers: TopTalkers | undefined }
  /** Packets are treated as the change says, and what it ends is on the disk. */
  | { readonly type: 'changed' }
  /** The memory of the rows comes with it. */
  | { readonly type: 'flows'; readonly id: number; readonly batch: FlowBatch }
  | { readonly type: 'flows-done'; readonly id: number; readonly outcome: FlowCaptureOutcome }
  /** Something an operator should read; the worker goes on. */
  | { readonly type: 'problem'; readonly line: string }
  /** A file has got its final name. */
  | { readonly type: 'finished'; readonly path: string }
  /**
   * The worker cannot go on, nor could another in its place. `code`: of an OperatorError; undefined: it
   * is a bug. The report is that of a worker that had begun to receive.
   */
  | {
      readonly type: 'failed'
      readonly message: string
      readonly code: string | undefined
      readonly report?: LedgerReport
    }
  /** A bug has ended the worker, which exits after this. */
  | { readonly type: 'crashed'; readonly message: string; readonly report: LedgerReport }
  | { readonly type: 'done'; readonly report: LedgerReport }
