import {
  DescribeFlowOperationCommand,
  type Flow,
  type FlowFilter,
  InvalidRequestException,
  ListFlowOperationResultsCommand,
  NetworkFirewallClient,
  paginateListFirewalls,
  paginateListFlowOperationResults,
  paginateListFlowOperations,
  ResourceNotFoundException,
  StartFlowCaptureCommand,
  StartFlowFlushCommand,
} from '@aws-sdk/client-network-firewall'
import { describe, expect, onTestFinished, test } from 'vitest'
import { networkFirewallActions } from '../../../src/api/network-firewall/actions.js'
import { FlowOperations } from '../../../src/api/network-firewall/flow-operations.js'
import { Pool } from '../../../src/appliance/pool.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import { LIFETIMES } from '../../../src/flow/lifetime.js'
import { chooseReceiver } from '../../../src/receive/open.js'
import { TCP_ACK, TCP_SYN } from '../../../src/wire/tcp.js'
import { IS_BUILT, NEEDS_BUILD } from '../../e2e/program.js'
import { ethernet, tcp4, udp6, vxlan } from '../../support/frames.js'
import { UdpSender } from '../../support/udp-sender.js'
import { ALICE, REGION, startApi } from '../running-api.js'
import { arnOf } from './caller.js'

const HOST = '127.0.0.1'
/** As names of firewalls have it. */
const NAMED = '127-0-0-1'
const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
/** Threads cannot run TypeScript. */
const WORKER = new URL('../../../dist/appliance/worker.js', import.meta.url)

/** An appliance on loopback with the API before it, and packets to be sent to it. */
class Appliance {
  /** What the clock of the API is ahead of that of the packets. */
  aheadMs = 0
  sent = 0
  readonly client: NetworkFirewallClient
  readonly pool: Pool
  readonly #sender: UdpSender

  private constructor(pool: Pool, sender: UdpSender, url: string) {
    this.pool = pool
    this.#sender = sender
    const { accessKeyId, secretAccessKey } = ALICE
    this.client = new NetworkFirewallClient({
      endpoint: url,
      region: REGION,
      credentials: { accessKeyId, secretAccessKey },
      // On a busy machine a receiving thread may be silent for 3 s, and then is said to hang.
      maxAttempts: 10,
    })
  }

  static async start(workers: number, choice: 'dgram' | 'recvmmsg'): Promise<Appliance> {
    const options = {
      workers,
      steer: 'vni' as const,
      column: {
        sessionKey: 'source+vni' as const,
        unknownSessions: 'accept' as const,
        maxSessions: 16,
        maxFlows: 1000,
        sessionQuota: 1000,
        lifetime: LIFETIMES.nfw,
        duplicates: 'keep' as const,
      },
      receiver: { choice, host: HOST, port: 0, genevePort: undefined, receiveBufferBytes: 1 << 20 },
      onProblem: (line: string) => expect.fail(line),
      onFailure: (error: Error) => expect.fail(error.message),
    }
    const pool = await Pool.start(options, WORKER)
    const sender = await UdpSender.open(HOST)
    const plane = await ControlPlane.open({ onProblem: (line) => expect.unreachable(line) })
    const operations = new FlowOperations(pool, () => Date.now() + appliance.aheadMs)
    const { url } = await startApi({ networkFirewall: networkFirewallActions(operations, plane) })
    const appliance: Appliance = new Appliance(pool, sender, url)
    onTestFinished(async () => {
      appliance.client.destroy()
      await sender.close()
      await pool.stop()
    })
    return appliance
  }

  /** Sends frames of a session, and waits until they have been counted. */
  async send(vni: number, ...packets: Buffer[]): Promise<void> {
    for (const packet of packets) {
      await this.#sender.send(vxlan(vni, ethernet(packet)), this.pool.listening.port, HOST)
    }
    this.sent += packets.length
    for (;;) if ((await this.pool.report()).received === this.sent) return
  }

