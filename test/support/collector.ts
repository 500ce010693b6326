import type { Datagram } from '../../src/wire/packet.js'

export interface Collected extends Omit<Datagram, 'start' | 'end'> {
  bytes: Buffer
}

/** An `onDatagram` that keeps copies and lets a test wait for a number of them. */
export class Collector {
  readonly all: Collected[] = []
  #waiting: { count: number; resolve: () => void } | undefined

  readonly onDatagram = (datagram: Datagram): void => {
    const { bytes, start, end, ...rest } = datagram
    this.all.push({ ...rest, bytes: Buffer.from(bytes.subarray(start, end)) })
    if (this.#waiting !== undefined && this.all.length >= this.#waiting.count) {
      this.#waiting.resolve()
      this.#waiting = undefined
    }
  }

  /** Resolves once `count` datagrams have come in all. */
  until(count: number): Promise<void> {
    if (this.all.length >= count) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting = { count, resolve }
    })
  }
}
