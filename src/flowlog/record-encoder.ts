import type { FlowRecord } from '../flow/flow-record.js'
import type { SessionMetadata } from './metadata.js'

/**
 * Turns records into lines. A log format is compiled once, in the constructor of
 * an implementation; encoding a record makes no strings and no objects.
 */
export interface RecordEncoder {
  /** What a file starts with, its newline included; empty where the form knows no header. */
  headerLine(): string

  /** Bytes no line of a session with this metadata exceeds, its newline included. */
  maxLineLength(metadata: SessionMetadata): number

  /**
   * Writes the record's line at `at`, where `maxLineLength(metadata)` bytes are
   * free, and returns the offset just past its newline. The line is ASCII.
   */
  encode(record: FlowRecord, metadata: SessionMetadata, bytes: Buffer, at: number): number
}
