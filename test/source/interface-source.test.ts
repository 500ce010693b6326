import { describe, expect, test } from 'vitest'
import { InterfaceSource } from '../../src/source/interface-source.js'
import type { PacketSink } from '../../src/source/packet-source.js'
import { DIRECTION_UNKNOWN, type PacketDirection } from '../../src/wire/frame.js'
import type { Packet } from '../../src/wire/packet.js'
import { ethernet, udp4 } from '../support/frames.js'
import { whyNoPacketSockets } from '../support/packet-sockets.js'
import { RawSender } from '../support/raw-sender.js'

const needs = whyNoPacketSockets()
const missing = needs === undefined ? '' : ` (needs ${needs})`
const LOOPBACK = { src: '00:00:00:00:00:00', dst: '00:00:00:00:00:00' }
const MARK = Buffer.from(`interface-source ${process.pid}`)

/** A sink that is slow, and cannot take while it drains. */
class Slow implements PacketSink {
  readonly taken: { frame: Buffer; direction: PacketDirection | undefined }[] = []
  drains = 0
  #isDraining = false

  take({ bytes, start, end }: Packet, direction?: PacketDirection): void {
    expect(this.#isDraining).toBe(false)
    const frame = Buffer.from(bytes.subarray(start, end))
    if (frame.includes(MARK)) this.taken.push({ frame, direction })
  }

  async drain(): Promise<boolean> {
    this.drains++
    this.#isDraining = true
    await new Promise((resolve) => setImmediate(resolve))
    this.#isDraining = false
    return true
  }

  restart(): void {}
}

describe.skipIf(needs !== undefined)(`InterfaceSource${missing}`, () => {
  const to = (dst: string, dport: number): Buffer =>
    ethernet(udp4({ src: '127.0.0.1', dst, sport: 9, dport, payload: MARK }), LOOPBACK)

  function sourceOf(stop: AbortController, onOpen: () => void): InterfaceSource {
    return new InterfaceSource({
      interfaceName: 'lo',
      receiveBufferBytes: 8 << 20,
      targets: [{ host: '127.0.0.9', port: 4789 }],
      onOpen,
      onLink: () => undefined,
      signal: stop.signal,
    })
  }

  test('hands over what passes, but for what goes to the targets, until it is to stop', async () => {
    const stop = new AbortController()
    const sink = new Slow()
    const sender = new RawSender('lo')
    const source = sourceOf(stop, () => {
      for (let count = 0; count < 100; count++) {
        sender.send(to('127.0.0.1', 9))
        sender.send(to('127.0.0.9', 4789))
      }
      stop.abort()
    })
    expect(await source.run(sink)).toEqual([])
    sender.close()
    expect(sink.taken).toEqual(
      new Array(100).fill({ frame: to('127.0.0.1', 9), direction: DIRECTION_UNKNOWN }),
    )
    expect(sink.drains).toBeGreaterThan(0)
    expect([source.kernelDrops, source.overMtu]).toEqual([0, 0])
  })

  test('ends at once when all is to stop already', async () => {
    const stop = new AbortController()
    stop.abort()
    expect(await sourceOf(stop, () => undefined).run(new Slow())).toEqual([])
  })
})
