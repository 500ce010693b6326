import { sshVersion } from '../application/banner.js'
import { communityId } from '../application/community-id.js'
import {
  DNS_AA,
  DNS_RA,
  DNS_RD,
  DNS_TC,
  dnsClassName,
  dnsRcodeName,
  dnsTypeName,
} from '../application/dns.js'
import type { Ends } from '../application/ends.js'
import { ja4 } from '../application/ja4.js'
import { kerberosClient, kerberosFailure } from '../application/kerberos.js'
import { tlsCipherName, tlsGroupName, tlsVersionName } from '../application/tls-names.js'
import type {
  DnsTransaction,
  HttpExchange,
  KerberosExchange,
  NtlmExchange,
  SmbMapping,
  SmtpOpening,
  SshHandshake,
  TlsHandshake,
} from '../application/transactions.js'
import type { Connection } from '../flow/connection.js'
import { formatWords } from '../wire/address.js'
import { protocolName } from '../wire/protocol.js'
import { communityEnds, secondsOf, uidOf } from './connection.js'
import type { ZeekField, ZeekLog, ZeekType, ZeekValue } from './zeek-log.js'

function field<Row>(name: string, type: ZeekType, value: (row: Row) => ZeekValue): ZeekField<Row> {
  return { name, type, value }
}

/** What every log begins with, of a moment of a connection from its originator. */
const BEGINNING: readonly ZeekField<Ends>[] = [
  field('ts', 'time', (ends) =>
    ends.timed ? secondsOf(ends.seconds, ends.nanoseconds) : undefined,
  ),
  field('uid', 'string', (ends) => uidOf(ends.session, communityEnds(ends))),
  field('id.orig_h', 'addr', ({ ipVersion, source }) => formatWords(ipVersion, source)),
  field('id.orig_p', 'port', ({ sourcePort }) => sourcePort),
  field('id.resp_h', 'addr', ({ ipVersion, destination }) => formatWords(ipVersion, destination)),
  field('id.resp_p', 'port', ({ destinationPort }) => destinationPort),
]

function log<Row>(
  path: string,
  endsOf: (row: Row) => Ends,
  fields: readonly ZeekField<Row>[],
): ZeekLog<Row> {
  // Several fields of a row ask, one after the other.
  let latest: Row | undefined
  let ends: Ends | undefined
  const endsOfLatest = (row: Row): Ends => {
    if (row !== latest) ends = endsOf(row)
    latest = row
    return ends!
  }
  return {
    path,
    fields: [
      ...BEGINNING.map(({ name, type, value }) =>
        field<Row>(name, type, (row) => value(endsOfLatest(row))),
      ),
      ...fields,
      field('community_id', 'string', (row) => communityId(communityEnds(endsOfLatest(row)))),
    ],
  }
}

/** The names that Zeek has for protocols of a connection. */
export function zeekProtocol(protocol: number): string {
  const name = protocolName(protocol)
  if (name === 'icmpv6') return 'icmp'
  return name === 'tcp' || name === 'udp' || name === 'icmp' ? name : 'unknown_transport'
}

export function endsOfConnection(pair: Connection): Ends {
  const { session, ipVersion, protocol, sourcePort, destinationPort, timed } = pair
  return {
    session,
    ipVersion,
    protocol,
    source: pair.packetSource,
    destination: pair.packetDestination,
    sourcePort,
    destinationPort,
    seconds: pair.firstSeconds,
    nanoseconds: pair.firstNanoseconds,
    timed,
  }
}

export const CONN = log<Connection>('conn', endsOfConnection, [
  field('proto', 'enum', (pair) => zeekProtocol(pair.protocol)),
  field('duration', 'interval', (pair) =>
    pair.packets === 1 || !pair.timed
      ? undefined
      : pair.lastSeconds - pair.firstSeconds + (pair.lastNanoseconds - pair.firstNanoseconds) / 1e9,
  ),
  field('orig_bytes', 'count', ({ orig }) => orig.payload),
  field('resp_bytes', 'count', ({ resp }) => resp.payload),
  field('conn_state', 'string', ({ connState }) => connState),
  field('missed_bytes', 'count', ({ orig, resp }) => orig.missed + resp.missed),
  field('history', 'string', ({ history }) => (history === '' ? undefined : history)),
  field('orig_pkts', 'count', (pair) => pair.originator.packets),
  field('orig_ip_bytes', 'count', (pair) => pair.originator.bytes),
  field('resp_pkts', 'count', (pair) => pair.responder.packets),
  field('resp_ip_bytes', 'count', (pair) => pair.responder.bytes),
])

