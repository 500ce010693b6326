import type { Credential } from '../aws/sigv4/credentials.js'
import { signRequest } from '../aws/sigv4/signer.js'
import { OperatorError } from '../errors.js'
import type { LedgerReport } from '../session/ledger.js'
import { type Finding, ok } from './finding.js'
import { duplicateVnis } from './outer-ports.js'

const ANSWERS_MS = 10_000

/** Packets of a session from which on the lack of a direction, or of other outer ports, says something. */
const TELLING_PACKETS = 1000
/** Of the packets whose direction is known. */
const ONE_WAY_PERCENT = 1

export interface ApplianceAccess {
  /** Of its API. */
  readonly url: string
  readonly region: string
  /** undefined: it was started with --no-auth. */
  readonly credential: Credential | undefined
}

/** What a running appliance tells of itself. Throws OperatorError where it tells nothing. */
export async function checkAppliance(access: ApplianceAccess): Promise<Finding[]> {
  const ready = await get(access, '/readyz')
  const reasons = (await ready.text()).trim().split('\n')
  const answer = await get(access, '/ledger')
  if (!answer.ok) {
    throw new OperatorError(
      `${access.url}/ledger answers ${answer.status}: give --credentials and --profile of a key that the appliance knows, and its --region`,
    )
  }
  const ledger = (await answer.json()) as LedgerReport
  return [
    ...readiness(ready.status, reasons),
    ...loss(ledger),
    ...sessions(ledger),
    ...oneWay(ledger),
    ...outerPorts(ledger),
  ]
}

async function get({ url, region, credential }: ApplianceAccess, path: string): Promise<Response> {
  const { host } = new URL(url)
  const request = { method: 'GET', path, headers: { host }, body: Buffer.alloc(0) } as const
  const headers =
    credential === undefined
      ? {}
      : signRequest(request, credential, { region, service: 'ec2', at: new Date() })
  try {
    return await fetch(new URL(path, url), { headers, signal: AbortSignal.timeout(ANSWERS_MS) })
  } catch (error) {
    const cause =
      (error as Error).cause instanceof Error ? ((error as Error).cause as Error) : error
    throw new OperatorError(`${url} does not answer: ${(cause as Error).message}`, { cause: error })
  }
}

function readiness(status: number, reasons: readonly string[]): Finding[] {
  if (status === 200) return [ok('ready', 'the appliance is ready')]
  return reasons.map((what) => ({
    check: 'ready',
    level: 'problem' as const,
    what,
    why: 'the appliance does not do all of its work',
    fix: 'journalctl -u mirrortap',
  }))
}

function loss(ledger: LedgerReport): Finding[] {
  const { received, kernelLost, noRoom, unknownSession, captureLosses, flows, eventLogs } = ledger
  const found: Finding[] = []
  const problem = (check: string, what: string, why: string, fix: string): void => {
    found.push({ check, level: 'problem', what, why, fix })
  }
  if (kernelLost !== null && kernelLost > 0) {
    problem(
      'kernel-loss',
      `the kernel dropped ${kernelLost} packets beside ${received} received`,
      'they are in no capture and no flow log; windows of flow logs have SKIPDATA',
      'a larger --receive-buffer with net.core.rmem_max, more --workers, or mirror fewer packets',
    )
  } else found.push(ok('kernel-loss', `nothing was lost of ${received} packets`))
  const notCaptured = Object.entries(captureLosses)
  if (notCaptured.length > 0) {
    const text = notCaptured.map(([why, count]) => `${count} (${why})`).join(', ')
    problem(
      'capture-loss',
      `packets are missing in captures: ${text}`,
      'captures are not whole',
      '"disk": a faster or emptier disk; "no-file": a higher ulimit -n; "no-directory": register the sessions',
    )
  }
  if (flows.recordsLost > 0) {
    problem(
      'record-loss',
      `${flows.recordsLost} flow log records were lost`,
      'flow logs are not whole',
      'a faster or emptier disk for --flow-log-dir',
    )
  }
  if (eventLogs !== undefined && eventLogs.lost > 0) {
    problem(
      'event-loss',
      `${eventLogs.lost} rows of event logs were lost`,
      'event logs are not whole',
      'more --workers, a faster disk for --event-log-dir, or --no-names',
    )
  }
  if (unknownSession > 0) {
    found.push({
      check: 'unknown-sessions',
      level: 'warning',
      what: `${unknownSession} packets are of sessions that are not open${noRoom > 0 ? `, ${noRoom} of them as too many were` : ''}`,
      why: 'they are in no capture and no flow log',
      fix: 'register their sessions, or --unknown-sessions accept with a larger --max-sessions',
    })
  }
  return found
}

