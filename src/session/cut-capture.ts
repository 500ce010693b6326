import type { Session, SessionCapture } from './session.js'

/** Keeps of each frame what the session's PacketLength leaves, which may change between two of them. */
export class CutCapture implements SessionCapture {
  readonly #capture: SessionCapture
  readonly #session: Pick<Session, 'packetLength'>

  constructor(capture: SessionCapture, session: Pick<Session, 'packetLength'>) {
    this.#capture = capture
    this.#session = session
  }

  write(
    bytes: Uint8Array,
    start: number,
    end: number,
    seconds: number,
    nanoseconds: number,
    originalLength: number,
    options: Buffer | undefined,
    linkType: number,
  ): boolean {
    const { packetLength } = this.#session
    const cut = end - start > packetLength ? start + packetLength : end
    return this.#capture.write(
      bytes,
      start,
      cut,
      seconds,
      nanoseconds,
      originalLength,
      options,
      linkType,
    )
  }

  tick(nowSeconds: number): void {
    this.#capture.tick(nowSeconds)
  }

  close(): Promise<void> {
    return this.#capture.close()
  }
}
