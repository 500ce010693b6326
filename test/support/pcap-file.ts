/** One packet for `pcapFile`: its frame, and its time when that matters. */
export interface Shot {
  frame: Buffer
  seconds?: number
  nanoseconds?: number
  /** Bytes on the wire, when more than the frame has. */
  originalLength?: number
}

/**
 * A nanosecond pcap file, written as plainly as can be: a second opinion beside
 * src/pcap, and what outside judges are handed.
 */
export function pcapFile(shots: readonly Shot[], linkType = 1): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b23c4d, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(262_144, 16)
  header.writeUInt32LE(linkType, 20)

  const records = shots.flatMap(({ frame, seconds, nanoseconds, originalLength }, index) => {
    const record = Buffer.alloc(16)
    record.writeUInt32LE(seconds ?? 1_600_000_000 + index, 0)
    record.writeUInt32LE(nanoseconds ?? 0, 4)
    record.writeUInt32LE(frame.length, 8)
    record.writeUInt32LE(originalLength ?? frame.length, 12)
    return [record, frame]
  })
  return Buffer.concat([header, ...records])
}