function sessions({ sessions }: LedgerReport): Finding[] {
  const sources = new Map<number, string[]>()
  for (const { vni, source, received } of sessions) {
    if (vni === null || source === null || received === 0) continue
    sources.set(vni, [...(sources.get(vni) ?? []), source])
  }
  const quiet = sessions.filter(
    ({ session, received }) => received === 0 && session?.startsWith('tms-'),
  )
  const unregistered = sessions.filter(
    ({ session, received }) => received > 0 && !session?.startsWith('tms-'),
  )
  const isRegistering = sessions.some(({ session }) => session?.startsWith('tms-'))
  return [
    ...duplicateVnis(sources),
    ...sessions
      .filter(({ cut }) => cut > 0)
      .slice(0, 10)
      .map(cutFrames),
    ...(quiet.length === 0
      ? []
      : [
          {
            check: 'quiet-sessions',
            level: 'warning' as const,
            what: `nothing came of ${quiet.length} registered sessions, ${quiet[0]!.session} among them`,
            why: 'their interface is quiet, their filter accepts nothing, or their packets do not get here',
            fix: 'let UDP 4789 in by the security group of this host; an NLB needs a UDP listener on 4789',
          },
        ]),
    ...(isRegistering && unregistered.length > 0
      ? [
          {
            check: 'unregistered-sessions',
            level: 'warning' as const,
            what: `${unregistered.length} sessions are not registered, ${unregistered[0]!.session} among them`,
            why: 'anybody who reaches the port can make up sessions',
            fix: 'register them (create-traffic-mirror-session), or --unknown-sessions drop',
          },
        ]
      : []),
  ]
}

/** Halves of connections are missing: of what an interface sends or receives, next to nothing came. */
export function oneWay({ sessions }: Pick<LedgerReport, 'sessions'>): Finding[] {
  const told = sessions.filter(
    ({ ingressPackets, egressPackets }) => ingressPackets + egressPackets >= TELLING_PACKETS,
  )
  const half = told.filter(
    ({ ingressPackets, egressPackets }) =>
      Math.min(ingressPackets, egressPackets) * 100 <
      (ingressPackets + egressPackets) * ONE_WAY_PERCENT,
  )
  const [first] = half
  if (first === undefined) {
    return told.length === 0 ? [] : [ok('halves', 'sessions bring both directions')]
  }
  const { session, ingressPackets, egressPackets } = first
  const lacks = ingressPackets < egressPackets ? 'ingress' : 'egress'
  return [
    {
      check: 'halves',
      level: 'problem',
      what: `${half.length} of ${told.length} sessions bring one direction: ${session} ${ingressPackets} packets in and ${egressPackets} out`,
      why: 'no connection can be followed of which one direction is mirrored, or comes to another target',
      fix: `give the filter rules for ${lacks}, return traffic included: aws ec2 describe-traffic-mirror-filters; behind a load balancer, look at the other targets`,
    },
  ]
}

/** A mirror source spreads flows over ports; a tunnel on the way, or one flow, does not. */
export function outerPorts({ sessions }: Pick<LedgerReport, 'sessions'>): Finding[] {
  const told = sessions.filter(({ received }) => received >= TELLING_PACKETS)
  const single = told.filter((session) => session.outerPorts === 1)
  const [first] = single
  if (first === undefined) {
    return told.length === 0 ? [] : [ok('outer-ports', 'sessions come from several outer ports')]
  }
  return [
    {
      check: 'outer-ports',
      level: 'warning',
      what: `${single.length} of ${told.length} sessions come from one outer port, ${first.session} among them`,
      why: 'a load balancer, and the kernel, send all of it to one target, one queue and one receiving thread',
      fix: 'mirrortap listen --workers N --steer flow',
    },
  ]
}

function cutFrames(session: LedgerReport['sessions'][number]): Finding {
  const causes = Object.entries(session.cutCauses).map(([cause, count]) => `${count} ${cause}`)
  return {
    check: 'cut',
    level: 'warning',
    what: `${session.session}: ${session.cut} of ${session.received} frames are cut: ${causes.join(', ')}`,
    why: 'captures lack the ends of frames; flow logs count them in full',
    fix: 'packetLength: aws ec2 modify-traffic-mirror-session --remove-fields packet-length; targetMtu, gatewayMtu: a smaller MTU at the source',
  }
}
