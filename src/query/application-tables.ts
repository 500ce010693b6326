import type { DuckDBValue } from '@duckdb/node-api'
import { sshVersion } from '../application/banner.js'
import {
  DNS_AA,
  DNS_RA,
  DNS_RD,
  DNS_TC,
  type DnsMessage,
  dnsClassName,
  dnsRcodeName,
  dnsTypeName,
} from '../application/dns.js'
import type { Ends } from '../application/ends.js'
import { ja4 } from '../application/ja4.js'
import { kerberosClient, kerberosFailure } from '../application/kerberos.js'
import { quicVersionName } from '../application/quic.js'
import { offeredVersion } from '../application/tls.js'
import { tlsCipherName, tlsGroupName, tlsVersionName } from '../application/tls-names.js'
import type {
  DnsTransaction,
  HttpExchange,
  KerberosExchange,
  NtlmExchange,
  QuicHandshake,
  SmbMapping,
  SmtpOpening,
  SshHandshake,
  TlsHandshake,
} from '../application/transactions.js'
import { formatWords } from '../wire/address.js'
import { protocolName } from '../wire/protocol.js'
import type { ValueType } from './duckdb-values.js'
import { type FilledTable, ofSession, SECONDS_MAX, timestamp } from './sql-tables.js'

/** What a table says of one thing that was seen; undefined is NULL. */
type Value = DuckDBValue | readonly string[] | readonly number[] | undefined

interface ApplicationColumn<Row> {
  readonly name: string
  readonly type: ValueType
  readonly value: (row: Row) => Value
}

/** A table of what packets say of applications, with the names of Zeek's logs. */
export interface ApplicationTable<Row = never>
  extends FilledTable<
    ('dns' | 'tls' | 'quic' | 'http' | 'ssh' | 'smtp') | ('kerberos' | 'ntlm' | 'smb_mapping'),
    ValueType
  > {
  readonly values: (row: Row) => Value[]
}

function text<Row>(name: string, value: (row: Row) => Value): ApplicationColumn<Row> {
  return { name, type: 'VARCHAR', value }
}

function whole<Row>(name: string, value: (row: Row) => Value): ApplicationColumn<Row> {
  return { name, type: 'INTEGER', value }
}

/** What every one of these tables begins with. */
const MOMENT: readonly ApplicationColumn<Ends>[] = [
  whole('session', ({ session }) => session),
  { name: 'seconds', type: 'DOUBLE', value: (ends) => (hasTime(ends) ? ends.seconds : undefined) },
  { name: 'nanoseconds', type: 'UINTEGER', value: ({ nanoseconds }) => nanoseconds },
]

const ENDS: readonly ApplicationColumn<Ends>[] = [
  text('orig_h', ({ ipVersion, source }) => formatWords(ipVersion, source)),
  whole('orig_p', ({ sourcePort }) => sourcePort),
  text('resp_h', ({ ipVersion, destination }) => formatWords(ipVersion, destination)),
  whole('resp_p', ({ destinationPort }) => destinationPort),
]

function hasTime({ timed, seconds }: Ends): boolean {
  return timed && seconds <= SECONDS_MAX
}

function table<Row extends { readonly ends: Ends }>(
  name: ApplicationTable['name'],
  columns: readonly ApplicationColumn<Row>[],
): ApplicationTable<Row> {
  const ofEnds = [...MOMENT, ...ENDS]
  return {
    name,
    kept: [...ofEnds, ...columns].map((column) => [column.name, column.type]),
    shown: [
      ['ts', timestamp('')],
      ['session', ofSession('name')],
      ['vni', ofSession('vni')],
      ['source', ofSession('source')],
      ...[...ENDS, ...columns].map((column) => [column.name, column.name] as const),
    ],
    values: (row) => [
      ...ofEnds.map(({ value }) => value(row.ends)),
      ...columns.map(({ value }) => value(row)),
    ],
  }
}

/** The side that says more of what was asked. */
function either({ query, response }: DnsTransaction): DnsMessage {
  return (response ?? query)!
}

function flag(bit: number): (row: DnsTransaction) => boolean {
  return (row) => (either(row).flags & bit) !== 0
}

