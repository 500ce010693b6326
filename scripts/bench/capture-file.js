/** A pcap file written fast: classic, microseconds, little-endian, Ethernet; header and records in blocks. */
import { closeSync, openSync, renameSync, writeSync } from 'node:fs'

const BLOCK_LEN = 4 << 20
const RECORD_HEADER_LEN = 16
const LONGEST_FRAME = 262_144
const MAGIC_MICROSECONDS = 0xa1b2c3d4
const LINKTYPE_ETHERNET = 1

export class CaptureFile {
  #path
  #fd
  #at = 0
  /** Where `frame` says the next frame may be written. Holds what was there before. */
  block

  /** `fill`: what the bytes of frames are until somebody writes them. */
  constructor(path, fill = Buffer.alloc(1)) {
    this.#path = path
    this.#fd = openSync(`${path}.part`, 'w')
    this.block = Buffer.alloc(BLOCK_LEN, fill)
    const header = Buffer.alloc(24)
    header.writeUInt32LE(MAGIC_MICROSECONDS, 0)
    header.writeUInt16LE(2, 4)
    header.writeUInt16LE(4, 6)
    header.writeUInt32LE(LONGEST_FRAME, 16)
    header.writeUInt32LE(LINKTYPE_ETHERNET, 20)
    writeSync(this.#fd, header)
  }

  /** Writes the record header of a frame; its `captured` bytes are to be put at the offset returned. */
  frame(seconds, microseconds, captured, original) {
    if (this.#at + RECORD_HEADER_LEN + captured > BLOCK_LEN) this.#flush()
    const { block } = this
    const at = this.#at
    block.writeUInt32LE(seconds, at)
    block.writeUInt32LE(microseconds, at + 4)
    block.writeUInt32LE(captured, at + 8)
    block.writeUInt32LE(original, at + 12)
    this.#at += RECORD_HEADER_LEN + captured
    return at + RECORD_HEADER_LEN
  }

  /** The file stands under its name from here on. */
  close() {
    this.#flush()
    closeSync(this.#fd)
    renameSync(`${this.#path}.part`, this.#path)
  }

  #flush() {
    for (let from = 0; from < this.#at; ) {
      from += writeSync(this.#fd, this.block, from, this.#at - from)
    }
    this.#at = 0
  }
}
