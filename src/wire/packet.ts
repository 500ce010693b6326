/**
 * Packets on loan.
 *
 * A receiver or a file reader owns one instance and overwrites it for the next
 * packet; the memory behind `bytes` is overwritten too. Copy whatever must
 * outlive the call it was handed to.
 */

import type { Geneve } from './geneve.js'

const NOTHING = Buffer.alloc(0)

/** A frame lying at `bytes[start, end)`, as a capture file or a mirror hands it over. */
export class Packet {
  /** Always a Buffer underneath: one hidden class keeps the readers' inline caches monomorphic. */
  bytes: Uint8Array = NOTHING
  start = 0
  end = 0
  /** Whole seconds since the epoch, UTC. */
  seconds = 0
  /** 0 … 999 999 999. Never folded into one number: 2^53 ns is only 104 days. */
  nanoseconds = 0
  /** False where the file gives no time (pcapng simple packet blocks); both of the above are then 0. */
  timed = true
  /** Bytes the frame had on the wire; `end - start` of them were captured. */
  originalLength = 0
  /** LINKTYPE_… of the first byte; see link-type.ts. */
  linkType = 1
  /** Where it is from, as numbered by whoever reads several sources as one. */
  origin = 0
  /** The header that it came in, lent too, where it was mirrored in GENEVE. */
  geneve: Geneve | undefined = undefined

  /** The same in memory of its own: a packet to keep. */
  copy(): Packet {
    const copy = Object.assign(new Packet(), this)
    copy.bytes = Buffer.from(this.bytes.subarray(this.start, this.end))
    copy.geneve = undefined
    copy.start = 0
    copy.end = this.end - this.start
    return copy
  }
}

/** The payload of one UDP datagram, as a receiver hands it over. */
export class Datagram {
  bytes: Uint8Array = NOTHING
  start = 0
  end = 0
  /** Time of arrival: the kernel's where the receiver can know it, else the time of the read. */
  seconds = 0
  nanoseconds = 0
  /** Source address as four 32-bit words; IPv4 as ::ffff:a.b.c.d, so `0, 0, 0xffff, a.b.c.d`. */
  source0 = 0
  source1 = 0
  source2 = 0
  source3 = 0
  sourcePort = 0
  /** The datagram did not fit the receiver's slot: its tail is gone. */
  cut = false
}
