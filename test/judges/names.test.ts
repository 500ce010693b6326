import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ApplicationReader } from '../../src/application/application-reader.js'
import { NETBIOS_NAME_PORT } from '../../src/application/netbios-name.js'
import { Offline } from '../../src/offline/offline.js'
import { ApplicationPackets } from '../../src/session/application-packets.js'
import { CAPTURES_DIR, captureFiles } from '../support/captures.js'
import { hasTool } from '../support/tools.js'

/**
 * Names against those that tshark finds in the same file, by protocol. What tshark finds and we
 * do not has a reason that tshark's own account of the packet shows, or the test fails.
 * LONG_TESTS judges all captures, with those below the folder that MORE_CAPTURES names, and prints the table.
 */

const IS_LONG = process.env['LONG_TESTS'] !== undefined
const HANDFUL = [
  'pcpp-ip6_fragments.pcap',
  'nfstream-avast_securedns.pcapng',
  'arkime_synthetic.pcap',
]

const FIELDS = [
  'frame.protocols',
  'frame.len',
  'frame.cap_len',
  'udp.dstport',
  'dns.qry.name',
  'dns.a',
  'dns.aaaa',
  'nbns.name',
  'tls.handshake.extensions_server_name',
  'http.host',
  'http.request.method',
  'http.request.uri',
  'http.response.code',
  'ssh.protocol',
  'smtp.req.command',
  'smtp.req.parameter',
  'smtp.response.code',
  'smtp.rsp.parameter',
  'kerberos.CNameString',
  'kerberos.SNameString',
  'kerberos.realm',
  'kerberos.crealm',
  'kerberos.msg_type',
  'tcp.seq',
  'smb2.cmd',
  'smb2.flags.response',
  'smb2.tree',
  'ntlmssp.auth.username',
  'ntlmssp.auth.domain',
  'ntlmssp.auth.hostname',
] as const

const KINDS = [
  'DNS query',
  'DNS address',
  'NetBIOS name',
  'TLS SNI',
  'QUIC SNI',
  'HTTP host',
  'HTTP request',
  'HTTP status',
  'SSH banner',
  'SMTP greeting',
  'SMTP client',
  'Kerberos name',
  'Kerberos realm',
  'SMB share',
  'NTLM name',
] as const
type Kind = (typeof KINDS)[number]

/** Values by kind, each with where it was seen. */
type Found = Map<Kind, Map<string, string>>

const TUNNEL_PORTS = new Set(['4789', '6081'])
const READ_LINKS = /^(?:eth|sll|null|raw|ppp|ip|ipv6|vlan|ethertype|ieee8021ad|mpls|pppoes|llc)$/

/** Why we do not have what tshark has, by the protocols of its packet (with `cut` and the ports it has) and the value. */
const REASONS: readonly [string, (path: readonly string[], value: string) => boolean][] = [
  ['the packet is quoted in an ICMP error', (path) => path.some((name) => /^icmp/.test(name))],
  ['its link layer is not read', ([link]) => !READ_LINKS.test(link!)],
  ['it is over SCTP', (path) => path.includes('sctp')],
  [
    'it is encrypted, and the file has the keys',
    (path) => path.includes('tls') && path.includes('http'),
  ],
  [
    'it is in a tunnel that a mirrored packet carries',
    (path) => path.filter((name) => /^(?:vxlan|geneve|gre|ipip|gtp)$/.test(name)).length > 1,
  ],
  [
    'it is a tunnel by the source port alone',
    (path) => path.includes('geneve') && !path.includes('tunnel-port'),
  ],
  ['the capture cut the packet in it', (path) => path.includes('cut')],
  ['it is a ticket within SMB or DCE/RPC', (path) => path.includes('spnego-krb5')],
  ['it is in the ticket that a request comes with', (path) => path.includes('ap-req')],
  ['it is the realm of the service in an error', (path) => path.includes('krb-error')],
  ['NTLM is read within SMB alone', (path) => path.includes('ntlmssp') && path.includes('ldap')],
  [
    'NTLM within SMB 1 is read of one segment',
    (path) => path.includes('ntlmssp') && path.includes('smb'),
  ],
  [
    'it is not the first line of its side',
    (path) => path.includes('smtp') && path.includes('later'),
  ],
  ['the name is none', (_path, value) => /^<unknown|^illegal.netbios/.test(value)],
  ['the file is of random damage', (path) => path.includes('damaged')],
]

