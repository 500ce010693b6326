import type { DeliveryStatus } from './delivery.js'
import type { QueueOptions } from './delivery-queue.js'
import type { Place } from './delivery-url.js'

/** A queue and where it goes. Plain data. */
export interface DeliverySpec {
  /** Unique, and part of file names. */
  readonly name: string
  /** What is delivered, as messages call it: the flow log's id. */
  readonly what: string
  readonly place: Place
  /** Of services that have one, unless the environment says otherwise. */
  readonly region: string
  readonly queue: QueueOptions
}

/** To the delivering thread. */
export type DeliveryOrder =
  /** Also in place of one of this name, which stops where it is. */
  | { readonly type: 'open'; readonly spec: DeliverySpec }
  /** No more files will come: what waits is delivered, then it is forgotten. */
  | { readonly type: 'end'; readonly name: string }
  /** Files have got their final names. */
  | { readonly type: 'finished'; readonly paths: readonly string[] }
  /** There may be files that nobody has announced. */
  | { readonly type: 'scan' }
  /** Which files wait? Answer `undelivered`. */
  | { readonly type: 'undelivered' }
  /** Files are gone that were not delivered: they are counted. */
  | { readonly type: 'removed'; readonly paths: readonly string[] }
  /** Deliver what waits for at most so long, and answer `stopped`. */
  | { readonly type: 'stop'; readonly patienceMs: number }

/** From the delivering thread. */
export type DeliveryNotice =
  | { readonly type: 'problem'; readonly line: string }
  | { readonly type: 'status'; readonly statuses: readonly DeliveryStatus[] }
  /** A delivery that was to end has: nothing is left of it. */
  | { readonly type: 'ended'; readonly name: string }
  | { readonly type: 'undelivered'; readonly paths: readonly string[] }
  | { readonly type: 'stopped'; readonly statuses: readonly DeliveryStatus[] }
