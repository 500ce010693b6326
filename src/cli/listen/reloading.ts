import { isDeepStrictEqual } from 'node:util'
import type { Pool } from '../../appliance/pool.js'
import { OperatorError } from '../../errors.js'
import type { CaptureChange } from '../../pcap/rotation.js'
import type { Chosen } from './options.js'
import type { Service } from './service.js'

/** What captures look at each time: it can change while they are written. */
const OF_CAPTURES = {
  rotateSize: 'rotateBytes',
  rotateInterval: 'rotateSeconds',
  keepFiles: 'keepFiles',
  keepBytes: 'keepBytes',
} as const satisfies Record<string, keyof CaptureChange>

/**
 * SIGHUP: the configuration is read again. What can change at run time does, and no packet is lost by
 * it; of what cannot, the names are said. A file that is wrong changes nothing.
 */
export class Reloading {
  readonly #readAgain: () => Promise<Chosen>
  readonly #say: (line: string) => void
  #now: Chosen
  #pool: Pool | undefined = undefined
  #service: Service | undefined = undefined
  #reloading: Promise<void> = Promise.resolve()

  constructor(now: Chosen, readAgain: () => Promise<Chosen>, say: (line: string) => void) {
    this.#now = now
    this.#readAgain = readAgain
    this.#say = say
  }

  /** From here on there is something to change. */
  begin(pool: Pool, service: Service): void {
    this.#pool = pool
    this.#service = service
  }

  /** Never rejects for what an operator can mend; one after the other. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  async #reload(): Promise<void> {
    if (this.#now.options.config === undefined) {
      this.#say('SIGHUP: there is no --config to read again')
      return
    }
    const pool = this.#pool
    if (pool === undefined) {
      this.#say('SIGHUP: not ready yet; the configuration has just been read')
      return
    }
    this.#service?.reloading()
    try {
      this.#follow(await this.#readAgain(), pool)
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      this.#say(`SIGHUP: the configuration stays as it was: ${error.message}`)
    } finally {
      this.#service?.reloaded()
    }
  }

  #follow(next: Chosen, pool: Pool): void {
    const before = this.#now.options
    const names = new Set([...Object.keys(before), ...Object.keys(next.options)])
    const changed = [...names].filter(
      (name) => !isDeepStrictEqual(before[name], next.options[name]),
    )
    const followed: string[] = []
    const left: string[] = []
    const captures: CaptureChange = {}
    for (const name of changed) {
      // Without captures there is nothing that could follow.
      if (name in OF_CAPTURES && before.captureDir !== undefined) {
        const value = next.options[name] as number | undefined
        captures[OF_CAPTURES[name as keyof typeof OF_CAPTURES]] = value ?? Number.POSITIVE_INFINITY
        followed.push(optionOf(name))
      } else left.push(optionOf(name))
    }
    if (!isDeepStrictEqual(this.#now.declared, next.declared)) left.push('mirror resources')
    if (followed.length > 0) pool.changeCaptures(captures)
    const kept = Object.fromEntries(
      Object.entries(next.options).filter(([name]) => name in OF_CAPTURES),
    )
    this.#now = { ...this.#now, options: { ...before, ...kept } }
    this.#say(`SIGHUP: ${outcome(followed, left)}`)
  }
}

function outcome(followed: readonly string[], left: readonly string[]): string {
  if (followed.length + left.length === 0) return 'the configuration is the same'
  const parts = []
  if (followed.length > 0) parts.push(`changed ${followed.join(', ')}`)
  if (left.length > 0) parts.push(`restart to change ${left.join(', ')}`)
  return parts.join('; ')
}

/** `rotateSize` as people write it. */
function optionOf(attribute: string): string {
  return `--${attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}
