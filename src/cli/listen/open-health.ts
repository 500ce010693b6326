import { ApiServer } from '../../api/http/api-server.js'
import { bindAddress } from '../../api/http/loopback.js'
import { alive, readiness, unreadiness } from '../../api/http/probes.js'
import { TcpCheck } from '../../api/http/tcp-check.js'
import { metricsPage } from '../../metrics/metrics-page.js'
import type { HealthCliOptions } from './api-options.js'
import type { Bound } from './listening-text.js'
import type { Lines } from './open-api.js'
import { metricsFacts, readinessFacts, type Watched } from './watched.js'

/** Load balancers and Prometheus have a few; what others take is not to be missing where packets are captured. */
export const HEALTH_CONNECTIONS = 32

export interface Closable {
  close(): Promise<void>
}

/**
 * What load balancers ask: by HTTP where they are told to, and by TCP on the ports of the mirrored
 * packets. The first is an OperatorError where it cannot be had, the second is said.
 */
export async function openHealth(
  options: HealthCliOptions & { bind: string },
  { port, genevePort }: Pick<Bound, 'port' | 'genevePort'>,
  watched: Watched,
  { say, warn, limits }: Lines,
): Promise<Closable[]> {
  const { health, tcpCheck, bind } = options
  const facts = () => readinessFacts(watched)
  const opened: Closable[] = []
  let taken: number | undefined
  if (health !== undefined) {
    const server = await ApiServer.start({
      host: await bindAddress(health.host, false, '--health'),
      port: health.port,
      dispatcher: undefined,
      routes: [
        alive,
        readiness('/readyz', facts),
        readiness('/', facts),
        metricsPage(() => metricsFacts(watched), false),
      ],
      limits: {
        connections: HEALTH_CONNECTIONS,
        connectionsOfClient: HEALTH_CONNECTIONS / 2,
      },
      as: { name: 'the health check', option: '--health', orElse: '' },
      onProblem: limits.about('health checks'),
    })
    opened.push(server)
    taken = server.port
    say(`health checks by HTTP, and /metrics, on ${server.url}`)
  }
  if (tcpCheck === false) return opened
  const isReady = () => unreadiness(facts(), Date.now()).length === 0
  for (const checked of [port, genevePort]) {
    // By HTTP on that port, a check by TCP has its connection too.
    if (checked === undefined || checked === taken) continue
    opened.push(await TcpCheck.start({ host: bind, port: checked, isReady, onProblem: warn }))
  }
  return opened
}
