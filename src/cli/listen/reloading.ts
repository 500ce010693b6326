import { isDeepStrictEqual } from 'node:util'
import { OperatorError } from '../../errors.js'
import { errnoOf } from '../../sink/write-error.js'
import { say, warn } from '../process/console.js'
import type { Chosen } from './options.js'
import { mayChange, type Running, retune } from './retune.js'
import type { Service } from './service.js'

/**
 * SIGHUP: the configuration is read again. What can change at run time does, and no packet is lost by
 * it; of what cannot, the names are said. A file that is wrong changes nothing.
 */
export class Reloading {
  readonly #readAgain: () => Promise<Chosen>
  readonly #start: Chosen
  #now: Chosen
  #running: Running | undefined = undefined
  #service: Service | undefined = undefined
  #reloading: Promise<void> = Promise.resolve()

  constructor(start: Chosen, readAgain: () => Promise<Chosen>) {
    this.#start = start
    this.#now = start
    this.#readAgain = readAgain
  }

  /** As they are in effect. */
  get options(): Chosen['options'] {
    return this.#now.options
  }

  /** From here on there is something to change. */
  begin(running: Running, service: Service): void {
    this.#running = running
    this.#service = service
  }

  /** From here on there is not; resolves when nothing is being changed. */
  async end(): Promise<void> {
    this.#running = undefined
    await this.#reloading
  }

  /** Never rejects for what an operator can mend; one after the other. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  async #reload(): Promise<void> {
    if (this.#now.options.config === undefined) {
      warn('SIGHUP: there is no --config to read again')
      return
    }
    const running = this.#running
    if (running === undefined) {
      say('SIGHUP: not ready, or stopping: the configuration is not read again')
      return
    }
    this.#service?.reloading()
    try {
      await this.#follow(await this.#readAgain(), running)
    } catch (error) {
      if (error instanceof OperatorError) {
        warn(`SIGHUP: the configuration stays as it was: ${error.message}`)
      } else if (errnoOf(error) !== undefined) {
        warn(`SIGHUP: not all of it could be changed: ${(error as Error).message}`)
      } else throw error
    } finally {
      this.#service?.reloaded()
    }
  }

  async #follow(next: Chosen, running: Running): Promise<void> {
    const before = this.#now.options
    const names = new Set([...Object.keys(before), ...Object.keys(next.options)])
    const options = { ...before }
    const followed: string[] = []
    const left: string[] = []
    for (const name of names) {
      if (isDeepStrictEqual(before[name], next.options[name])) continue
      // Back to what there was at the start.
      const isBack = isDeepStrictEqual(this.#start.options[name], next.options[name])
      const follows = isBack || mayChange(name, this.#start.options, next.options)
      if (follows) options[name] = next.options[name]
      ;(follows ? followed : left).push(optionOf(name))
    }
    if (!isDeepStrictEqual(this.#now.declared, next.declared)) left.push('mirror resources')
    if (followed.length > 0) await retune(running, before, options)
    this.#now = { ...this.#now, options }
    say(`SIGHUP: ${outcome(followed, left)}`)
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
