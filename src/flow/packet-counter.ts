import type { Frame } from '../wire/frame.js'
import type { EndReason } from './flow-record.js'

/** What counts packets into flows: a FlowTracker, or the way to a table in another thread. */
export interface PacketCounter {
  /**
   * Takes one packet that carries IP; one that is not `timed` counts as of now.
   * False where it is in no flow, for want of room.
   */
  enqueue(
    frame: Frame,
    session: number,
    seconds: number,
    nanoseconds: number,
    timed: boolean,
  ): boolean

  /** Packets counted at another time than their own, which is too far from those of others; see StoredTime. */
  readonly clampedTimes: number

  /** Does what has become due, for about `budget` flows; returns whether something is left to do. */
  work(budget: number): boolean

  /** Ends every flow of a session. All its records have been handed over when this returns. */
  endSession(session: number, reason: EndReason): void
}
