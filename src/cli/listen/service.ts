import { failuresOf } from '../../api/http/health.js'
import { unreadiness } from '../../api/http/probes.js'
import { OperatorError } from '../../errors.js'
import { ServiceManager } from '../../sys/service-manager.js'
import { readinessFacts, type Watched } from './watched.js'

/** The watchdog hears of this process several times within the time it waits. */
const TIMES = 4
const STATUS_EVERY_MS = 10_000

/** What systemd is told of an appliance; nothing where it did not start it. */
export class Service {
  readonly #manager: ServiceManager | undefined
  #timer: NodeJS.Timeout | undefined = undefined

  private constructor(manager: ServiceManager | undefined) {
    this.#manager = manager
  }

  static open(say: (line: string) => void): Service {
    try {
      return new Service(ServiceManager.open())
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error
      say(error.message)
      return new Service(undefined)
    }
  }

  /**
   * From here on the watchdog hears of every moment in which no receiving thread hangs. A disk
   * that hangs is none of its business: to be started again would not help.
   */
  ready(watched: Watched): void {
    const manager = this.#manager
    if (manager === undefined) return
    manager.tell('READY=1', statusOf(watched))
    const every = Math.min(
      (manager.watchdogMs ?? Number.POSITIVE_INFINITY) / TIMES,
      STATUS_EVERY_MS,
    )
    this.#timer = setInterval(() => {
      const { workers } = watched.progress()
      const isAlive = failuresOf({ workers, waitingMs: {} }).length === 0
      manager.tell(...(isAlive ? ['WATCHDOG=1'] : []), statusOf(watched))
    }, every)
    this.#timer.unref()
  }

  reloading(): void {
    const [seconds, nanoseconds] = process.hrtime()
    const microseconds = seconds * 1e6 + Math.floor(nanoseconds / 1000)
    this.#manager?.tell('RELOADING=1', `MONOTONIC_USEC=${microseconds}`)
  }

  reloaded(): void {
    this.#manager?.tell('READY=1')
  }

  stopping(): void {
    clearInterval(this.#timer)
    this.#manager?.tell('STOPPING=1', 'STATUS=finishing files')
  }
}

function statusOf(watched: Watched): string {
  const [reason = 'ready'] = unreadiness(readinessFacts(watched), Date.now())
  return `STATUS=${reason.replaceAll('\n', ' ')}`
}
