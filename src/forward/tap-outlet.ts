import { closeSync, writeSync } from 'node:fs'
import type { MirroredPacket } from '../appliance/packet-ring.js'
import { openTapDevice } from '../sys/tap-device.js'
import { LINKTYPE_ETHERNET } from '../wire/link-type.js'

/** Packets on a tap device, where other tools listen as on any interface. */
export class TapOutlet {
  readonly name: string
  /** Packets that it was given. */
  packets = 0
  /** Packets that the kernel did not take, or that are no Ethernet frames. */
  lost = 0
  readonly #fd: number

  /** Throws OperatorError. */
  constructor(name: string) {
    this.name = name
    this.#fd = openTapDevice(name)
  }

  take(packet: MirroredPacket): void {
    if (packet.linkType === LINKTYPE_ETHERNET && this.#write(packet)) this.packets++
    else this.lost++
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** False where the kernel has no room, or the device is down, or the frame is shorter than its header. */
  #write({ bytes, start, end }: MirroredPacket): boolean {
    try {
      writeSync(this.#fd, bytes, start, end - start)
      return true
    } catch {
      return false
    }
  }
}
