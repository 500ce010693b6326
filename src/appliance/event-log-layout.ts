import { posix } from 'node:path'
import type { LogLayout } from '../flowlog/log-directory.js'

/** `2026-03-01/conn.20260301T120000Z_0a1b2c3d.log.gz`: a directory for each day, files by log and time. */
export class EventLogLayout implements LogLayout {
  readonly fileFormat = 'lines'
  readonly #name: string
  readonly #extension: string

  /** `name`: of the log, such as `conn`. */
  constructor(name: string, extension: '.log.gz' | '.json.gz') {
    this.#name = name
    this.#extension = extension
  }

  key(bucketSeconds: number, unique: string): string {
    const time = new Date(bucketSeconds * 1000).toISOString().slice(0, 19)
    const name = `${this.#name}.${time.replace(/[-:]/g, '')}Z_${unique}${this.#extension}`
    return posix.join(time.slice(0, 10), name)
  }
}

const FILE_NAME = /^[a-z_]{2,16}\.\d{8}T\d{6}Z_[0-9a-f]{8}(?:-\d+)?\.(?:log|json)\.gz$/

/** Whether it is the name of a finished file of such a log. */
export function isEventLogFile(name: string): boolean {
  return FILE_NAME.test(name)
}