  /** A flow capture from its request to its last page. */
  async capture(FlowFilters: FlowFilter[], firewall = 'mirrortap', age = 0): Promise<string[]> {
    const FirewallArn = arnOf(firewall)
    const input = { FirewallArn, FlowFilters, MinimumFlowAgeInSeconds: age }
    const { FlowOperationId } = await this.client.send(new StartFlowCaptureCommand(input))
    return this.results(FirewallArn, FlowOperationId!)
  }

  /** What came of an operation, once it is over. */
  async results(FirewallArn: string, FlowOperationId: string): Promise<string[]> {
    const { client } = this
    const which = { FirewallArn, FlowOperationId }
    for (;;) {
      const { FlowOperationStatus } = await client.send(new DescribeFlowOperationCommand(which))
      if (FlowOperationStatus === 'IN_PROGRESS') continue
      expect(FlowOperationStatus).toBe('COMPLETED')
      break
    }
    const flows: string[] = []
    const pages = paginateListFlowOperationResults({ client, pageSize: 3 }, { ...which })
    for await (const page of pages) {
      expect(page).toMatchObject({ ...which, FlowOperationStatus: 'COMPLETED' })
      expect(page.Flows!.length).toBeLessThanOrEqual(3)
      flows.push(...page.Flows!.map(flowText))
    }
    return flows.sort()
  }
}

function flowText(flow: Flow): string {
  const source = `${flow.SourceAddress!.AddressDefinition} ${flow.SourcePort}`
  const destination = `${flow.DestinationAddress!.AddressDefinition} ${flow.DestinationPort}`
  return `${flow.Protocol}: ${source} > ${destination}, ${flow.PacketCount} of ${flow.ByteCount}`
}

const ends = { src: '10.0.1.7', dst: '10.0.2.9' }
const out = (port: number, payload = 0) =>
  tcp4({ ...ends, sport: port, dport: 443, flags: TCP_ACK, payload: Buffer.alloc(payload) })
const back = (port: number) =>
  tcp4({ src: ends.dst, dst: ends.src, sport: 443, dport: port, flags: TCP_SYN | TCP_ACK })
const dns = (port: number) =>
  udp6({ src: '2001:db8::7', dst: '2001:db8::53', sport: port, dport: 53 })

const CASES = [
  { workers: 1, choice: 'dgram', able: true },
  { workers: 2, choice: 'recvmmsg', able: HAS_RECVMMSG },
] as const

