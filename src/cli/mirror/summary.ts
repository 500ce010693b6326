import type { InterfaceSource } from '../../source/interface-source.js'
import type { MirrorSource } from '../../source/mirror-source.js'
import type { MirroredSessions } from '../../source/mirrored-sessions.js'
import type { Outlet } from '../../source/outlet.js'
import type { VxlanSender } from '../../source/vxlan-sender.js'
import { print, say } from '../process/console.js'

/** All that counted something. */
interface MirrorRun {
  readonly sessions: MirroredSessions
  readonly source: MirrorSource
  readonly sender: VxlanSender
  readonly outlets: readonly Outlet[]
  /** Where packets are those of an interface. */
  readonly live: Pick<InterfaceSource, 'kernelDrops' | 'overMtu'> | undefined
  readonly seconds: number
}

/** Says what became of the packets: JSON on standard output, or a few lines on standard error. */
export function printMirrorSummary(run: MirrorRun, options: { json?: true }): void {
  const summary = summaryOf(run)
  if (options.json === true) print(`${JSON.stringify(summary)}\n`)
  else for (const line of linesOf(summary)) say(line)
}

type Summary = ReturnType<typeof summaryOf>

function summaryOf(run: MirrorRun) {
  const { sessions, source, sender, outlets, live, seconds } = run
  const { counters } = sessions
  const notSent = new Map<string, number>(sender.unsent)
  for (const outlet of outlets) {
    for (const [code, count] of outlet.notSent) notSent.set(code, (notSent.get(code) ?? 0) + count)
  }
  return {
    packets: source.packets,
    ...(live && { kernelLost: live.kernelDrops, overMtu: live.overMtu }),
    sent: outlets.reduce((total, { sent }) => total + sent, 0),
    octets: outlets.reduce((total, { octets }) => total + octets, 0),
    cut: sessions.cut,
    ...sessions.passed,
    unknownDirection: counters.unknownDirection,
    notSent: Object.fromEntries(notSent),
    ...counters.metrics(),
    sessions: sessions.all.map(({ parts: { session, endpoint }, route }) => ({
      session: session.id,
      vni: session.virtualNetworkId,
      target: `${endpoint.host}:${endpoint.port}`,
      packets: route.packets,
      sent: route.sent,
      cut: route.cut,
    })),
    seconds: Number(seconds.toFixed(3)),
  }
}

function linesOf(summary: Summary): string[] {
  const { packets, sent, octets, cut, seconds, notSent, kernelLost = 0, overMtu = 0 } = summary
  const reasons = Object.entries(notSent).map(([reason, count]) => `${count} ${reason}`)
  const parts = [
    `${sent} of ${packets} packets sent, ${octets} bytes in ${seconds.toFixed(3)} s`,
    ...(kernelLost > 0 ? [`${kernelLost} came faster than they were read`] : []),
    ...(overMtu > 0 ? [`${overMtu} longer than the MTU, by offloads`] : []),
    ...(cut > 0 ? [`${cut} cut to the packet length`] : []),
    ...(summary.filtered > 0 ? [`${summary.filtered} taken by no filter`] : []),
    ...(summary.neverMirrored > 0 ? [`${summary.neverMirrored} never mirrored`] : []),
    ...(summary.passing > 0 ? [`${summary.passing} between other hosts`] : []),
    ...(reasons.length > 0 ? [`not sent: ${reasons.join(', ')}`] : []),
  ]
  const lines = [parts.join('; ')]
  const metrics = Object.entries(summary).filter(([name]) => name.startsWith('Network'))
  if (metrics.some(([, count]) => count !== 0)) {
    lines.push(metrics.map(([name, count]) => `${name} ${count}`).join(', '))
  }
  return lines
}
