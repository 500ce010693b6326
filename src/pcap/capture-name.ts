import type { CaptureFormat } from './capture-writer.js'

/**
 * Names of capture files: `20261120T183400Z.pcap`, the next of the same second
 * `20261120T183400Z-1.pcap`, and `20261120T183400Z.w2.pcap` where a worker marks
 * its own by a suffix.
 */
export interface CaptureName {
  /** As it stands in the name, UTC. */
  readonly start: string
  readonly index: number
  /** With its dot, or empty. */
  readonly suffix: string
}

/** Behind the name of a capture file: what is known of its parts, see search/. */
export const INDEX_SUFFIX = '.idx'

/** What names of finished capture files match. */
export const CAPTURE_NAME = /^(\d{8}T\d{6}Z)(?:-(\d+))?(\.[A-Za-z0-9]+)?\.(?:pcap|pcapng)$/

export function formatCaptureName(
  startSeconds: number,
  index: number,
  suffix: string,
  format: CaptureFormat,
): string {
  const start = `${new Date(startSeconds * 1000).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  return `${start}${index === 0 ? '' : `-${index}`}${suffix}.${format}`
}

/** Undefined for a name that is not a finished capture file's. */
export function parseCaptureName(name: string): CaptureName | undefined {
  const match = CAPTURE_NAME.exec(name)
  if (match === null) return undefined
  return { start: match[1]!, index: Number(match[2] ?? 0), suffix: match[3] ?? '' }
}

/** The name of the capture that an index is of; undefined for a name that is none of ours. */
export function captureOfIndex(name: string): string | undefined {
  if (!name.endsWith(INDEX_SUFFIX)) return undefined
  const capture = name.slice(0, -INDEX_SUFFIX.length)
  return parseCaptureName(capture) === undefined ? undefined : capture
}

/** Orders oldest first. Names alone would not: `Z-1.pcap` sorts before `Z.pcap`, `-10` before `-9`. */
export function compareCaptureNames(a: CaptureName, b: CaptureName): number {
  if (a.start !== b.start) return a.start < b.start ? -1 : 1
  if (a.index !== b.index) return a.index - b.index
  return a.suffix < b.suffix ? -1 : a.suffix > b.suffix ? 1 : 0
}

/** What the extension of a file that a person named announces, compression apart. */
export function formatInName(path: string): CaptureFormat | undefined {
  return /\.(pcap|pcapng)(?:\.gz|\.zst)?$/.exec(path)?.[1] as CaptureFormat | undefined
}
