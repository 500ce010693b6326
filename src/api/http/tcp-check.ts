import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { errnoOf } from '../../sink/write-error.js'

const LOOK_EVERY_MS = 500
/** Connections at a time; each is closed as soon as it is taken. */
const CONNECTIONS_MAX = 64

interface TcpCheckOptions {
  readonly host: string
  readonly port: number
  readonly isReady: () => boolean
  /** One line for the operator. */
  readonly onProblem: (line: string) => void
}

/**
 * Takes TCP connections on the port of the mirrored packets, and closes them, for as long as the
 * appliance is ready: by default this is how a Network Load Balancer checks health, which it cannot
 * by UDP.
 */
export class TcpCheck {
  readonly #options: TcpCheckOptions
  #server: Server | undefined = undefined
  #timer: NodeJS.Timeout | undefined = undefined
  #isSaid = false

  private constructor(options: TcpCheckOptions) {
    this.#options = options
  }

  /** Resolves when it answers, or has said why it cannot. */
  static async start(options: TcpCheckOptions): Promise<TcpCheck> {
    const check = new TcpCheck(options)
    await check.#follow()
    check.#timer = setInterval(() => void check.#follow(), LOOK_EVERY_MS)
    check.#timer.unref()
    return check
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#server?.close()
    this.#server = undefined
  }

  async #follow(): Promise<void> {
    if (!this.#options.isReady()) {
      this.#server?.close()
      this.#server = undefined
    } else if (this.#server === undefined) await this.#open()
  }

  async #open(): Promise<void> {
    const { host, port, onProblem } = this.#options
    const server = createServer((socket) => {
      // A client that goes is no error of ours.
      socket.on('error', () => undefined)
      socket.destroy()
    })
    server.maxConnections = CONNECTIONS_MAX
    this.#server = server
    try {
      server.listen(port, host)
      await once(server, 'listening')
      server.on('error', () => undefined)
      this.#isSaid = false
    } catch (error) {
      this.#server = undefined
      if (!this.#isSaid) {
        onProblem(
          `TCP port ${port}, where load balancers check health, cannot be had (${errnoOf(error)}); ` +
            'have them check --health ADDR:PORT, or give --no-tcp-check',
        )
      }
      this.#isSaid = true
    }
  }
}
