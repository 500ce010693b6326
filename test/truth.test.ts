import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FlowRow } from '../src/flow/flow-row.js'
import { rowsOf } from '../src/flow/flow-row.js'
import { Offline } from '../src/offline/offline.js'
import { formatIpv4, formatIpv6 } from '../src/wire/address.js'
import { captureFiles } from './support/captures.js'

/**
 * Flows of captures made by others against truth made by independent tools
 * (tshark, cross-checked with scapy). What the truth itself calls unsure is
 * held to a range; everything else must be equal.
 */

interface TruthFlow {
  srcaddr: string
  dstaddr: string
  srcport: number
  dstport: number
  protocol: number
  packets: number
  bytes: number
  first: string | null
  last: string | null
  tcp_flags?: number
  unsure_packets?: number
  unsure_bytes?: number
  ports_optional?: boolean
  path: string[]
}

interface TruthTunnel {
  encap: string
  udp_port: number
  depth: number
  vni: number | null
  flows: TruthFlow[]
}

interface Truth {
  format: { size: number }
  damage: { opens?: boolean } | null
  unsure_file?: unknown
  unreadable_by_tshark?: unknown
  flows: TruthFlow[]
  flows_fragments_attributed: TruthFlow[] | null
  tunnels: TruthTunnel[]
  unsure: { layer: string; reasons: string[] }[]
}

interface Flow {
  vni: number | null
  key: string
  packets: number
  bytes: number
  first: string
  last: string
  tcpFlags: number
}

/** Link layers that are taken off; a flow behind any other may be left out. */
const READ_PATHS =
  /^(?:(?:eth|sll|null|raw|ppp|chdlc)(?::(?:vlan|ieee8021ad|mpls|pppoes|ppp|llc))*)?$/

