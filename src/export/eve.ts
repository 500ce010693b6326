/** Events as Suricata's EVE has them, a JSON object a line. */
import { communityId } from '../application/community-id.js'
import { type DnsAnswer, dnsRcodeName, dnsTypeName } from '../application/dns.js'
import type { Ends } from '../application/ends.js'
import { ja4 } from '../application/ja4.js'
import { kerberosErrorName } from '../application/kerberos.js'
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
import type { Connection } from '../flow/connection.js'
import type { FlowRow } from '../flow/flow-row.js'
import { formatIpv4 } from '../wire/address.js'
import { hasPorts } from '../wire/ports.js'
import { PROTOCOL_ICMPV6, PROTOCOL_TCP, protocolName } from '../wire/protocol.js'
import { communityEnds, flowIdOf } from './connection.js'
import { endsOfConnection } from './zeek-logs.js'

type Event = Readonly<Record<string, unknown>>

/** `2026-03-01T12:00:30.001209+0000`. */
function eveTime(seconds: number, nanoseconds: number): string | undefined {
  const date = new Date(seconds * 1000)
  if (Number.isNaN(date.getTime())) return undefined
  const micros = String(Math.floor(nanoseconds / 1000)).padStart(6, '0')
  return `${date.toISOString().slice(0, 19)}.${micros}+0000`
}

function eveProtocol(protocol: number): string {
  if (protocol === PROTOCOL_ICMPV6) return 'IPv6-ICMP'
  return protocolName(protocol)?.toUpperCase() ?? String(protocol).padStart(3, '0')
}

/** Of IPv6 all eight groups, each with its zeros: this is how Suricata writes them. */
function eveAddress(version: number, words: ArrayLike<number>): string {
  if (version === 4) return formatIpv4(words[0]!)
  const digits = Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('')
  return digits.match(/.{4}/g)!.join(':')
}

/** What every event begins with. */
function common(type: string, ends: Ends): Event {
  const tuple = communityEnds(ends)
  return {
    ...(ends.timed && { timestamp: eveTime(ends.seconds, ends.nanoseconds) }),
    flow_id: flowIdOf(ends.session, tuple),
    event_type: type,
    src_ip: eveAddress(ends.ipVersion, ends.source),
    ...(hasPorts(ends.protocol) && { src_port: ends.sourcePort }),
    dest_ip: eveAddress(ends.ipVersion, ends.destination),
    ...(hasPorts(ends.protocol) && { dest_port: ends.destinationPort }),
    proto: eveProtocol(ends.protocol),
    ...orNothing('community_id', communityId(tuple)),
  }
}

function orNothing(name: string, value: unknown): Event {
  return value === undefined ? {} : { [name]: value }
}

function span(row: FlowRow): Event {
  if (!row.timed) return {}
  return {
    start: eveTime(row.firstSeconds, row.firstNanoseconds),
    end: eveTime(row.lastSeconds, row.lastNanoseconds),
    age: row.lastSeconds - row.firstSeconds,
  }
}

const FLAG_NAMES = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr']

function hex(flags: number): string {
  return flags.toString(16).padStart(2, '0')
}

function tcpFlags(flags: number): Event {
  const set = FLAG_NAMES.filter((_, bit) => ((flags >>> bit) & 1) !== 0)
  return { tcp_flags: hex(flags), ...Object.fromEntries(set.map((name) => [name, true])) }
}

/** Both directions of a connection. */
export function eveFlow(pair: Connection): Event {
  const { originator, responder } = pair
  return {
    ...common('flow', endsOfConnection(pair)),
    flow: {
      pkts_toserver: originator.packets,
      pkts_toclient: responder.packets,
      bytes_toserver: originator.bytes,
      bytes_toclient: responder.bytes,
      ...span(pair),
      state: pair.state,
    },
    ...(pair.protocol === PROTOCOL_TCP && {
      tcp: {
        ...tcpFlags(pair.tcpFlags),
        tcp_flags_ts: hex(originator.tcpFlags),
        tcp_flags_tc: hex(responder.tcpFlags),
      },
    }),
  }
}

/** One direction, as in the flow logs of AWS Network Firewall. */
export function eveNetflow(row: FlowRow): Event {
  const ends = {
    ...row,
    source: row.packetSource,
    destination: row.packetDestination,
    seconds: row.firstSeconds,
    nanoseconds: row.firstNanoseconds,
  }
  return {
    ...common('netflow', ends),
    netflow: { pkts: row.packets, bytes: row.bytes, ...span(row) },
    ...(row.protocol === PROTOCOL_TCP && { tcp: tcpFlags(row.tcpFlags) }),
  }
}

/** The query and the answer, as far as they were seen. */
export function eveDns({ ends, question, query, response }: DnsTransaction): Event[] {
  const asked = {
    ...orNothing('rrname', question?.name),
    ...orNothing('rrtype', question && dnsTypeName(question.type)),
  }
  const events: Event[] = []
  if (query !== undefined) {
    events.push({ ...common('dns', ends), dns: { type: 'query', id: query.id, ...asked } })
  }
  if (response !== undefined) {
    events.push({
      ...common('dns', ends),
      dns: {
        version: 2,
        type: 'answer',
        id: response.id,
        flags: response.flags.toString(16).padStart(4, '0'),
        qr: true,
        ...asked,
        rcode: dnsRcodeName(response.rcode),
        answers: response.answers.flatMap(eveAnswers),
      },
    })
  }
  return events
}

