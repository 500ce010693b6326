import { isIP } from 'node:net'
import { Gateway } from './gateway.js'
import type { FilterTarget } from './interface/packet-socket-filter.js'
import type { Endpoint, PlannedInterface } from './mirror-plan.js'
import { openOuterSockets } from './open.js'
import type { Outlet } from './outlet.js'

/** One outlet for each target, however many sessions have it. */
export class MirrorOutlets {
  readonly #outlets = new Map<string, Outlet>()
  /** Where datagrams go, as addresses and ports. */
  readonly targets: FilterTarget[] = []

  get all(): readonly Outlet[] {
    return [...this.#outlets.values()]
  }

  /** To `endpoint`, from the interface. Rejects with OperatorError. */
  async open(
    { host, port }: Endpoint,
    isGateway: boolean,
    { networkInterface }: Pick<PlannedInterface, 'networkInterface'>,
  ): Promise<Outlet> {
    // What is wrapped says from which interface it comes.
    const source = isGateway ? ` ${networkInterface?.id} of a gateway` : ''
    const key = `${port} ${host}${source}`
    const opened = this.#outlets.get(key)
    if (opened !== undefined) return opened

    const sockets = await openOuterSockets(host, port)
    this.targets.push(sockets.target)
    let outlet: Outlet = sockets
    if (isGateway) {
      const endpoint = sockets.target.host
      const primary = networkInterface?.addresses[0] ?? ''
      const isAlike = isIP(primary) === isIP(endpoint)
      outlet = new Gateway(sockets, { source: isAlike ? primary : sockets.localHost, endpoint })
    }
    this.#outlets.set(key, outlet)
    return outlet
  }

  close(): void {
    for (const outlet of this.all) outlet.close()
  }
}
