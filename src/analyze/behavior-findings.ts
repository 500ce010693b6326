import { PROTOCOL_TCP, protocolName } from '../wire/protocol.js'
import { portNames } from '../wire/service-names.js'
import type { Finding, FindingKind } from './analysis-report.js'
import type { Behavior, ScanRow } from './behavior-report.js'
import { counted, formatNanoseconds } from './quantities.js'

/** Distinct ports of one host that one other tried in vain; of UDP, where nobody need answer, more. */
const SCANNED_PORTS = 20
const SCANNED_UDP_PORTS = 50
/** Distinct hosts that one other tried in vain on one TCP port. */
const SCANNED_HOSTS = 20
/** Connections of one port that were begun and left, their share of all, and how many a second. */
const FLOOD_CONNECTIONS = 100
const FLOOD_SHARE = 0.9
const FLOOD_RATE = 10
/** Connections whose other side was not seen at all, and how many times as many as the others. */
const ONE_WAY_CONNECTIONS = 5
const ONE_WAY_TIMES = 20
/** Connections whose halves are in the same two sessions. */
const SPLIT_CONNECTIONS = 5
/** Connections at one interval, its least length in seconds, and how far they may stray from it. */
export const BEACON_CONNECTIONS = 10
const BEACON_SECONDS = 10
const BEACON_DEVIATION = 0.05
/** Responses of DNS that say that it failed, and their share. */
const DNS_FAILURES = 10
const DNS_FAILURES_SHARE = 0.1
/** Questions for unusually long names below one domain. */
const LONG_NAMES = 20
/** Findings of one kind. */
const EACH_MAX = 3

const TCP_NAMES = portNames(PROTOCOL_TCP)

/** What the behaviour of hosts comes to, each with how to see its packets. */
export function behaviorFindings(behavior: Behavior): Finding[] {
  return [
    ...oneWay(behavior),
    ...splitHalves(behavior),
    ...floods(behavior),
    ...scans(behavior),
    ...peerTimeouts(behavior),
    ...beacons(behavior),
    ...dns(behavior),
    ...weakTls(behavior),
    ...credentials(behavior),
    ...cleartext(behavior),
  ]
}

function oneWay({ oneWay }: Behavior): Finding[] {
  return oneWay
    .filter((row) => row.oneWay >= ONE_WAY_CONNECTIONS && row.oneWay >= ONE_WAY_TIMES * row.both)
    .map((row) => ({
      kind: 'one-way',
      level: 'problem',
      text:
        `${row.name}: of ${counted(row.oneWay, 'TCP connection')} only one direction is here, of ` +
        `${row.both} both: the mirror or its filter leaves the other out`,
      filter: ofSessions([row.vni]),
    }))
}

function splitHalves({ splits }: Behavior): Finding[] {
  return few(
    splits
      .filter(({ connections }) => connections >= SPLIT_CONNECTIONS)
      .sort((left, right) => right.connections - left.connections),
    ({ names, vnis, connections }) =>
      notice(
        'split-halves',
        `the halves of ${counted(connections, 'connection')} are in two sessions, ${names.join(' and ')}: the ways there and back differ`,
        ofSessions(vnis),
      ),
  )
}

/** TCP of sessions; of packets that were not mirrored no filter says so. */
function ofSessions(vnis: readonly (number | null)[]): string {
  if (vnis.includes(null)) return 'tcp'
  return `tcp and (${vnis.map((vni) => `vni ${vni}`).join(' or ')})`
}

function peerTimeouts({ timeouts }: Behavior): Finding[] {
  return few(timeouts, ({ destination, port, connections }) =>
    notice(
      'peer-timeout',
      `${destination} port ${port} no longer answered in ${counted(connections, 'TCP connection')}, though data was sent again at least three times`,
      `host ${destination} and tcp port ${port}`,
    ),
  )
}

function cleartext({ cleartext }: Behavior): Finding[] {
  if (cleartext.length === 0) return []
  const protocols = cleartext.map(
    ({ name, port, connections }) => `${name} (tcp/${port}), ${counted(connections, 'connection')}`,
  )
  return [
    notice(
      'cleartext-protocol',
      `sessions in clear text, with names and passwords: ${protocols.join('; ')}`,
      cleartext.map(({ port }) => `tcp port ${port}`).join(' or '),
    ),
  ]
}

function floods({ floods }: Behavior): Finding[] {
  return few(
    floods.filter(
      ({ halfOpen, attempted, seconds }) =>
        halfOpen >= FLOOD_CONNECTIONS &&
        halfOpen >= FLOOD_SHARE * attempted &&
        halfOpen >= FLOOD_RATE * Math.max(seconds, 1),
    ),
    ({ destination, port, attempted, halfOpen, seconds }) =>
      notice(
        'syn-flood',
        `SYN flood of ${destination} ${service(PROTOCOL_TCP, port)}: ${halfOpen} of ${counted(attempted, 'connection')} begun and left, ${span(seconds)}`,
        `dst host ${destination} and tcp dst port ${port} and tcp[tcpflags] & tcp-syn != 0`,
      ),
  )
}

