import { readFileSync } from 'node:fs'

/** A packet as a finished file of ours holds it. */
export interface WrittenPacket {
  seconds: number
  nanoseconds: number
  originalLength: number
  frame: Buffer
}

/**
 * Reads a little-endian nanosecond pcap or pcapng file as plainly as can be,
 * independent of the product's reader. Throws unless it is whole.
 */
export function readWritten(path: string): WrittenPacket[] {
  return readWrittenBytes(readFileSync(path))
}

/** The same of a file's bytes. */
export function readWrittenBytes(bytes: Buffer): WrittenPacket[] {
  return bytes.readUInt32LE(0) === 0xa1b23c4d ? readPcap(bytes) : readPcapng(bytes)
}

function readPcap(bytes: Buffer): WrittenPacket[] {
  const packets: WrittenPacket[] = []
  let at = 24
  while (at < bytes.length) {
    const end = at + 16 + bytes.readUInt32LE(at + 8)
    if (end > bytes.length) throw new Error(`cut record at ${at}`)
    packets.push({
      seconds: bytes.readUInt32LE(at),
      nanoseconds: bytes.readUInt32LE(at + 4),
      originalLength: bytes.readUInt32LE(at + 12),
      frame: bytes.subarray(at + 16, end),
    })
    at = end
  }
  return packets
}

function readPcapng(bytes: Buffer): WrittenPacket[] {
  const packets: WrittenPacket[] = []
  let at = 0
  while (at < bytes.length) {
    const length = bytes.readUInt32LE(at + 4)
    if (bytes.readUInt32LE(at + length - 4) !== length) throw new Error(`broken block at ${at}`)
    if (bytes.readUInt32LE(at) === 6) {
      const time =
        (BigInt(bytes.readUInt32LE(at + 12)) << 32n) | BigInt(bytes.readUInt32LE(at + 16))
      packets.push({
        seconds: Number(time / 1_000_000_000n),
        nanoseconds: Number(time % 1_000_000_000n),
        originalLength: bytes.readUInt32LE(at + 24),
        frame: bytes.subarray(at + 28, at + 28 + bytes.readUInt32LE(at + 20)),
      })
    }
    at += length
  }
  return packets
}
