import { OperatorError } from '../../errors.js'
import { CaptureSource } from '../../source/capture-source.js'
import type { FilterTarget } from '../../source/interface/packet-socket-filter.js'
import type { LinkState } from '../../source/interface/packet-socket-watch.js'
import { InterfaceSource } from '../../source/interface-source.js'
import { planOfInterface } from '../../source/mirror-interface.js'
import { MirrorOutlets } from '../../source/mirror-outlets.js'
import { type MirrorPlan, planOf } from '../../source/mirror-plan.js'
import { MirrorSource } from '../../source/mirror-source.js'
import { MirroredSessions } from '../../source/mirrored-sessions.js'
import { Pace, type Speed, systemClock } from '../../source/pace.js'
import { PacedSink } from '../../source/paced-sink.js'
import type { PacketSink, PacketSource } from '../../source/packet-source.js'
import { VxlanSender } from '../../source/vxlan-sender.js'
import { openCloudWatch, THIS_HOST } from '../cloudwatch-option.js'
import { failWith } from '../offline-input.js'
import { say } from '../process/console.js'
import { type Stop, stoppable } from '../process/stop.js'
import type { ControlledSessions } from './control.js'
import type { MirrorOptions } from './options.js'
import { printMirrorSummary } from './summary.js'

/** Mirrors the packets of the source that the options name. Throws OperatorError. */
export async function runMirror(options: MirrorOptions): Promise<void> {
  const outlets = new MirrorOutlets()
  await stoppable((stop) => mirror(options, outlets, stop)).finally(() => outlets.close())
}

async function mirror(options: MirrorOptions, outlets: MirrorOutlets, stop: Stop): Promise<void> {
  const signal = stop.abortSignal
  const isFollowed = options.control !== undefined
  const speed = speedOf(options)
  const pace = new Pace(speed, systemClock(signal))
  // Where sessions may change, they decide about a packet when it is due.
  const isHeld = isFollowed && speed.kind !== 'max'
  const sender = new VxlanSender(isHeld ? UNPACED : pace, signal)
  const sessions = new MirroredSessions(outlets)
  const mirrorSource = new MirrorSource([], sender)
  const { networkInterfaceId, region = process.env['AWS_REGION'] ?? 'us-east-1' } = options
  const cloudWatch = await openCloudWatch(options.cloudwatchMetrics, {
    region,
    count: async () => [
      {
        dimension:
          networkInterfaceId === undefined
            ? THIS_HOST
            : { name: 'NetworkInterfaceId', value: networkInterfaceId },
        totals: { ...sessions.counters.metrics() },
      },
    ],
    onProblem: say,
  })
  const take = async (plan: MirrorPlan): Promise<void> => {
    await sessions.set(plan)
    mirrorSource.replace(sessions.interfaces)
  }
  const control = isFollowed ? await openControlOf(options, take, signal) : undefined
  if (control === undefined) {
    const planned = await planOf(options)
    const { interface: name } = options
    await take(name === undefined ? planned : planOfInterface(planned, name))
  }
  await control?.start()
  const following = control?.run()

  const live = liveSource(options, control?.targets ?? outlets.targets, signal)
  const source: PacketSource = live ?? new CaptureSource({ ...filesOf(options), signal })
  const sink: PacketSink = isHeld ? new PacedSink(mirrorSource, pace, signal) : mirrorSource
  const startedAt = performance.now()
  let problems: readonly string[] = []
  let failure: unknown
  try {
    if (!signal.aborted) problems = await source.run(sink)
  } catch (error) {
    failure = error
  }
  const seconds = (performance.now() - startedAt) / 1000
  stop.stop()
  await following
  await cloudWatch?.stop()
  const run = {
    sessions,
    source: mirrorSource,
    sender,
    outlets: outlets.all,
    live,
    seconds,
  }
  // Nothing is printed for a command that never got to send.
  if (failure === undefined || mirrorSource.packets > 0) printMirrorSummary(run, options)
  if (failure !== undefined) throw failure
  failWith(problems)
  const isSent = outlets.all.some(({ sent }) => sent > 0)
  // An interface may have been quiet.
  if (!isSent && (live === undefined || mirrorSource.packets > 0)) {
    throw new OperatorError(
      mirrorSource.packets === 0
        ? 'nothing was sent: there was no packet to mirror'
        : 'nothing was sent: the line above says what became of the packets',
    )
  }
}

async function openControlOf(
  options: MirrorOptions,
  take: (plan: MirrorPlan) => Promise<void>,
  signal: AbortSignal,
): Promise<ControlledSessions> {
  const { openControl } = await import('./control.js')
  return openControl(options, take, { say, signal })
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
  targets: readonly FilterTarget[],
  signal: AbortSignal,
): InterfaceSource | undefined {
  if (interfaceName === undefined) return undefined
  return new InterfaceSource({
    interfaceName,
    receiveBufferBytes: receiveBuffer,
    targets,
    onOpen: () => say(`mirroring ${interfaceName}`),
    onLink: (state) => say(`${interfaceName} ${LINK_STATES[state]}`),
    signal,
  })
}

/** When packets leave is not the sender's to say. */
const UNPACED = new Pace({ kind: 'max' }, systemClock(new AbortController().signal))

const LINK_STATES: Readonly<Record<LinkState, string>> = {
  down: 'is down: waiting until it is up',
  gone: 'is gone: waiting for an interface of that name',
  up: 'is up: mirroring',
}
