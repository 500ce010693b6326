import { PacketRingReader } from '../appliance/packet-ring.js'
import { Frame } from '../wire/frame.js'
import { parsePacket } from '../wire/parse-frame.js'
import type { ForwardOptions } from './messages.js'
import { PcapServer, type ReadersOwner } from './pcap-server.js'
import { TapOutlet } from './tap-outlet.js'

/** Packets of one ring before those of the next, and before connections have their turn. */
const BUDGET = 512
/** How long to wait where nothing has come. */
const POLL_MS = 5

/**
 * Takes packets out of the rings of the receiving threads and gives each to everybody who wants
 * it. While nobody is there, the receiving threads copy nothing.
 */
export class Forwarding implements ReadersOwner {
  readonly #rings: readonly PacketRingReader[]
  readonly #say: (line: string) => void
  readonly #servers: PcapServer[] = []
  readonly #frame = new Frame()
  #tap: TapOutlet | undefined
  #isActive = false
  #wake: NodeJS.Timeout | NodeJS.Immediate | undefined

  private constructor(rings: readonly SharedArrayBuffer[], say: (line: string) => void) {
    this.#rings = rings.map((memory) => new PacketRingReader(memory))
    this.#say = say
  }

  /** Throws OperatorError. */
  static async open(
    { rings, servers, tap }: ForwardOptions,
    say: (line: string) => void,
  ): Promise<Forwarding> {
    const forwarding = new Forwarding(rings, say)
    if (tap !== undefined) forwarding.#tap = new TapOutlet(tap)
    for (const options of servers) {
      forwarding.#servers.push(await PcapServer.open(options, forwarding))
    }
    forwarding.changed()
    return forwarding
  }

  get ports(): number[] {
    return this.#servers.map(({ port }) => port)
  }

  get readers(): number {
    return this.#servers.reduce((sum, { readers }) => sum + readers.length, 0)
  }

  say(line: string): void {
    this.#say(line)
  }

  changed(): void {
    const isWanted = this.#tap !== undefined || this.readers > 0
    if (isWanted === this.#isActive) return
    this.#isActive = isWanted
    if (isWanted) {
      for (const ring of this.#rings) ring.begin()
      this.#run()
    } else this.#pause()
  }

  /** Gives on what is in the rings, and lets readers have the rest. */
  async close(): Promise<void> {
    while (this.#drain());
    if (this.#isActive) this.#pause()
    await Promise.all(this.#servers.map((server) => server.close()))
    const tap = this.#tap
    if (tap === undefined) return
    tap.close()
    this.#say(`${tap.name} was given ${tap.packets} packets, and ${tap.lost} it could not take`)
  }

  #run(): void {
    const hasMore = this.#drain()
    this.#wake = hasMore ? setImmediate(() => this.#run()) : setTimeout(() => this.#run(), POLL_MS)
  }

  #pause(): void {
    clearImmediate(this.#wake as NodeJS.Immediate)
    clearTimeout(this.#wake as NodeJS.Timeout)
    let lost = 0
    for (const ring of this.#rings) {
      ring.end()
      lost += ring.lost
    }
    if (lost > 0) this.#say(`packets lost to all readers, for there were too many: ${lost}`)
  }

  /** One round over the rings; whether there may be more. */
  #drain(): boolean {
    const frame = this.#frame
    const servers = this.#servers
    const tap = this.#tap
    const looks = servers.some(({ hasFilter }) => hasFilter)
    let hasMore = false
    let some = false
    for (const ring of this.#rings) {
      let left = BUDGET
      for (; left > 0; left--) {
        const packet = ring.shift()
        if (packet === undefined) break
        if (looks) parsePacket(packet, frame)
        for (let index = 0; index < servers.length; index++) servers[index]!.take(packet, frame)
        tap?.take(packet)
      }
      if (left === 0) hasMore = true
      if (left < BUDGET) some = true
    }
    if (some && !hasMore) {
      for (const { readers } of servers) for (const reader of readers) reader.flush()
    }
    return hasMore
  }
}
