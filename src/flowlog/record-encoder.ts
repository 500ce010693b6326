import type { FlowRecord } from '../flow/flow-record.js'
import type { SessionMetadata } from './metadata.js'

/**
 * Turns records into lines. A log format is compiled once, in the constructor of
 * an implementation; encoding a record makes no strings and no objects.
 * `About` is what else is known of a record: what its session is configured with.
 */
export interface RecordEncoder<Row = FlowRecord, About = SessionMetadata> {
  /** What a file starts with, its newline included; empty where the form knows no header. */
  headerLine(): string

  /** Bytes that the line of the record does not exceed, its newline included. */
  maxLineLength(about: About, row: Row): number

  /**
   * Writes the record's line at `at`, where `maxLineLength(about, row)` bytes are
   * free, and returns the offset just past its newline.
   */
  encode(row: Row, about: About, bytes: Buffer, at: number): number
}
