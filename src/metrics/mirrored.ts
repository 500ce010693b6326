import type { Resources } from '../control/state.js'
import type { LedgerReport, SessionTotals } from '../session/ledger.js'
import type { Counted } from './cloudwatch.js'

/**
 * What a target knows of the metrics that AWS has of mirroring. Those of a source's instance are by
 * instance, as AWS has them, or by interface where the inventory does not know the instance; sessions that
 * nobody registered are one. Those of a Gateway Load Balancer endpoint are of all that came.
 */
export function mirrored(
  { sessions, kernelLost, crashLost, totals }: LedgerReport,
  resources: Pick<Resources, 'sessions' | 'interfaces'>,
  host: Counted['dimension'],
): Counted[] {
  const sums = new Map<string, Counted & { readonly totals: Record<string, number> }>()
  for (const report of sessions) {
    const dimension = dimensionOf(report.session, resources)
    const key = `${dimension.name} ${dimension.value}`
    const sum = sums.get(key) ?? { dimension, totals: {} }
    sums.set(key, sum)
    for (const [name, count] of Object.entries(METRICS)) {
      sum.totals[name] = (sum.totals[name] ?? 0) + report[count]
    }
  }
  const all = { BytesProcessed: totals.bytes, PacketsDropped: (kernelLost ?? 0) + crashLost }
  return [...sums.values(), { dimension: host, totals: all }]
}

const METRICS = {
  NetworkMirrorIn: 'ingressBytes',
  NetworkMirrorOut: 'egressBytes',
  NetworkPacketsMirrorIn: 'ingressPackets',
  NetworkPacketsMirrorOut: 'egressPackets',
} as const satisfies Record<string, keyof SessionTotals>

function dimensionOf(
  id: string | null,
  { sessions, interfaces }: Pick<Resources, 'sessions' | 'interfaces'>,
): Counted['dimension'] {
  const eni = sessions.get(id ?? '')?.networkInterfaceId
  if (eni === undefined) return { name: 'Session', value: 'unregistered' }
  const instance = interfaces.get(eni)?.instanceId
  return instance === undefined
    ? { name: 'NetworkInterfaceId', value: eni }
    : { name: 'InstanceId', value: instance }
}