export const DNS = table<DnsTransaction>('dns', [
  text('proto', ({ ends }) => protocolName(ends.protocol)),
  whole('trans_id', (row) => either(row).id),
  { name: 'rtt', type: 'DOUBLE', value: ({ rtt }) => (rtt === undefined ? undefined : rtt / 1e9) },
  text('query', ({ question }) => question?.name),
  text('qclass_name', ({ question }) => question && dnsClassName(question.class)),
  text('qtype_name', ({ question }) => question && dnsTypeName(question.type)),
  text('rcode_name', ({ response }) => response && dnsRcodeName(response.rcode)),
  { name: 'AA', type: 'BOOLEAN', value: flag(DNS_AA) },
  { name: 'TC', type: 'BOOLEAN', value: flag(DNS_TC) },
  { name: 'RD', type: 'BOOLEAN', value: flag(DNS_RD) },
  { name: 'RA', type: 'BOOLEAN', value: flag(DNS_RA) },
  {
    name: 'answers',
    type: 'VARCHAR[]',
    value: ({ response }) => response?.answers.map((answer) => answer.text),
  },
  {
    name: 'TTLs',
    type: 'DOUBLE[]',
    value: ({ response }) => response?.answers.map(({ ttl }) => ttl),
  },
])

export const TLS = table<TlsHandshake>('tls', [
  text('version', ({ server }) => server && tlsVersionName(server.version)),
  text('cipher', ({ server }) => server && tlsCipherName(server.cipher)),
  text('curve', ({ server }) =>
    server?.group === undefined ? undefined : tlsGroupName(server.group),
  ),
  text('server_name', ({ client }) => client?.serverName),
  text('next_protocol', ({ server }) => server?.alpn),
  text('client_version', ({ client }) => client && tlsVersionName(offeredVersion(client))),
  { name: 'client_alpn', type: 'VARCHAR[]', value: ({ client }) => client?.alpn },
  text('ja4', ({ client }) => client && ja4(client, 'tcp')),
])

export const QUIC = table<QuicHandshake>('quic', [
  text('version', ({ version }) => quicVersionName(version)),
  text('server_name', ({ client }) => client.serverName),
  text('client_protocol', ({ client }) => client.alpn[0]),
  text('ja4', ({ client }) => ja4(client, 'quic')),
])

export const HTTP = table<HttpExchange>('http', [
  whole('trans_depth', ({ depth }) => depth),
  text('method', ({ request }) => request?.method),
  text('host', ({ request }) => request?.host),
  text('uri', ({ request }) => request?.target),
  text('referrer', ({ request }) => request?.referrer),
  text('version', ({ request, response }) => (response ?? request)?.version),
  text('user_agent', ({ request }) => request?.userAgent),
  whole('status_code', ({ response }) => response?.status),
  text('status_msg', ({ response }) => response?.reason),
  text('resp_mime_type', ({ response }) => response?.contentType),
])

export const SSH = table<SshHandshake>('ssh', [
  whole('version', ({ client, server }) => sshVersion(client, server)),
  text('client', ({ client }) => client),
  text('server', ({ server }) => server),
])

export const SMTP = table<SmtpOpening>('smtp', [
  text('helo', ({ helo }) => helo),
  text('banner', ({ banner }) => banner),
])

export const KERBEROS = table<KerberosExchange>('kerberos', [
  text('request_type', ({ request }) => request?.type.slice(0, -'-REQ'.length)),
  text('client', ({ request, response }) => kerberosClient(request, response)),
  text('service', ({ request, response }) => response?.service ?? request?.service),
  {
    name: 'success',
    type: 'BOOLEAN',
    value: ({ response }) => response && response.type !== 'KRB-ERROR',
  },
  text('error_msg', ({ response }) => kerberosFailure(response)),
])

export const NTLM = table<NtlmExchange>('ntlm', [
  text('username', ({ client }) => client?.user),
  text('hostname', ({ client }) => client?.host),
  text('domainname', ({ client }) => client?.domain),
  text('server_nb_computer_name', ({ server }) => server?.computer),
  text('server_dns_computer_name', ({ server }) => server?.dnsComputer),
  text('server_tree_name', ({ server }) => server?.dnsTree),
])

export const SMB_MAPPING = table<SmbMapping>('smb_mapping', [
  text('path', ({ path }) => path),
  text('share_type', ({ share }) => share),
])

export const APPLICATION_TABLES: readonly ApplicationTable[] = [
  ...[DNS, TLS, QUIC, HTTP, SSH, SMTP],
  ...[KERBEROS, NTLM, SMB_MAPPING],
]
