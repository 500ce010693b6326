import type { QueuedFile } from './delivery-queue.js'

/** As DescribeFlowLogs words it in `DeliverLogsErrorMessage`. */
export type DeliveryErrorKind = 'Access error' | 'Rate limited' | 'Unknown error'

/** Why a file, or the rest of one, has not arrived; it is tried again. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError'
  readonly kind: DeliveryErrorKind

  constructor(kind: DeliveryErrorKind, message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

/** A file that no retry can deliver: what is in it is not what a queue holds. */
export class Undeliverable extends Error {
  override readonly name = 'Undeliverable'
}

/** What a destination did with one file. */
export interface Delivered {
  /** Records that the destination refused for good, each by a rule of its own; they are lost and counted. */
  readonly refused: number
}

/**
 * Where whole files, or the records in them, go. An implementation holds a bounded part of a
 * file in memory and keeps nothing on disk: the file is the queue.
 */
export interface Destination {
  /** How many files it takes at a time. 1 keeps them in order. */
  readonly concurrency: number
  /**
   * Resolves when the other side has confirmed all of the file. Rejects with DeliveryError to be
   * called again with the same file, and may then go on after what was confirmed; with
   * Undeliverable for a file that never can be; with the reason of `signal` once that is aborted.
   * Calls `onArrived` when a part of the file has been confirmed.
   */
  deliver(file: QueuedFile, signal: AbortSignal, onArrived: () => void): Promise<Delivered>
  /** Lets go of connections. Never rejects. */
  close(): Promise<void>
}

export const ALL_TAKEN: Delivered = { refused: 0 }
