import type { CaptureInterfaces } from './capture-interfaces.js'
import { DEFAULT_SNAPLEN } from './pcap.js'

/**
 * Takes the records of one format out of bytes that lie in memory.
 *
 * `CaptureParser` finds out the format, makes one of these, and feeds it.
 */
export interface FormatParser {
  readonly interfaces: CaptureInterfaces
  readonly packets: number
  /** Descriptions of what follows that were read: the file header of pcap, sections and interfaces of pcapng. */
  readonly descriptions: number
  /**
   * After `parse`: bytes that must lie after the offset it returned before
   * calling it again can get anywhere.
   */
  readonly wanted: number
  /** Why the file as a whole cannot be read; nothing was handed over and nothing will be. */
  readonly refusal: string | undefined
  /** What is wrong with the record at the offset `parse` returned; nothing after it is read. */
  readonly damage: string | undefined

  /**
   * Hands over the packets of all whole records in `bytes[start, end)`, `view`
   * being a view of the same bytes. Returns the offset of the first record
   * that is not whole, or not right.
   */
  parse(bytes: Buffer, view: DataView, start: number, end: number): number
}

/** Frames may be this long in any file, whatever snaplen it announces. */
export const LONGEST_FRAME = DEFAULT_SNAPLEN

/**
 * A file that announces a larger snaplen may have frames up to that, but not
 * beyond this: the bound on our memory, and libpcap's and Wireshark's too.
 */
const LONGEST_FRAME_EVER = 128 * 1024 * 1024

/** The longest frame an interface of this snaplen may have. */
export function longestFrame(snaplen: number): number {
  return Math.min(Math.max(snaplen, LONGEST_FRAME), LONGEST_FRAME_EVER)
}
