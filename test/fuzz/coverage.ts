import { Session } from 'node:inspector/promises'

/**
 * Which blocks of `src/` are run, by V8's own counters. Asking costs some 20 ms whatever was run, so
 * it is asked of many inputs at a time. To be started before the modules are loaded: V8 counts blocks
 * of functions that it compiles from then on.
 */
export class Coverage {
  readonly #session = new Session()
  readonly #known = new Set<string>()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  async stop(): Promise<void> {
    await this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  /** Blocks known to be run. */
  get size(): number {
    return this.#known.size
  }

  /** Blocks that have been run since the last call and never before. Not known until `learn` is called. */
  async take(): Promise<string[]> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    const found: string[] = []
    for (const { url, functions } of result) {
      if (!url.includes('/src/')) continue
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue
          // A block that is run twice, or very often, is another thing than one that is run.
          const times = count < 2 ? 1 : count < 8 ? 2 : count < 128 ? 8 : 128
          const block = `${url}:${startOffset}-${endOffset}:${times}`
          if (!this.#known.has(block)) found.push(block)
        }
      }
    }
    return found
  }

  learn(blocks: readonly string[]): void {
    for (const block of blocks) this.#known.add(block)
  }
}