/** A record, or of TXT one for each of its strings. Of types that Suricata does not know, no data. */
function eveAnswers({ name, type, ttl, text, address, texts }: DnsAnswer): Event[] {
  const rrtype = dnsTypeName(type)
  const head = { rrname: name, rrtype, ttl }
  if (texts !== undefined) return texts.map((rdata) => ({ ...head, rdata }))
  if (address !== undefined) {
    return [{ ...head, rdata: eveAddress(address.length === 1 ? 4 : 6, address) }]
  }
  if (rrtype === 'SOA') return [{ ...head, soa: { mname: text } }]
  if (rrtype === 'SRV') return [{ ...head, srv: { name: text } }]
  return [NAMED_TYPES.has(rrtype) ? { ...head, rdata: text } : head]
}

/** Types whose data is a name. */
const NAMED_TYPES = new Set(['CNAME', 'MX', 'NS', 'PTR'])

const EVE_TLS: Readonly<Record<number, string>> = {
  768: 'SSLv3',
  769: 'TLSv1',
  770: 'TLS 1.1',
  771: 'TLS 1.2',
  772: 'TLS 1.3',
}

/** The first byte of the versions of drafts of TLS 1.3. */
const TLS_DRAFTS = 0x7f

function eveTlsVersion(version: number | undefined): string {
  if (version === undefined || version >>> 8 !== TLS_DRAFTS) {
    return EVE_TLS[version ?? 0] ?? 'UNDETERMINED'
  }
  const draft = version & 0xff
  return `TLS 1.3 draft-${draft < 16 ? '<16' : draft}`
}

export function eveTls({ ends, client, server }: TlsHandshake): Event {
  return {
    ...common('tls', ends),
    tls: {
      ...orNothing('sni', client?.serverName),
      version: eveTlsVersion(server?.version),
      ...orNothing('ja4', client && ja4(client, 'tcp')),
      ...(client !== undefined && client.alpn.length > 0 && { client_alpns: client.alpn }),
      ...orNothing('server_alpns', server?.alpn === undefined ? undefined : [server.alpn]),
    },
  }
}

export function eveQuic({ ends, version, client }: QuicHandshake): Event {
  return {
    ...common('quic', ends),
    quic: {
      version: String(version),
      ...orNothing('sni', client.serverName),
      ...orNothing('ja4', ja4(client, 'quic')),
    },
  }
}

export function eveHttp({ ends, request, response }: HttpExchange): Event {
  const [, hostname, port] = /^(.*?)(?::(\d{1,5}))?$/.exec(request?.host ?? '') ?? []
  return {
    ...common('http', ends),
    http: {
      ...(request?.host !== undefined && { hostname }),
      ...(port !== undefined && { http_port: Number(port) }),
      ...orNothing('url', request?.target),
      ...orNothing('http_user_agent', request?.userAgent),
      ...orNothing('http_refer', request?.referrer),
      ...orNothing('http_content_type', response?.contentType),
      ...orNothing('http_method', request?.method),
      ...orNothing('protocol', request && `HTTP/${request.version}`),
      ...orNothing('status', response?.status),
    },
  }
}

/** `SSH-2.0-OpenSSH_9.6 Debian-1`. */
function sshSide(text: string | undefined): Event | undefined {
  const [, version, software] = /^SSH-([^-]+)-(\S*)/.exec(text ?? '') ?? []
  return version === undefined ? undefined : { proto_version: version, software_version: software }
}

export function eveSsh({ ends, client, server }: SshHandshake): Event {
  return {
    ...common('ssh', ends),
    ssh: {
      ...orNothing('client', sshSide(client)),
      ...orNothing('server', sshSide(server)),
    },
  }
}

export function eveSmtp({ ends, helo }: SmtpOpening): Event {
  return { ...common('smtp', ends), smtp: { ...orNothing('helo', helo) } }
}

/** An event for each answer, as Suricata has them. */
export function eveKrb5({ ends, request, response }: KerberosExchange): Event[] {
  if (response === undefined) return []
  const isError = response.type === 'KRB-ERROR'
  return [
    {
      ...common('krb5', ends),
      krb5: {
        msg_type: isError ? 'KRB_ERROR' : `KRB_${response.type.replace('-', '_')}`,
        ...orNothing('cname', response.client ?? request?.client),
        ...orNothing('realm', response.realm ?? request?.realm),
        ...orNothing('sname', response.service ?? request?.service),
        ...(isError && {
          ...orNothing('failed_request', request && `KRB_${request.type.replace('-', '_')}`),
          error_code: kerberosErrorName(response.errorCode ?? 0),
        }),
      },
    },
  ]
}

export function eveNtlm({ ends, client }: NtlmExchange): Event[] {
  if (client === undefined) return []
  return [
    {
      ...common('smb', ends),
      smb: {
        command: 'SMB2_COMMAND_SESSION_SETUP',
        ntlmssp: {
          domain: client.domain ?? '',
          user: client.user ?? '',
          host: client.host ?? '',
        },
      },
    },
  ]
}

export function eveSmbMapping({ ends, path, share }: SmbMapping): Event {
  return {
    ...common('smb', ends),
    smb: {
      command: 'SMB2_COMMAND_TREE_CONNECT',
      share: path,
      ...orNothing('share_type', share === 'DISK' ? 'FILE' : share),
    },
  }
}
