import { packetLengthOf } from '../mirror/evaluator.js'
import { MirrorCounters } from '../mirror/mirror-counters.js'
import type { LinkState } from '../receive/packet-socket-watch.js'
import { CaptureSource } from '../send/capture-source.js'
import { InterfaceSource } from '../send/interface-source.js'
import { type MirroredInterface, MirrorSource } from '../send/mirror-source.js'
import { Pace, type Speed, systemClock } from '../send/pace.js'
import type { PacketSource } from '../send/packet-source.js'
import { Route } from '../send/route.js'
import { VxlanSender } from '../send/vxlan-sender.js'
import type { MirrorOptions } from './mirror.js'
import { planOfInterface } from './mirror-interface.js'
import { MirrorOutlets } from './mirror-outlets.js'
import { type MirrorPlan, planOf } from './mirror-plan.js'
import { printMirrorSummary } from './mirror-summary.js'
import { failWith } from './offline-input.js'

/** Mirrors the packets of the source that the options name. Throws OperatorError. */
export async function runMirror(options: MirrorOptions): Promise<void> {
  const planned = await planOf(options)
  const { interface: name } = options
  const plan = name === undefined ? planned : planOfInterface(planned, name)
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  // Once: the second Ctrl-C ends the process in the usual way.
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  const outlets = new MirrorOutlets()
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
  outlets: MirrorOutlets,
  signal: AbortSignal,
): Promise<void> {
  const speed = speedOf(options)
  const sender = new VxlanSender(new Pace(speed, systemClock(signal)), signal)
  const counters = new MirrorCounters()
  const interfaces: MirroredInterface[] = []
  for (const planned of plan) {
    const { matcher, evaluator } = planned
    const routes: Route[] = []
    for (const parts of evaluator.sessions) {
      const { session, endpoint, isGateway } = parts
      const outlet = await outlets.open(endpoint, isGateway, planned)
      const packetLength = packetLengthOf(parts)
      routes.push(new Route({ vni: session.virtualNetworkId, packetLength, outlet, counters }))
    }
    interfaces.push({ matcher, evaluator, routes })
  }

  const mirrorSource = new MirrorSource(interfaces, sender)
  const live = liveSource(options, outlets, signal)
  const source: PacketSource = live ?? new CaptureSource({ ...filesOf(options), signal })
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
    live,
    seconds,
  }
  // Nothing is printed for a command that never got to send.
  if (failure === undefined || mirrorSource.packets > 0) printMirrorSummary(run, options)
  if (failure !== undefined) throw failure
  failWith(problems)
}

function speedOf({ interface: live, rate, speed }: MirrorOptions): Speed {
  if (live !== undefined) return { kind: 'max' }
  return rate === undefined ? speed : { kind: 'rate', packetsPerSecond: rate }
}

function filesOf({ read = [], loop }: MirrorOptions) {
  return { files: read, loop }
}

/** Where packets are those of an interface, as they pass. */
function liveSource(
  { interface: interfaceName, receiveBuffer }: MirrorOptions,
  { targets }: MirrorOutlets,
  signal: AbortSignal,
): InterfaceSource | undefined {
  if (interfaceName === undefined) return undefined
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  return new InterfaceSource({
    interfaceName,
    receiveBufferBytes: receiveBuffer,
    targets,
    onOpen: () => say(`mirroring ${interfaceName}`),
    onLink: (state) => say(`${interfaceName} ${LINK_STATES[state]}`),
    signal,
  })
}

const LINK_STATES: Readonly<Record<LinkState, string>> = {
  down: 'is down: waiting until it is up',
  gone: 'is gone: waiting for an interface of that name',
  up: 'is up: mirroring',
}
