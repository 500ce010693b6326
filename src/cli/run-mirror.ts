import { packetLengthOf } from '../mirror/evaluator.js'
import { MirrorCounters } from '../mirror/mirror-counters.js'
import { CaptureSource } from '../send/capture-source.js'
import { type MirroredInterface, MirrorSource } from '../send/mirror-source.js'
import { openOuterSockets } from '../send/open.js'
import type { Outlet } from '../send/outlet.js'
import { Pace, type Speed, systemClock } from '../send/pace.js'
import type { PacketSource } from '../send/packet-source.js'
import { Route } from '../send/route.js'
import { VxlanSender } from '../send/vxlan-sender.js'
import type { Endpoint, MirrorOptions } from './mirror.js'
import { type MirrorPlan, planOf } from './mirror-plan.js'
import { printMirrorSummary } from './mirror-summary.js'
import { failWith } from './offline-options.js'

/** Mirrors the packets of the source that the options name. Throws OperatorError. */
export async function runMirror(options: MirrorOptions): Promise<void> {
  const plan = await planOf(options)
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  // Once: the second Ctrl-C ends the process in the usual way.
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const outlets = new Outlets()
  try {
    await mirror(options, plan, outlets, stop.signal)
  } finally {
    outlets.close()
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal)
  }
}

async function mirror(
  options: MirrorOptions,
  plan: MirrorPlan,
  outlets: Outlets,
  signal: AbortSignal,
): Promise<void> {
  const { read, rate, loop, speed: timed } = options
  const speed: Speed = rate === undefined ? timed : { kind: 'rate', packetsPerSecond: rate }
  const sender = new VxlanSender(new Pace(speed, systemClock(signal)), signal)
  const counters = new MirrorCounters()
  const interfaces: MirroredInterface[] = []
  for (const { matcher, evaluator } of plan) {
    const routes: Route[] = []
    for (const parts of evaluator.sessions) {
      const { session, endpoint } = parts
      const outlet = await outlets.open(endpoint)
      const packetLength = packetLengthOf(parts)
      routes.push(new Route({ vni: session.virtualNetworkId, packetLength, outlet, counters }))
    }
    interfaces.push({ matcher, evaluator, routes })
  }

  const mirrorSource = new MirrorSource(interfaces, sender)
  const source: PacketSource = new CaptureSource({ files: read, loop, signal })
  const startedAt = performance.now()
  let problems: readonly string[] = []
  let failure: unknown
  try {
    problems = await source.run(mirrorSource)
  } catch (error) {
    failure = error
  }
  const seconds = (performance.now() - startedAt) / 1000
  const run = {
    plan,
    interfaces,
    source: mirrorSource,
    sender,
    outlets: outlets.all,
    counters,
    seconds,
  }
  // Nothing is printed for a command that never got to send.
  if (failure === undefined || mirrorSource.packets > 0) printMirrorSummary(run, options)
  if (failure !== undefined) throw failure
  failWith(problems)
}

/** One outlet for each target, however many sessions have it. */
class Outlets {
  readonly #byEndpoint = new Map<string, Outlet>()

  get all(): readonly Outlet[] {
    return [...this.#byEndpoint.values()]
  }

  async open({ host, port }: Endpoint): Promise<Outlet> {
    const key = `${port} ${host}`
    const outlet = this.#byEndpoint.get(key) ?? (await openOuterSockets(host, port))
    this.#byEndpoint.set(key, outlet)
    return outlet
  }

  close(): void {
    for (const outlet of this.all) outlet.close()
  }
}