function time(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`
}

function addressText(row: FlowRow, words: Uint32Array): string {
  if (row.ipVersion === 4) return formatIpv4(words[0]!)
  return formatIpv6(words[0]!, words[1]!, words[2]!, words[3]!)
}

function keyOf(vni: number | null, flow: TruthFlow): string {
  const { srcaddr, dstaddr, srcport, dstport, protocol } = flow
  return `${vni} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol}`
}

function compareTime(left: string, right: string): number {
  const [leftSeconds, leftRest] = left.split('.') as [string, string]
  const [rightSeconds, rightRest] = right.split('.') as [string, string]
  return Number(leftSeconds) - Number(rightSeconds) || (leftRest < rightRest ? -1 : 1)
}

/** Our flows by key; sessions with one VNI from several sources are joined, as the truth has them. */
async function ourFlows(file: string, decap: 'auto' | 'none'): Promise<Map<string, Flow>> {
  const offline = new Offline({
    decap,
    vxlanPort: 4789,
    genevePort: 6081,
    flows: { capacity: 65_536 },
  })
  await offline.read(file)
  offline.tracker!.fragments.flush(Number.POSITIVE_INFINITY)
  offline.tracker!.countQueued()
  const flows = new Map<string, Flow>()
  const table = offline.tracker!.table
  for (let entry = 0; entry < table.used; entry++) {
    for (const row of rowsOf(offline.tracker!, entry)) {
      const vni = offline.session(row.session).vni
      const source = addressText(row, row.packetSource)
      const destination = addressText(row, row.packetDestination)
      const key = `${vni} ${source} ${destination} ${row.sourcePort} ${row.destinationPort} ${row.protocol}`
      const flow: Flow = {
        vni,
        key,
        packets: row.packets,
        bytes: row.bytes,
        first: time(row.firstSeconds, row.firstNanoseconds),
        last: time(row.lastSeconds, row.lastNanoseconds),
        tcpFlags: row.tcpFlags,
      }
      const other = flows.get(key)
      if (other !== undefined) {
        flow.packets += other.packets
        flow.bytes += other.bytes
        flow.tcpFlags |= other.tcpFlags
        if (compareTime(other.first, flow.first) < 0) flow.first = other.first
        if (compareTime(other.last, flow.last) > 0) flow.last = other.last
      }
      flows.set(key, flow)
    }
  }
  return flows
}

/** What must be found with the mirror layer taken off: what is inside, and outer flows that carry none. */
function expectedMirrored(truth: Truth): [number, TruthFlow][] {
  const first = truth.tunnels.filter(({ depth }) => depth === 1)
  const inside = truth.tunnels.filter(
    ({ depth, encap, udp_port }) => depth === 2 && encap === 'vxlan' && udp_port === 4789,
  )
  const found: [number, TruthFlow][] = []
  let gateway = false
  for (const { encap, udp_port, vni, flows } of first) {
    if (vni === null) continue
    if (encap === 'vxlan' && udp_port === 4789) found.push(...flows.map(pair(vni)))
    if (encap === 'geneve' && udp_port === 6081) {
      // VXLAN that lies in bare IP is a Gateway Load Balancer's: both layers go.
      const vxlan = (flow: TruthFlow) =>
        flow.protocol === 17 && flow.dstport === 4789 && flow.path.every((path) => path === '')
      gateway ||= flows.some(vxlan)
      found.push(...flows.filter((flow) => !vxlan(flow)).map(pair(vni)))
    }
  }
  if (gateway) {
    for (const { vni, flows } of inside) if (vni !== null) found.push(...flows.map(pair(vni)))
  }
  return found
}

function pair(vni: number): (flow: TruthFlow) => [number, TruthFlow] {
  return (flow) => [vni, flow]
}

function isTunnel(flow: TruthFlow): boolean {
  return flow.protocol === 17 && (flow.dstport === 4789 || flow.dstport === 6081)
}

/** Every difference, in words; empty when all is as it must be. */
function differences(
  expected: readonly (readonly [number | null, TruthFlow])[],
  ours: Map<string, Flow>,
  unsurePackets: number,
  timesUnsure: boolean,
): string[] {
  const found: string[] = []
  const left = new Map(ours)
  for (const [vni, flow] of expected) {
    if (!flow.path.every((path) => READ_PATHS.test(path))) continue
    const key = keyOf(vni, flow)
    const mine = left.get(key)
    left.delete(key)
    const most = flow.packets + (flow.unsure_packets ?? 0)
    if (mine === undefined) {
      if (flow.packets > 0) found.push(`${key}: missing, must have ${flow.packets} packets`)
      continue
    }
    if (mine.packets < flow.packets || mine.packets > most) {
      found.push(`${key}: ${mine.packets} packets, must be ${flow.packets} to ${most}`)
    }
    if ((flow.unsure_packets ?? 0) > 0) continue
    if (mine.bytes !== flow.bytes) found.push(`${key}: ${mine.bytes} bytes, not ${flow.bytes}`)
    if ((flow.tcp_flags ?? 0) !== mine.tcpFlags) {
      found.push(`${key}: flags ${mine.tcpFlags}, not ${flow.tcp_flags}`)
    }
    if (timesUnsure || flow.first === null) continue
    if (mine.first !== flow.first) found.push(`${key}: first ${mine.first}, not ${flow.first}`)
    if (mine.last !== flow.last) found.push(`${key}: last ${mine.last}, not ${flow.last}`)
  }
  const extra = [...left.values()].reduce((sum, { packets }) => sum + packets, 0)
  if (extra > unsurePackets) {
    for (const { key, packets } of left.values()) found.push(`${key}: ${packets} packets too many`)
  }
  return found
}

const files = captureFiles().filter((file) => existsSync(`${file}.truth.json`))

/**
 * The first fragments in these are themselves unsure (a TCP header that cannot be
 * one), so the truth gives what follows them to others, or to none.
 */
const FIRST_FRAGMENTS_UNSURE = new Set([
  'ndpi-ip_fragmented_garbage.pcap',
  'suricata-bug-6887-defrag-ppp-ipv4-tcp-syn.pcap',
])

/** Times that are not to be checked, with the reason of TRUTH.md. */
const TIMES_UNSURE = new Set(['nfstream-dhcp_big_endian.pcapng'])

describe.skipIf(files.length === 0)('flows of real captures (needs the captures folder)', () => {
  test.each(files.map((file) => ({ name: basename(file), file })))(
    '$name',
    async ({ name, file }) => {
      const truth = JSON.parse(readFileSync(`${file}.truth.json`, 'utf8')) as Truth
      if (truth.damage?.opens === false) {
        await expect(ourFlows(file, 'none')).rejects.toMatchObject({ name: 'OperatorError' })
        return
      }
      if (truth.unsure_file !== undefined || truth.format.size === 0) return
      const timesUnsure =
        TIMES_UNSURE.has(name) || (truth.unsure ?? []).some(({ layer }) => layer === 'timestamp')
      const unsure = (truth.unsure ?? []).filter(({ layer }) => layer !== 'timestamp').length

      // Later fragments count with their first, also one that comes after them.
      const whole = truth.flows_fragments_attributed ?? truth.flows
      const outer = whole.map((flow) => [null, flow] as const)
      if (FIRST_FRAGMENTS_UNSURE.has(name)) {
        const ours = [...(await ourFlows(file, 'none')).values()]
        const sum = (flows: readonly { packets: number }[]): number =>
          flows.reduce((total, { packets }) => total + packets, 0)
        expect(sum(ours)).toBe(sum(whole) + unsure)
        return
      }
      expect(differences(outer, await ourFlows(file, 'none'), unsure, timesUnsure)).toEqual([])

      const mirrored = await ourFlows(file, 'auto')
      const inner = [...mirrored].filter(([, { vni }]) => vni !== null)
      expect(differences(expectedMirrored(truth), new Map(inner), unsure, timesUnsure)).toEqual([])
      const others = [...mirrored].filter(
        ([key, { vni }]) => vni === null && !/ (4789|6081) 17$/.test(key),
      )
      const plain = outer.filter(([, flow]) => !isTunnel(flow))
      expect(differences(plain, new Map(others), unsure, timesUnsure)).toEqual([])
    },
  )
})
