import { openReceiver, type ReceiverChoice } from './open.js'
import type { Receiver, ReceiverOptions } from './receiver.js'

/** The sockets of one receiving thread, in the order in which they were opened. */
export class Receivers {
  readonly opened: Receiver[] = []

  /** As openReceiver. */
  async open(choice: ReceiverChoice, options: ReceiverOptions): Promise<Receiver> {
    const receiver = await openReceiver(choice, options)
    this.opened.push(receiver)
    return receiver
  }

  /** Datagrams that the kernel has lost so far; null where that cannot be known. `note` is told of each socket. */
  kernelLost(note?: (index: number, drops: number | undefined) => void): number | null {
    let lost = 0
    let isKnown = true
    for (const [index, receiver] of this.opened.entries()) {
      const drops = receiver.kernelDrops()
      note?.(index, drops)
      if (drops === undefined) isKnown = false
      else lost += drops
    }
    return isKnown ? lost : null
  }

  /** Resolves when nothing will be handed over any more. */
  async close(): Promise<void> {
    await Promise.all(this.opened.map((receiver) => receiver.close()))
  }
}