function scans({ portScans, hostScans }: Behavior): Finding[] {
  const ports = portScans.filter(
    ({ protocol, targets }) =>
      targets >= (protocol === PROTOCOL_TCP ? SCANNED_PORTS : SCANNED_UDP_PORTS),
  )
  const hosts = hostScans.filter(
    ({ protocol, targets }) => protocol === PROTOCOL_TCP && targets >= SCANNED_HOSTS,
  )
  return [
    ...few(ports, (row) =>
      notice(
        'port-scan',
        `port scan: ${row.source} tried ${row.targets} ${protocolName(row.protocol)} ports of ${row.destination} in vain (${outcome(row)}), ${span(row.seconds)}`,
        `src host ${row.source} and dst host ${row.destination} and ${protocolName(row.protocol)}`,
      ),
    ),
    ...few(hosts, (row) =>
      notice(
        'address-scan',
        `address scan: ${row.source} tried ${row.targets} hosts on ${service(row.protocol, row.port!)} in vain (${outcome(row)}), ${span(row.seconds)}`,
        `src host ${row.source} and tcp dst port ${row.port}`,
      ),
    ),
  ]
}

function beacons({ beacons }: Behavior): Finding[] {
  return few(
    beacons.filter(
      ({ mean, deviation }) => mean >= BEACON_SECONDS && deviation <= BEACON_DEVIATION * mean,
    ),
    ({ source, destination, port, connections, mean, deviation }) =>
      notice(
        'beacon',
        `${source} connects to ${destination} ${service(PROTOCOL_TCP, port)} at regular intervals: ${connections} times, every ${formatNanoseconds(mean * 1e9)}, give or take ${formatNanoseconds(deviation * 1e9)}`,
        `src host ${source} and dst host ${destination} and tcp dst port ${port}`,
      ),
  )
}

function dns({ application: { dns } }: Behavior): Finding[] {
  const findings: Finding[] = []
  if (dns.failed >= DNS_FAILURES && dns.failed >= DNS_FAILURES_SHARE * dns.responses) {
    const names = dns.names.map(([name, count]) => `${name} (${count})`).join(', ')
    findings.push(
      notice(
        'dns-failures',
        `${dns.failed} of ${counted(dns.responses, 'DNS response')} say that the name or the server failed; most: ${names}`,
        'udp src port 53 and udp[11] & 0xf != 0',
      ),
    )
  }
  for (const [domain, count] of dns.longNames) {
    if (count < LONG_NAMES) continue
    findings.push(
      notice(
        'dns-long-names',
        `${count} DNS questions for unusually long names below ${domain}, as tunnels ask them`,
        'dst port 53 and greater 150',
      ),
    )
  }
  return findings
}

function weakTls({ application: { weakTls, tlsServers } }: Behavior): Finding[] {
  if (weakTls.length === 0) return []
  const servers = weakTls.map(([server, count]) => `${server} ${count}×`).join(', ')
  return [
    notice(
      'weak-tls',
      `TLS before 1.2 or with a weak cipher was agreed on (${counted(tlsServers, 'hello')} of servers in all); most: ${servers}`,
      'tcp and tcp[((tcp[12] & 0xf0) >> 2)] = 0x16',
    ),
  ]
}

function credentials({ application: { credentials } }: Behavior): Finding[] {
  if (credentials.length === 0) return []
  const servers = credentials.map(([server, count]) => `${server} ${count}×`).join(', ')
  const [first] = credentials
  return [
    notice(
      'cleartext-password',
      `HTTP requests without TLS carry names and passwords (Authorization: Basic), to ${servers}`,
      `tcp and dst host ${first![0]}`,
    ),
  ]
}

/** The first of a kind, and how many more there are. */
function few<Row>(rows: readonly Row[], finding: (row: Row) => Finding): Finding[] {
  const shown = rows.slice(0, EACH_MAX).map(finding)
  const more = rows.length - shown.length
  const last = shown.at(-1)
  if (more > 0 && last !== undefined)
    shown[shown.length - 1] = { ...last, text: `${last.text}; and ${more} more` }
  return shown
}

function outcome({ refused, unanswered }: ScanRow): string {
  return `${refused} refused, ${unanswered} not answered`
}

/** `tcp/443 (https)`. */
function service(protocol: number, port: number): string {
  const name = protocol === PROTOCOL_TCP ? TCP_NAMES.get(port) : undefined
  const place = `${protocolName(protocol)}/${port}`
  return name === undefined ? place : `${place} (${name})`
}

function span(seconds: number): string {
  return seconds < 1 ? 'within a second' : `over ${formatNanoseconds(seconds * 1e9)}`
}

function notice(kind: FindingKind, text: string, filter: string): Finding {
  return { kind, level: 'notice', text, filter }
}