describe.skipIf(!IS_BUILT)(`flow operations by the AWS SDK${NEEDS_BUILD}`, () => {
  for (const { workers, choice, able } of CASES) {
    const by = `${workers} by ${choice}${able ? '' : ' (needs Linux and koffi)'}`

    test.skipIf(!able)(`a capture finds the flows that were sent: ${by}`, async () => {
      const appliance = await Appliance.start(workers, choice)
      for (const vni of [10, 11]) {
        await appliance.send(vni, out(vni), back(vni), out(vni, 100), dns(vni))
      }
      expect(await appliance.capture([])).toEqual([
        '17: 2001:db8::7 10 > 2001:db8::53 53, 1 of 48',
        '17: 2001:db8::7 11 > 2001:db8::53 53, 1 of 48',
        '6: 10.0.1.7 10 > 10.0.2.9 443, 2 of 180',
        '6: 10.0.1.7 11 > 10.0.2.9 443, 2 of 180',
        '6: 10.0.2.9 443 > 10.0.1.7 10, 1 of 40',
        '6: 10.0.2.9 443 > 10.0.1.7 11, 1 of 40',
      ])
      const filters = [
        { SourceAddress: { AddressDefinition: '10.0.1.0/24' }, Protocols: ['6'] },
        { DestinationPort: '50:60', SourcePort: '11' },
      ]
      expect(await appliance.capture(filters)).toEqual([
        '17: 2001:db8::7 11 > 2001:db8::53 53, 1 of 48',
        '6: 10.0.1.7 10 > 10.0.2.9 443, 2 of 180',
        '6: 10.0.1.7 11 > 10.0.2.9 443, 2 of 180',
      ])

      // Of one session, by its name.
      const { client } = appliance
      const names: string[] = []
      for await (const page of paginateListFirewalls({ client, pageSize: 2 }, {})) {
        names.push(...page.Firewalls!.map(({ FirewallName }) => FirewallName!))
      }
      expect(names).toEqual(['mirrortap', `vni-10-${NAMED}`, `vni-11-${NAMED}`])
      expect(await appliance.capture([{ Protocols: ['17'] }], names[2])).toEqual([
        '17: 2001:db8::7 11 > 2001:db8::53 53, 1 of 48',
      ])

      // A minute later; UDP without a reply is idle by then, and the TCP flows of a handshake are not.
      expect(await appliance.capture([], 'mirrortap', 60)).toEqual([])
      appliance.aheadMs = 61_000
      expect(await appliance.capture([], 'mirrortap', 60)).toHaveLength(4)
      expect(await appliance.capture([], 'mirrortap', 70)).toEqual([])
    })

    test.skipIf(!able)(`a flush ends what it matches and nothing else: ${by}`, async () => {
      const appliance = await Appliance.start(workers, choice)
      const { client } = appliance
      for (const vni of [10, 11]) await appliance.send(vni, out(vni), back(vni), dns(vni))
      const FirewallArn = arnOf('mirrortap')
      const FlowFilters = [{ SourcePort: '443' }]
      const flush = new StartFlowFlushCommand({ FirewallArn, FlowFilters })
      const { FlowOperationId } = await client.send(flush)
      expect(await appliance.results(FirewallArn, FlowOperationId!)).toEqual([
        '6: 10.0.2.9 443 > 10.0.1.7 10, 1 of 40',
        '6: 10.0.2.9 443 > 10.0.1.7 11, 1 of 40',
      ])
      expect((await appliance.pool.report()).flows).toMatchObject({
        live: 2,
        ended: { flushed: 2 },
      })
      const left = await appliance.capture([])
      expect(left.map((text) => text.split(':')[0])).toEqual(['17', '17'])

      // What goes on begins anew.
      await appliance.send(10, out(10, 100))
      expect(await appliance.capture([{ Protocols: ['6'] }])).toEqual([
        '6: 10.0.1.7 10 > 10.0.2.9 443, 1 of 140',
      ])

      const types: string[] = []
      const pages = paginateListFlowOperations({ client, pageSize: 2 }, { FirewallArn })
      for await (const { FlowOperations } of pages) {
        types.push(...FlowOperations!.map(({ FlowOperationType }) => FlowOperationType!))
      }
      expect(types).toEqual(['FLOW_CAPTURE', 'FLOW_CAPTURE', 'FLOW_FLUSH'])
      const described = await client.send(
        new DescribeFlowOperationCommand({ FirewallArn, FlowOperationId }),
      )
      expect(described).toMatchObject({ FlowOperation: { FlowFilters } })
      expect(Math.abs(Date.now() - described.FlowRequestTimestamp!.getTime())).toBeLessThan(60_000)
    })
  }

  test('refusals are the exceptions of the model', async () => {
    const { client } = await Appliance.start(1, 'dgram')
    const FirewallArn = arnOf('mirrortap')
    await expect(
      client.send(
        new StartFlowCaptureCommand({ FirewallArn, FlowFilters: [{ SourcePort: 'http' }] }),
      ),
    ).rejects.toThrow(InvalidRequestException)
    const FlowOperationId = '6f1c2d3e-4b5a-4978-8c9d-0e1f2a3b4c5d'
    await expect(
      client.send(new ListFlowOperationResultsCommand({ FirewallArn, FlowOperationId })),
    ).rejects.toThrow(ResourceNotFoundException)
    await expect(
      client.send(new StartFlowFlushCommand({ FirewallArn: arnOf('x'), FlowFilters: [] })),
    ).rejects.toThrow(ResourceNotFoundException)
  })
})
