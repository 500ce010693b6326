import { CaptureParser } from '../../src/pcap/capture-parser.js'
import type { Packet } from '../../src/wire/packet.js'

/**
 * Capture files in either byte order, drawn independently of what src/pcap
 * writes.
 */
export class SampleCapture {
  readonly little: boolean
  readonly #parts: Buffer[] = []

  constructor(little: boolean) {
    this.little = little
  }

  u16(value: number): this {
    const part = Buffer.alloc(2)
    if (this.little) part.writeUInt16LE(value)
    else part.writeUInt16BE(value)
    return this.bytes(part)
  }

  u32(value: number): this {
    const part = Buffer.alloc(4)
    if (this.little) part.writeUInt32LE(value)
    else part.writeUInt32BE(value)
    return this.bytes(part)
  }

  u64(value: bigint): this {
    const part = Buffer.alloc(8)
    if (this.little) part.writeBigUInt64LE(BigInt.asUintN(64, value))
    else part.writeBigUInt64BE(BigInt.asUintN(64, value))
    return this.bytes(part)
  }

  bytes(part: Uint8Array): this {
    this.#parts.push(Buffer.from(part))
    return this
  }

  pcapHeader(magic: number, linkType: number, snaplen: number, major = 2, minor = 4): this {
    return this.u32(magic).u16(major).u16(minor).u32(0).u32(0).u32(snaplen).u32(linkType)
  }

  pcapRecord(
    seconds: number,
    fraction: number,
    frame: Buffer,
    original: number,
    modified = false,
  ): this {
    this.u32(seconds).u32(fraction).u32(frame.length).u32(original)
    if (modified) this.u32(3).u16(0x0800).bytes(Buffer.of(4, 0))
    return this.bytes(frame)
  }

  block(type: number, body: SampleCapture): this {
    const inner = body.finish()
    const padding = Buffer.alloc(-inner.length & 3)
    const length = 12 + inner.length + padding.length
    return this.u32(type).u32(length).bytes(inner).bytes(padding).u32(length)
  }

  section(sectionLength = -1n, major = 1, minor = 0): this {
    const body = this.body().u32(0x1a2b3c4d).u16(major).u16(minor).u64(sectionLength)
    return this.block(0x0a0d0d0a, body)
  }

  /** `options`: code and value; the end of options is added. */
  interface(linkType: number, snaplen: number, options: [number, Buffer][] = []): this {
    const body = this.body().u16(linkType).u16(0).u32(snaplen)
    for (const [code, value] of options) {
      body
        .u16(code)
        .u16(value.length)
        .bytes(value)
        .bytes(Buffer.alloc(-value.length & 3))
    }
    return this.block(1, options.length === 0 ? body : body.u32(0))
  }

  enhanced(interfaceId: number, units: bigint, frame: Buffer, original: number): this {
    const body = this.body().u32(interfaceId)
    body.u32(Number(units >> 32n)).u32(Number(units & 0xffff_ffffn))
    return this.block(6, body.u32(frame.length).u32(original).bytes(frame))
  }

  obsolete(interfaceId: number, units: bigint, frame: Buffer, original: number): this {
    const body = this.body().u16(interfaceId).u16(7)
    body.u32(Number(units >> 32n)).u32(Number(units & 0xffff_ffffn))
    return this.block(2, body.u32(frame.length).u32(original).bytes(frame))
  }

  simple(frame: Buffer, original: number): this {
    return this.block(3, this.body().u32(original).bytes(frame))
  }

  body(): SampleCapture {
    return new SampleCapture(this.little)
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** A packet that outlives the call it was handed over in. */
export interface KeptPacket {
  linkType: number
  time: string
  original: number
  frame: string
}

export function keep(packet: Packet): KeptPacket {
  return {
    linkType: packet.linkType,
    time: timeText(packet),
    original: packet.originalLength,
    frame: Buffer.from(packet.bytes.subarray(packet.start, packet.end)).toString('hex'),
  }
}

/** Seconds with nine digits. */
export function timeText(time: { seconds: number; nanoseconds: number }): string {
  return `${time.seconds}.${String(time.nanoseconds).padStart(9, '0')}`
}

/** All that is in `bytes`, pushed in one piece. */
export function readAll(bytes: Buffer): { parser: CaptureParser; packets: KeptPacket[] } {
  const packets: KeptPacket[] = []
  const parser = new CaptureParser((packet) => packets.push(keep(packet)))
  parser.push(bytes)
  parser.end()
  return { parser, packets }
}

/** One small capture of each kind there is, and what is in it. */
export function samples(): { name: string; bytes: Buffer; packets: KeptPacket[] }[] {
  return [true, false].flatMap((little) => {
    const order = little ? 'little-endian' : 'big-endian'
    return [
      { name: `pcap, microseconds, ${order}`, ...pcapSample(little, 0xa1b2c3d4, 1000) },
      { name: `pcap, nanoseconds, ${order}`, ...pcapSample(little, 0xa1b23c4d, 1) },
      { name: `modified pcap, ${order}`, ...pcapSample(little, 0xa1b2cd34, 1000) },
      { name: `pcapng, ${order}`, ...pcapngSample(little) },
    ]
  })
}

const FRAMES = [0, 1, 2, 3, 4, 14, 61].map((length) =>
  Buffer.from(Array.from({ length }, (_, i) => (37 * i + length) & 0xff)),
)

function pcapSample(
  little: boolean,
  magic: number,
  nanosecondsPerUnit: number,
): { bytes: Buffer; packets: KeptPacket[] } {
  const capture = new SampleCapture(little).pcapHeader(magic, 113, 65535)
  const packets = FRAMES.map((frame, i) => {
    const seconds = 4_000_000_000 + i
    const fraction = 1e9 / nanosecondsPerUnit - 1 - i
    const original = frame.length + 1000 * i
    capture.pcapRecord(seconds, fraction, frame, original, magic === 0xa1b2cd34)
    const time = timeText({ seconds, nanoseconds: fraction * nanosecondsPerUnit })
    return { linkType: 113, time, original, frame: frame.toString('hex') }
  })
  return { bytes: capture.finish(), packets }
}

function pcapngSample(little: boolean): { bytes: Buffer; packets: KeptPacket[] } {
  const capture = new SampleCapture(little)
  const packets: KeptPacket[] = []
  const units = 1_700_000_000_987_654_321n
  capture.section().block(0x80000001, capture.body().u32(1))
  capture.interface(1, 0, [
    [2, Buffer.from('eth0')],
    [9, Buffer.of(9)],
  ])
  capture.interface(276, 40)
  for (const frame of FRAMES) {
    const kept = { original: frame.length + 5, frame: frame.toString('hex') }
    capture.enhanced(0, units, frame, frame.length + 5)
    packets.push({ linkType: 1, time: '1700000000.987654321', ...kept })
    capture.obsolete(1, units / 1000n, frame, frame.length + 5)
    packets.push({ linkType: 276, time: '1700000000.987654000', ...kept })
  }
  capture.block(5, capture.body().u32(0).u64(0n))
  // The next section is in the other order, and its interface 0 is another one.
  const next = new SampleCapture(!little).section(44n).interface(101, 5)
  for (const frame of FRAMES) {
    next.simple(frame.subarray(0, 5), frame.length)
    const cut = frame.subarray(0, 5).toString('hex')
    packets.push({ linkType: 101, time: '0.000000000', original: frame.length, frame: cut })
  }
  return { bytes: Buffer.concat([capture.finish(), next.finish()]), packets }
}