export const DNS = log<DnsTransaction>('dns', ({ ends }) => ends, [
  field('proto', 'enum', ({ ends }) => zeekProtocol(ends.protocol)),
  field('trans_id', 'count', ({ query, response }) => (query ?? response)!.id),
  field('rtt', 'interval', ({ rtt }) => (rtt === undefined ? undefined : rtt / 1e9)),
  field('query', 'string', ({ question }) => question?.name),
  field('qclass', 'count', ({ question }) => question?.class),
  field('qclass_name', 'string', ({ question }) => question && dnsClassName(question.class)),
  field('qtype', 'count', ({ question }) => question?.type),
  field('qtype_name', 'string', ({ question }) => question && dnsTypeName(question.type)),
  field('rcode', 'count', ({ response }) => response?.rcode),
  field('rcode_name', 'string', ({ response }) => response && dnsRcodeName(response.rcode)),
  ...(
    [
      ['AA', DNS_AA],
      ['TC', DNS_TC],
      ['RD', DNS_RD],
      ['RA', DNS_RA],
    ] as const
  ).map(([name, bit]) =>
    field<DnsTransaction>(name, 'bool', ({ query, response }) =>
      Boolean((response ?? query)!.flags & bit),
    ),
  ),
  field('answers', 'vector[string]', ({ response }) =>
    response === undefined || response.answers.length === 0
      ? undefined
      : response.answers.map(({ text }) => text),
  ),
  field('TTLs', 'vector[interval]', ({ response }) =>
    response === undefined || response.answers.length === 0
      ? undefined
      : response.answers.map(({ ttl }) => ttl),
  ),
])

export const SSL = log<TlsHandshake>('ssl', ({ ends }) => ends, [
  field('version', 'string', ({ server }) => server && tlsVersionName(server.version)),
  field('cipher', 'string', ({ server }) => server && tlsCipherName(server.cipher)),
  field('curve', 'string', ({ server }) =>
    server?.group === undefined ? undefined : tlsGroupName(server.group),
  ),
  field('server_name', 'string', ({ client }) => client?.serverName),
  field('next_protocol', 'string', ({ server }) => server?.alpn),
  field('ja4', 'string', ({ client }) => client && ja4(client, 'tcp')),
])

export const HTTP = log<HttpExchange>('http', ({ ends }) => ends, [
  field('trans_depth', 'count', ({ depth }) => depth),
  field('method', 'string', ({ request }) => request?.method),
  field('host', 'string', ({ request }) => request?.host),
  field('uri', 'string', ({ request }) => request?.target),
  field('referrer', 'string', ({ request }) => request?.referrer),
  field('version', 'string', ({ request, response }) => (response ?? request)?.version),
  field('user_agent', 'string', ({ request }) => request?.userAgent),
  field('status_code', 'count', ({ response }) => response?.status),
  field('status_msg', 'string', ({ response }) => response?.reason),
])

export const SSH = log<SshHandshake>('ssh', ({ ends }) => ends, [
  field('version', 'count', ({ client, server }) => sshVersion(client, server)),
  field('client', 'string', ({ client }) => client),
  field('server', 'string', ({ server }) => server),
])

/** Zeek has no field for what the server says first. */
export const SMTP = log<SmtpOpening>('smtp', ({ ends }) => ends, [
  field('helo', 'string', ({ helo }) => helo),
  field('banner', 'string', ({ banner }) => banner),
])

export const KERBEROS = log<KerberosExchange>('kerberos', ({ ends }) => ends, [
  field('request_type', 'string', ({ request }) => request?.type.slice(0, -'-REQ'.length)),
  field('client', 'string', ({ request, response }) => kerberosClient(request, response)),
  field('service', 'string', ({ request, response }) => response?.service ?? request?.service),
  field('success', 'bool', ({ response }) => response && response.type !== 'KRB-ERROR'),
  field('error_msg', 'string', ({ response }) => kerberosFailure(response)),
])

export const NTLM = log<NtlmExchange>('ntlm', ({ ends }) => ends, [
  field('username', 'string', ({ client }) => client?.user),
  field('hostname', 'string', ({ client }) => client?.host),
  field('domainname', 'string', ({ client }) => client?.domain),
  field('server_nb_computer_name', 'string', ({ server }) => server?.computer),
  field('server_dns_computer_name', 'string', ({ server }) => server?.dnsComputer),
  field('server_tree_name', 'string', ({ server }) => server?.dnsTree),
])

export const SMB_MAPPING = log<SmbMapping>('smb_mapping', ({ ends }) => ends, [
  field('path', 'string', ({ path }) => path),
  field('share_type', 'string', ({ share }) => share),
])
