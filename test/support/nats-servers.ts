import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connectJetStream } from '../../src/deliver/nats-connection.js'
import { temporaryDirectory } from './temporary.js'

const HOST = '127.0.0.1'
const ATTEMPTS = 5

interface Server {
  readonly args: readonly string[]
  child: ChildProcess | undefined
}

/** Real servers with JetStream on ports of loopback: one, or a cluster. */
export class NatsServers {
  readonly ports: readonly number[]
  readonly #servers: Server[]

  private constructor(ports: readonly number[], servers: Server[]) {
    this.ports = ports
    this.#servers = servers
  }

  /** Routes cannot have port 0: free ones are looked for, again where somebody else was faster. */
  static async start(count: number, ...more: string[]): Promise<NatsServers> {
    for (let attempt = 1; ; attempt++) {
      const servers = await NatsServers.#made(count, more)
      for (let index = 0; index < count; index++) servers.restart(index)
      if (await servers.#ready()) return servers
      servers.stop()
      if (attempt === ATTEMPTS) throw new Error('no cluster could be started')
    }
  }

  static async #made(count: number, more: readonly string[]): Promise<NatsServers> {
    const ports = await freePorts(count * 2)
    const routes = ports.slice(count).map((port) => `nats://${HOST}:${port}`)
    const directory = temporaryDirectory()
    const servers = routes.map((route, index): Server => {
      const args = ['-a', HOST, '-p', `${ports[index]}`, '-js', '-sd', join(directory, `${index}`)]
      args.push('--server_name', `s${index}`)
      if (count > 1) args.push('--cluster_name', 'c', '--cluster', route)
      if (count > 1) args.push('--routes', routes.join(','))
      return { args: [...args, ...more], child: undefined }
    })
    return new NatsServers(ports.slice(0, count), servers)
  }

  get place() {
    const servers = this.ports.map((port) => ({ host: HOST, port }))
    return { kind: 'nats' as const, servers, stream: 'flows' }
  }

  get url(): string {
    return `nats://${this.ports.map((port) => `${HOST}:${port}`).join(',')}/flows`
  }

  restart(index: number): void {
    const server = this.#servers[index]!
    server.child = spawn('nats-server', server.args, { stdio: 'ignore' })
  }

  async kill(index: number): Promise<void> {
    const { child } = this.#servers[index]!
    const ended = once(child!, 'exit')
    child!.kill('SIGKILL')
    await ended
  }

  /** It is there and answers nobody, until it is let go. */
  cutOff(index: number): void {
    this.#servers[index]!.child!.kill('SIGSTOP')
  }

  letGo(index: number): void {
    this.#servers[index]!.child!.kill('SIGCONT')
  }

  stop(): void {
    for (const { child } of this.#servers) child?.kill('SIGKILL')
  }

  /** False: one of them has ended. */
  async #ready(): Promise<boolean> {
    for (;;) {
      if (this.#servers.some(({ child }) => child!.exitCode !== null)) return false
      try {
        const { connection, manager } = await connectJetStream(this.place, { task: 'testing' })
        try {
          // A cluster that has no leader yet does not answer.
          await manager.streams.names().next()
          const { servers } = this.place
          if ((connection.info?.connect_urls?.length ?? 1) >= servers.length) return true
        } finally {
          await connection.close()
        }
      } catch {
        // Not yet.
      }
      await delay(50)
    }
  }
}

/** Free at the same time, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, HOST)
    await once(server, 'listening')
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) {
    server.close()
    await once(server, 'close')
  }
  return ports
}
