import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** A record as it waits in a queue. */
export interface Queued {
  readonly source: string
  readonly start: number
  readonly line: string
}

export const QUEUE_HEADER = 'interface-id start version srcaddr\n'

/** The file of a queue, as the appliance writes it. */
export function queueFile(records: readonly Queued[]): Buffer {
  const lines = records.map(({ source, start, line }) => `${source} ${start} ${line}\n`)
  return gzipSync(QUEUE_HEADER + lines.join(''))
}

/** Puts files into a queue's directory, oldest first by name. */
export function fillQueue(directory: string, files: readonly (readonly Queued[])[]): void {
  for (const [index, records] of files.entries()) {
    writeFileSync(join(directory, `${String(index).padStart(4, '0')}.log.gz`), queueFile(records))
  }
}

/** Records of several interfaces that begin in the last minutes, in no order; no two are the same. */
export function someRecords(count: number, prefix = 'r', interfaces = 3): Queued[] {
  const now = Math.floor(Date.now() / 1000)
  return Array.from({ length: count }, (_, index) => ({
    source: `eni-${index % interfaces}`,
    start: now - ((index * 7919) % 600),
    line: `2 ${prefix}-${index} é`,
  }))
}