/** Characters that programs show in different ways are one. */
function plain(text: string): string {
  return text.toLowerCase().replace(/\\(?:\d{3}|.)|[^\x21-\x7e]|\\$/g, '?')
}

function moreCaptures(): string[] {
  const folder = process.env['MORE_CAPTURES']
  if (folder === undefined) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:pcap|pcapng|trace|cap)$/.test(name))
    .sort()
    .map((name) => join(folder, name))
}

function add(found: Found, kind: Kind, value: string | undefined, where = ''): void {
  if (value === undefined || value === '') return
  const values = found.get(kind) ?? new Map<string, string>()
  found.set(kind, values)
  if (!values.has(value)) values.set(value, where)
}

async function ours(file: string): Promise<Found> {
  const found: Found = new Map()
  const reader = new ApplicationReader({
    dns: (ends, { questions, answers, additional }) => {
      const isNetbios = [ends.sourcePort, ends.destinationPort].includes(NETBIOS_NAME_PORT)
      for (const { name } of [...questions, ...(isNetbios ? [...answers, ...additional] : [])]) {
        if (isNetbios) add(found, 'NetBIOS name', plain(name))
        else add(found, 'DNS query', plain(name === '' ? '<root>' : name))
      }
      if (isNetbios) return
      for (const { address, text } of [...answers, ...additional]) {
        if (address !== undefined) add(found, 'DNS address', text)
      }
    },
    tls: (_ends, hello) => {
      if (hello.type === 'client') add(found, 'TLS SNI', hello.serverName)
    },
    quic: (_ends, _version, { serverName }) => add(found, 'QUIC SNI', serverName),
    http: (_ends, head) => {
      if (head.type === 'response') add(found, 'HTTP status', String(head.status))
      else {
        add(found, 'HTTP host', head.host)
        add(found, 'HTTP request', `${head.method} ${head.target}`)
      }
    },
    banner: (_ends, { type, text }) => {
      if (type === 'ssh') add(found, 'SSH banner', text)
      else if (type === 'helo') add(found, 'SMTP client', text)
      else add(found, 'SMTP greeting', plain(text.slice('220 '.length)))
    },
    kerberos: (_ends, { client, service, realm }) => {
      for (const name of [client, service]) {
        for (const part of name?.split('/') ?? []) add(found, 'Kerberos name', plain(part))
      }
      add(found, 'Kerberos realm', realm)
    },
    smb: (_ends, message) => {
      if (message.type === 'tree') add(found, 'SMB share', message.path)
      if (message.type !== 'authenticate') return
      const { user, domain, host } = message
      for (const name of [user, domain, host]) add(found, 'NTLM name', name)
    },
  })
  const packets = new ApplicationPackets(reader, undefined)
  const ports = { vxlanPort: 4789, genevePort: 6081 }
  const offline = new Offline({ decap: 'auto', ...ports, observe: packets.observe })
  // What comes before damage is judged too.
  await offline.read(file).catch(() => undefined)
  packets.end()
  return found
}

