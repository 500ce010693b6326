import { setImmediate as nextTurn } from 'node:timers/promises'
import { readCapture } from '../pcap/reader.js'
import type { PacketSink, PacketSource } from './packet-source.js'

interface CaptureSourceOptions {
  /** Capture files, one after the other; `-` is standard input. */
  files: readonly string[]
  /** Times to read all of them; 0 for ever. */
  loop: number
  /** All is to stop. */
  signal: AbortSignal
}

/** The packets of capture files, once or again and again. */
export class CaptureSource implements PacketSource {
  readonly #options: CaptureSourceOptions

  constructor(options: CaptureSourceOptions) {
    this.#options = options
  }

  async run(sink: PacketSink): Promise<string[]> {
    const { files, loop, signal } = this.#options
    for (let pass = 0; loop === 0 || pass < loop; pass++) {
      const problems: string[] = []
      let packets = 0
      for (const file of files) {
        packets += await this.#read(file, sink, problems)
        if (signal.aborted) return []
        sink.restart()
      }
      // For ever over nothing would never end.
      if (problems.length > 0 || packets === 0) return problems
      await nextTurn()
    }
    return []
  }

  /** Answers with the number of packets. */
  async #read(file: string, sink: PacketSink, problems: string[]): Promise<number> {
    const { signal } = this.#options
    let packets = 0
    const reading = readCapture(
      file,
      (packet) => {
        // Nobody waits for the reading of what is still open then; what it finds would never leave.
        if (signal.aborted) return
        packets++
        sink.take(packet)
      },
      { afterBlock: () => sink.drain() },
    )
    const summary = await untilAborted(reading, file, signal)
    await sink.drain()
    if (summary?.damage !== undefined) {
      const name = file === '-' ? 'standard input' : file
      const { offset, message } = summary.damage
      problems.push(`${name}: damaged at byte ${offset}: ${message}; sent what was before`)
    }
    return packets
  }
}

/** What `reading` gives, or undefined as soon as all is to stop: a silent pipe would hold it up. */
async function untilAborted<T>(
  reading: Promise<T>,
  path: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  let onAbort = (): void => undefined
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
  })
  const result = await Promise.race([reading, aborted]).finally(() => {
    signal.removeEventListener('abort', onAbort)
  })
  if (signal.aborted) {
    // A pipe that is cut off in the middle of a packet is no longer of interest.
    reading.catch(() => undefined)
    if (path === '-') process.stdin.destroy()
  }
  return result
}
