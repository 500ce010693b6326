import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { runCommand } from '../support/run-command.js'

/**
 * Events of EVE against what Suricata's own tests ask of its events: the checks of this kind in a checkout of
 * suricata-verify that SURICATA_VERIFY names. Nothing of Suricata is part of the repository.
 */
const VERIFY = process.env['SURICATA_VERIFY'] ?? ''

/** Checks that this one makes are judged: its form of EVE is that of AWS Network Firewall. */
const VERSION = [7, 0, 10]

/** Fields that we write. Of others nothing is asked; a check of them asks for no fewer events than it says. */
const COMMON = 'event_type src_ip src_port dest_ip dest_port proto community_id'.split(' ')
const WRITTEN: Readonly<Record<string, RegExp>> = {
  flow: /^(?:flow\.(?:pkts_to\w+|start|end|age|state)|tcp\.(?:tcp_flags\w*|fin|syn|rst|psh|ack|urg))$/,
  netflow: /^netflow\.(?:pkts|start|end|age)$/,
  dns: /^dns\.(?:type|id|flags|qr|rrname|rrtype|rcode|version|answers.*)$/,
  tls: /^tls\.(?:sni|version|ja4|client_alpns.*|server_alpns.*)$/,
  quic: /^quic\.(?:version|sni|ja4)$/,
  http: /^http\.(?:hostname|url|http_user_agent|http_refer|http_content_type|http_method|protocol|status)$/,
  ssh: /^ssh\.(?:client|server)\.(?:proto_version|software_version)$/,
  smtp: /^smtp\.helo$/,
  krb5: /^krb5\.(?:msg_type|cname|realm|sname|failed_request|error_code)$/,
  smb: /^smb\.(?:command|share|share_type|ntlmssp\.(?:domain|user|host))$/,
}

/** What differs, by the test's folder and the type of event, and why. */
const KNOWN: readonly [RegExp, string][] = [
  [/ smb$/, 'of SMB only shares and logons are written'],
  [/http2.* http$/, 'HTTP/2 is not read'],
  [
    /^(?:bug-5464|bug-5633|bug-6402|decode-erspan|decode-teredo)/,
    'it is in a tunnel that is not read',
  ],
  [
    /^(?:geneve|vxlan)-decoder/,
    'mirrored packets are unwrapped, and each mirror session has flows of its own',
  ],
  [/^eve-flow-esp/, 'ESP has a flow for each pair of addresses, not for each SPI'],
  [
    /^(?:netflow-eve|nfs3-01) netflow/,
    "a netflow has the times of its direction, Suricata's those of the connection",
  ],
  [
    /^(?:bug-5825|bug-6109|cond-log|detect-bypass|dcerpc-smb-fail|bug-5162|exception-policy|http-gap|ssh-hassh|threshold)|query-only/,
    "the test's configuration leaves out, passes over or drops packets or events",
  ],
  [
    /^stream-async|^uricontent|^bug-2491/,
    'the test sets how Suricata takes connections of one direction',
  ],
  [
    /^(?:bug-814|smtp-eve|bittorrent-dht|tcp-fastopen)/,
    'states and sides of connections are counted otherwise',
  ],
  [/^dns-tcp-ts-gap|dns-incomplete/, 'a message of a stream with a gap, or cut, is not read'],
  [/junkrequest|invalid-opcode/, 'what is no DNS by its header is not read'],
  [/truncated-rname/, 'a name longer than RFC 1035 allows is none'],
  [/eve-log-srv/, 'of SRV only the name is written'],
  [/dns-udp-null/, 'data of NULL is not written'],
  [/^http-not09/, 'requests without a version are not read'],
  [/^http-protocol-nodup/, 'of a segment with several messages the first is read'],
  [/ quic$/, 'a QUIC handshake is one event, and older versions than 1 are not read'],
  [/draft14/, 'a ServerHello of this draft has another form'],
  [/^pgsql/, 'a ServerHello behind another protocol is not read'],
  [/^smtp-long-command|^smtp-rset/, 'of SMTP the first EHLO with a name is written, up to a bound'],
]

type Requirements = Readonly<Record<string, unknown>>
interface Filter {
  readonly count: number
  readonly match: Readonly<Record<string, unknown>>
  readonly filename?: string
  readonly requires?: Requirements
}
interface SuricataTest {
  readonly requires?: Requirements
  readonly pcap?: string
  readonly command?: string
  readonly skip?: unknown
  readonly checks?: readonly { readonly filter?: Filter }[]
}
interface Judged {
  readonly name: string
  readonly capture: string
  readonly filters: readonly Filter[]
  /** Whether its Community IDs are made with another seed than 0. */
  readonly isSeeded: boolean
}

function compareVersions(wanted: unknown): number {
  const parts = String(wanted).split('.').map(Number)
  const at = VERSION.findIndex((part, index) => part !== (parts[index] ?? 0))
  return at === -1 ? 0 : VERSION[at]! - (parts[at] ?? 0)
}

function isMet(requires: Requirements = {}): boolean {
  const ofMajor = String(requires['version'] ?? VERSION[0]).split('.')
  return (
    (requires['min-version'] === undefined || compareVersions(requires['min-version']) >= 0) &&
    (requires['gt-version'] === undefined || compareVersions(requires['gt-version']) > 0) &&
    (requires['lt-version'] === undefined || compareVersions(requires['lt-version']) < 0) &&
    ofMajor.every((part, index) => Number(part) === VERSION[index])
  )
}