function tsharks(file: string): Found {
  const filter = 'dns || mdns || llmnr || nbns || tls.handshake || quic || http || ssdp || ssh'
  const more = 'smtp || kerberos || smb2 || ntlmssp'
  const fields = FIELDS.flatMap((name) => ['-e', name])
  const output = ['-T', 'fields', '-E', 'aggregator=\u0001', ...fields]
  let lines = ''
  try {
    lines = execFileSync('tshark', ['-n', '-r', file, '-Y', `${filter} || ${more}`, ...output], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch (error) {
    // Of a damaged file it says what it has read.
    lines = String((error as { stdout?: unknown }).stdout ?? '')
  }
  const found: Found = new Map()
  for (const line of lines.split('\n').filter((text) => text !== '')) {
    const cells = line.split('\t')
    const of = (name: (typeof FIELDS)[number]): string[] => {
      const cell = cells[FIELDS.indexOf(name)] ?? ''
      return cell === '' ? [] : cell.split('\u0001')
    }
    const ports = of('udp.dstport').map((port) => (TUNNEL_PORTS.has(port) ? 'tunnel-port' : port))
    const messages = of('kerberos.msg_type')
    const marks = [
      messages.includes('14') ? 'ap-req' : '',
      messages.includes('30') ? 'krb-error' : '',
      Number(of('tcp.seq')[0] ?? 0) > 1 ? 'later' : '',
    ]
    const where = [cells[0], cells[1] === cells[2] ? '' : 'cut', ...ports, ...marks].join(':')
    for (const name of of('dns.qry.name')) add(found, 'DNS query', plain(name), where)
    for (const name of ['dns.a', 'dns.aaaa'] as const) {
      for (const address of of(name)) add(found, 'DNS address', address, where)
    }
    for (const name of of('nbns.name')) {
      // `WORKSTATION<00> (Workstation/Redirector)`
      add(found, 'NetBIOS name', plain(name.replace(/ *<[0-9a-f]{2}>.*$/, '')), where)
    }
    const isQuic = cells[0]!.split(':').includes('quic')
    for (const name of of('tls.handshake.extensions_server_name')) {
      add(found, isQuic ? 'QUIC SNI' : 'TLS SNI', name, where)
    }
    for (const host of of('http.host')) add(found, 'HTTP host', host, where)
    const targets = of('http.request.uri')
    for (const [at, method] of of('http.request.method').entries()) {
      add(found, 'HTTP request', `${method} ${targets[at]}`, where)
    }
    for (const code of of('http.response.code')) add(found, 'HTTP status', code, where)
    for (const banner of of('ssh.protocol')) add(found, 'SSH banner', banner, where)
    if (/^(?:EHLO|HELO)$/i.test(of('smtp.req.command')[0] ?? '')) {
      add(found, 'SMTP client', of('smtp.req.parameter')[0], where)
    }
    if (of('smtp.response.code')[0] === '220') {
      const greeting = of('smtp.rsp.parameter')[0]
      add(found, 'SMTP greeting', greeting && plain(greeting.trimEnd()), where)
    }
    for (const name of [...of('kerberos.CNameString'), ...of('kerberos.SNameString')]) {
      for (const part of name.split('/')) add(found, 'Kerberos name', plain(part), where)
    }
    for (const name of ['kerberos.realm', 'kerberos.crealm'] as const) {
      for (const realm of of(name)) add(found, 'Kerberos realm', realm, where)
    }
    // tshark shows the share with every message that belongs to it.
    if (of('smb2.cmd').includes('3') && /^(?:0|False)$/.test(of('smb2.flags.response')[0] ?? '')) {
      for (const share of of('smb2.tree')) add(found, 'SMB share', share, where)
    }
    for (const name of ['username', 'domain', 'hostname'] as const) {
      for (const text of of(`ntlmssp.auth.${name}`)) {
        if (text !== 'NULL') add(found, 'NTLM name', text, where)
      }
    }
  }
  return found
}

interface Count {
  found: number
  tshark: number
  /** What tshark does not have: it looks for some protocols on their ports alone. */
  more: number
  readonly missed: Map<string, number>
}

describe.skipIf(!hasTool('tshark'))('names equal those of tshark', () => {
  const files = IS_LONG
    ? [...captureFiles(), ...moreCaptures()]
    : HANDFUL.map((name) => join(CAPTURES_DIR, name))
  const counts = new Map<Kind, Count>()

  test.for(files)('%s', async (file, { skip }) => {
    if (!existsSync(file)) skip(`${basename(file)} is absent`)
    const mine = await ours(file)
    const unexplained: string[] = []
    const theirs = tsharks(file)
    for (const kind of KINDS) {
      const count = counts.get(kind) ?? { found: 0, tshark: 0, more: 0, missed: new Map() }
      counts.set(kind, count)
      const names = mine.get(kind) ?? new Map<string, string>()
      for (const [value, where] of theirs.get(kind) ?? []) {
        count.tshark++
        if (names.has(value)) {
          count.found++
          continue
        }
        const path = [...where.split(':'), ...(basename(file).includes('fuzz') ? ['damaged'] : [])]
        const reason = REASONS.find(([, is]) => is(path, value))?.[0]
        if (reason === undefined) unexplained.push(`${kind} ${value} in ${where}`)
        else count.missed.set(reason, (count.missed.get(reason) ?? 0) + 1)
      }
      for (const value of names.keys()) if (!theirs.get(kind)?.has(value)) count.more++
    }
    expect(unexplained).toEqual([])
  })

  test.runIf(IS_LONG)('by protocol', () => {
    for (const [kind, { found, tshark, more, missed }] of counts) {
      const reasons = [...missed].map(([reason, count]) => `${count}: ${reason}`).join('; ')
      console.log(`${kind}: ${found} of ${tshark} (${more} more). ${reasons}`)
    }
    expect([...counts.values()].some(({ found }) => found > 0)).toBe(true)
  })
})