function isWritten(type: string, key: string): boolean {
  const name = key.replace(/\.__\w+$/, '')
  return COMMON.includes(name) || WRITTEN[type]!.test(name)
}

/** The tests whose checks ask for something that we write. */
function tests(): Judged[] {
  const found: Judged[] = []
  for (const name of readdirSync(VERIFY, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!/(?:^|\/)test\.yaml$/.test(name)) continue
    const folder = dirname(join(VERIFY, name))
    const text = readFileSync(join(VERIFY, name), 'utf8')
    const { checks, pcap, command, skip, requires } = (parse(text, {
      version: '1.1',
      uniqueKeys: false,
      logLevel: 'silent',
    }) ?? {}) as SuricataTest
    const filters = (checks ?? []).flatMap(({ filter }) => (filter === undefined ? [] : [filter]))
    const wanted = filters.filter(
      ({ match, filename, requires: needs }) =>
        WRITTEN[String(match?.['event_type'])] !== undefined &&
        (filename ?? 'eve.json') === 'eve.json' &&
        isMet(needs),
    )
    if (wanted.length === 0 || command !== undefined || skip !== undefined) continue
    if (!isMet(requires)) continue
    const own = readdirSync(folder).filter((file) => /\.pcap(?:ng)?$/.test(file))
    const capture = typeof pcap === 'string' ? pcap : own.length === 1 ? own[0]! : ''
    if (capture === '' || !existsSync(join(folder, capture))) continue
    const path = join(folder, capture)
    const config = join(folder, 'suricata.yaml')
    const isSeeded =
      existsSync(config) && /community-id-seed: *[1-9]/.test(readFileSync(config, 'utf8'))
    found.push({ name: relative(VERIFY, folder), capture: path, filters: wanted, isSeeded })
  }
  return found
}

/** `dns.answers[0].rdata` of an event. */
function valueAt(key: string, event: unknown): unknown {
  let value = event
  for (const part of key.split('.')) {
    if (/^__(?!len)/.test(part)) break
    if (part === '__len') return (value as { length?: number } | undefined)?.length ?? -1
    const [, name, index] = /^(.*?)(?:\[(\d+)\])?$/.exec(part)!
    value = (value as Record<string, unknown> | undefined)?.[name!]
    if (index !== undefined) value = (value as unknown[] | undefined)?.[Number(index)]
    if (value === undefined) return undefined
  }
  return value
}

function matches(event: unknown, key: string, wanted: unknown): boolean {
  const value = valueAt(key, event)
  switch (/__(find|contains|startswith|endswith|gt|gte|lt|lte)$/.exec(key)?.[1]) {
    case 'find':
      return String(value).includes(String(wanted))
    case 'contains':
      return Array.isArray(value) && value.includes(wanted)
    case 'startswith':
      return String(value).startsWith(String(wanted))
    case 'endswith':
      return String(value).endsWith(String(wanted))
    case 'gt':
      return Number(value) > Number(wanted)
    case 'gte':
      return Number(value) >= Number(wanted)
    case 'lt':
      return Number(value) < Number(wanted)
    case 'lte':
      return Number(value) <= Number(wanted)
    default:
      // Names of DNS are in lower case, as Zeek has them.
      return isName(key) && typeof wanted === 'string'
        ? String(value).toLowerCase() === wanted.toLowerCase()
        : value === wanted
  }
}

function isName(key: string): boolean {
  return /^dns\..*(?:rrname|rdata)$/.test(key)
}

const events = new Map<string, Promise<unknown[]>>()

function eventsOf(capture: string, pairs: boolean): Promise<unknown[]> {
  const key = `${pairs} ${capture}`
  const made =
    events.get(key) ??
    runCommand('flows', '--format', 'eve', ...(pairs ? ['--pairs'] : []), capture).then(({ out }) =>
      out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as unknown),
    )
  events.set(key, made)
  return made
}

describe.skipIf(!existsSync(VERIFY))('events are those that tests of Suricata ask for', () => {
  const counts = new Map<string, { checks: number; equal: number; known: number }>()
  const reasons = new Map<string, number>()

  test.each(existsSync(VERIFY) ? tests() : [])(
    '$name',
    async ({ name, capture, filters, isSeeded }) => {
      const different: string[] = []
      for (const { count, match } of filters) {
        const type = String(match['event_type'])
        const row = counts.get(type) ?? { checks: 0, equal: 0, known: 0 }
        counts.set(type, row)
        const known = KNOWN.find(([where]) => where.test(`${name} ${type}`))?.[1]
        const asked = Object.entries(match).filter(
          ([field]) => isWritten(type, field) && !(isSeeded && field === 'community_id'),
        )
        const isExact = asked.length === Object.keys(match).length
        // A count of what has fields that we do not write says nothing of the others.
        if (!isExact && count === 0) continue
        row.checks++
        const found = (await eventsOf(capture, type !== 'netflow')).filter((event) =>
          asked.every(([field, value]) => matches(event, field, value)),
        ).length
        if (isExact ? found === count : found >= count) row.equal++
        else if (known !== undefined) {
          row.known++
          reasons.set(known, (reasons.get(known) ?? 0) + 1)
        } else
          different.push(
            `${count} asked, ${found} found of ${JSON.stringify(Object.fromEntries(asked))}`,
          )
      }
      expect(different).toEqual([])
    },
  )

  test('by type', () => {
    console.table(Object.fromEntries(counts))
    for (const [reason, count] of reasons) console.log(`${count}: ${reason}`)
    expect([...counts.values()].some(({ equal }) => equal > 0)).toBe(true)
  })
})
