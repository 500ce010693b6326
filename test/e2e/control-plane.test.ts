import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import {
  CreateFlowLogsCommand,
  type CreateFlowLogsCommandInput,
  DeleteFlowLogsCommand,
  DeleteTrafficMirrorSessionCommand,
  DescribeFlowLogsCommand,
  ModifyTrafficMirrorFilterRuleCommand,
  ModifyTrafficMirrorSessionCommand,
  paginateDescribeTrafficMirrorSessions,
} from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import { chooseReceiver } from '../../src/receive/open.js'
import { readParquet } from '../flowlog/parquet-file.js'
import { ethernet, MAC_A, MAC_B, tcp4, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { ControlledAppliance } from './controlled-appliance.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  NEEDS_BUILD,
  readStats,
  sumOf,
  UNHURRIED,
} from './program.js'

const HAS_RECVMMSG = chooseReceiver('auto') === 'recvmmsg'
const missing = HAS_RECVMMSG ? '' : ' (needs Linux and koffi)'

const ENI = 'eni-0aa11bb22cc33dd44'
const HERE = '10.0.0.9'
const THERE = '192.0.2.1'
const COUNT = 20

/** The mirrored interface; the outer source of what it mirrors is its primary address. */
const INVENTORY = `
interfaces:
  - NetworkInterfaceId: ${ENI}
    PrivateIpAddress: 127.0.0.1
    PrivateIpAddresses: [${HERE}]
    MacAddress: ${MAC_A}
    VpcId: vpc-0aa11bb22cc33dd44
    SubnetId: subnet-0aa11bb22cc33dd44
    InstanceId: i-0aa11bb22cc33dd44
    OwnerId: '999988887777'
    AvailabilityZoneId: use1-az1
`

const many = (frame: (number: number) => Buffer): Buffer[] =>
  Array.from({ length: COUNT }, (_, number) => frame(number))
const payload = Buffer.alloc(80)
const out = { src: HERE, dst: THERE }
/** COUNT flows of each kind, a packet each. */
const WEB = many((number) => ethernet(tcp4({ ...out, sport: 1000 + number, dport: 443, payload })))
const DNS = many((number) => ethernet(udp4({ ...out, sport: 2000 + number, dport: 53, payload })))
const ANSWERS = many((number) =>
  ethernet(tcp4({ src: THERE, dst: HERE, sport: 443, dport: 1000 + number, payload }), {
    src: MAC_B,
    dst: MAC_A,
  }),
)

const FIELDS = [
  'interface-id',
  'account-id',
  'vpc-id',
  'az-id',
  'flow-direction',
  'protocol',
  'packets',
]
const LOG_FORMAT = FIELDS.map((name) => `\${${name}}`).join(' ')
const KNOWN = `${ENI} 999988887777 vpc-0aa11bb22cc33dd44 use1-az1`

const flowLog = (of: Partial<CreateFlowLogsCommandInput>) =>
  new CreateFlowLogsCommand({
    ResourceIds: [ENI],
    ResourceType: 'NetworkInterface',
    TrafficType: 'ALL',
    LogDestinationType: 's3',
    LogDestination: 'arn:aws:s3:::flow-bucket',
    LogFormat: LOG_FORMAT,
    MaxAggregationInterval: 60,
    ...of,
  })

/** What a record of a quiet minute ends with, which one near the turn of a minute may see. */
const QUIET = ' - - -'

/** Lines of a flow log's published files, counted. */
function records(directory: string, flowLogId: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of filesBelow(directory)) {
    if (!name.includes(flowLogId) || !name.endsWith('.gz')) continue
    const lines = gunzipSync(readFileSync(join(directory, name)))
      .toString()
      .split('\n')
    for (const line of lines.slice(1, -1)) {
      if (!line.endsWith(QUIET)) counts[line] = (counts[line] ?? 0) + 1
    }
  }
  return counts
}

describe.skipIf(!IS_BUILT)(`the control plane of listen${NEEDS_BUILD}`, UNHURRIED, () => {
  test.skipIf(!HAS_RECVMMSG).each(['vni', 'flow'])(
    `decides what is captured, logged and shown, in several workers by %s${missing}`,
    async (steer) => {
      const dir = temporaryDirectory()
      const [captures, logs, stats] = ['captures', 'logs', 'stats.json'].map((name) =>
        join(dir, name),
      )
      const config = join(dir, 'mirrortap.yaml')
      writeFileSync(config, INVENTORY)
      const appliance = await ControlledAppliance.start(
        ...['--workers', '3', '--steer', steer, '--config', config, '--stats', stats!],
        ...['--capture-dir', captures!, '--flow-log-dir', logs!, '--rotate-interval', '30d'],
      )
      const framesOf = (session: string) =>
        filesBelow(join(captures!, session)).flatMap((name) =>
          readWritten(join(captures!, session, name)),
        )

      // Before it is registered, a session has the name that its packets give it.
      await appliance.send(7, DNS)
      const TrafficMirrorTargetId = await appliance.target()
      const TrafficMirrorFilterId = await appliance.filter()
      const rule = await appliance.rule(TrafficMirrorFilterId, {
        Protocol: 6,
        DestinationPortRange: { FromPort: 443, ToPort: 443 },
      })
      await appliance.rule(TrafficMirrorFilterId, { TrafficDirection: 'ingress', Protocol: 6 })
      const session = await appliance.session({
        NetworkInterfaceId: ENI,
        TrafficMirrorTargetId,
        TrafficMirrorFilterId,
        VirtualNetworkId: 7,
      })
      expect(framesOf('vni-7_127.0.0.1')).toHaveLength(COUNT)
      const made = [
        await appliance.ec2.send(flowLog({})),
        await appliance.ec2.send(
          flowLog({
            MaxAggregationInterval: 600,
            DestinationOptions: {
              FileFormat: 'parquet',
              HiveCompatiblePartitions: true,
              PerHourPartition: true,
            },
          }),
        ),
      ]
      const [text, parquet] = made.map(({ FlowLogIds }) => FlowLogIds![0]!)

      await appliance.send(7, [...WEB, ...DNS, ...ANSWERS])
      const flows = await appliance.flows(session)
      expect(flows).toHaveLength(2 * COUNT)
      expect(
        flows.every(({ Protocol, PacketCount }) => Protocol === '6' && PacketCount === 1),
      ).toBe(true)
      expect(await appliance.flows('mirrortap')).toHaveLength(2 * COUNT)

      // From the next packet on: other rules, and less of each.
      await appliance.ec2.send(
        new ModifyTrafficMirrorFilterRuleCommand({
          TrafficMirrorFilterRuleId: rule,
          Protocol: 17,
          RemoveFields: ['destination-port-range'],
        }),
      )
      await appliance.ec2.send(
        new ModifyTrafficMirrorSessionCommand({
          TrafficMirrorSessionId: session,
          PacketLength: 60,
        }),
      )
      await appliance.send(7, [...WEB, ...DNS])

      // What is deleted is whole, with its last records, before that is answered.
      await appliance.ec2.send(
        new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: session }),
      )
      const captured = framesOf(session)
      const inOrder = (frames: readonly Buffer[]) =>
        frames.map((frame) => frame.toString('hex')).sort()
      expect(inOrder(captured.map(({ frame }) => frame))).toEqual(
        inOrder([...WEB, ...ANSWERS, ...DNS.map((frame) => frame.subarray(0, 60))]),
      )
      expect(new Set(captured.map(({ originalLength }) => originalLength))).toEqual(
        new Set([WEB[0]!.length, DNS[0]!.length]),
      )
      await appliance.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds: [text!] }))
      expect(records(logs!, text!)).toEqual({
        [`${KNOWN} egress 6 1`]: COUNT,
        [`${KNOWN} ingress 6 1`]: COUNT,
        [`${KNOWN} egress 17 1`]: COUNT,
      })

      // Its packets are nobody's again, and those of the default flow log.
      await appliance.send(7, DNS)
      expect(await appliance.program.stop(), appliance.program.stderr).toBe(0)

      const [file] = filesBelow(logs!).filter((name) => name.includes(parquet!))
      expect(file).toMatch(
        /^AWSLogs\/aws-account-id=000000000000\/.*\/hour=\d\d\/[^/]+\.log\.parquet$/,
      )
      const files = filesBelow(logs!).filter((name) => name.includes(parquet!))
      const rows = await Promise.all(files.map((name) => readParquet(join(logs!, name))))
      expect(rows.flat().filter(({ packets }) => packets !== null)).toHaveLength(3 * COUNT)
      const report = readStats(stats!)
      expect(report).toMatchObject({
        received: 7 * COUNT,
        accepted: 5 * COUNT,
        filtered: 2 * COUNT,
        kernelLost: 0,
        sessions: [{ session: 'vni-7_127.0.0.1', received: COUNT }],
      })
      expect(report.deletedSessions.received).toBe(6 * COUNT)
      expect(report.flows.recordsLost).toBe(0)
      expect(report.flows.recordsWritten).toBeGreaterThanOrEqual(8 * COUNT)
      expect(sumOf(report)).toBe(report.received)
    },
  )

  test('is there again after a kill between any two calls, and packets go on', async () => {
    const dir = temporaryDirectory()
    const stats = join(dir, 'stats.json')
    const captures = join(dir, 'captures')
    const start = () =>
      ControlledAppliance.start(
        ...['--state', join(dir, 'state.json'), '--capture-dir', captures, '--stats', stats],
        ...['--unknown-sessions', 'drop'],
      )
    let appliance = await start()
    const again = async (): Promise<void> => {
      await appliance.kill()
      appliance = await start()
    }
    const TrafficMirrorTargetId = await appliance.target()
    await again()
    const TrafficMirrorFilterId = await appliance.filter()
    await again()
    await appliance.rule(TrafficMirrorFilterId, { Protocol: 6 })
    const session = await appliance.session({
      NetworkInterfaceId: ENI,
      TrafficMirrorTargetId,
      TrafficMirrorFilterId,
      VirtualNetworkId: 7,
    })
    await appliance.send(7, WEB)
    await again()
    const found: string[] = []
    for await (const page of paginateDescribeTrafficMirrorSessions({ client: appliance.ec2 }, {})) {
      found.push(...page.TrafficMirrorSessions!.map((of) => of.TrafficMirrorSessionId!))
    }
    expect(found).toEqual([session])
    expect(await appliance.flows(session)).toEqual([])
    await appliance.send(7, [...WEB, ...DNS])
    await appliance.send(8, WEB)
    await appliance.ec2.send(
      new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: session }),
    )
    await again()
    await appliance.send(7, WEB)
    expect(await appliance.program.stop()).toBe(0)
    expect(readStats(stats)).toMatchObject({ received: COUNT, unknownSession: COUNT, sessions: [] })
    const frames = filesBelow(captures).flatMap((name) => readWritten(join(captures, name)))
    // Of the first run that had packets, what had reached the disk; of the second all.
    expect(frames.length).toBeGreaterThanOrEqual(COUNT)
    expect(filesBelow(captures).every((name) => name.startsWith(`${session}/`))).toBe(true)
  })

  test('does what the configuration declares, without an API too', async () => {
    const dir = temporaryDirectory()
    const [captures, logs, stats] = ['captures', 'logs', 'stats.json'].map((name) =>
      join(dir, name),
    )
    const config = join(dir, 'mirrortap.yaml')
    writeFileSync(
      config,
      `${INVENTORY}
no-api: true
unknown-sessions: drop
TrafficMirrorTargets: [{ TrafficMirrorTargetId: tmt-here, NetworkInterfaceId: eni-here }]
TrafficMirrorFilters:
  - TrafficMirrorFilterId: tmf-web
    EgressFilterRules:
      - { RuleNumber: 1, RuleAction: accept, Protocol: 6, SourceCidrBlock: 0.0.0.0/0, DestinationCidrBlock: 0.0.0.0/0 }
TrafficMirrorSessions:
  - TrafficMirrorSessionId: tms-web
    NetworkInterfaceId: ${ENI}
    TrafficMirrorTargetId: tmt-here
    TrafficMirrorFilterId: tmf-web
    SessionNumber: 1
    VirtualNetworkId: 7
    PacketLength: 60
FlowLogs:
  - { FlowLogId: fl-0123456789abcdef0, ResourceId: vpc-0aa11bb22cc33dd44, LogFormat: '${LOG_FORMAT}' }
`,
    )
    const program = new Appliance([
      ...['--config', config, '--stats', stats!],
      ...['--capture-dir', captures!, '--flow-log-dir', logs!, '--rotate-interval', '30d'],
    ])
    const port = await program.port()
    const sender = await UdpSender.open('127.0.0.1')
    for (const vni of [7, 8]) {
      for (const frame of [...WEB, ...DNS]) await sender.send(vxlan(vni, frame), port, '127.0.0.1')
    }
    await sender.close()
    expect(await program.stop(), program.stderr).toBe(0)
    expect(readStats(stats!)).toMatchObject({
      received: 4 * COUNT,
      accepted: COUNT,
      filtered: COUNT,
      unknownSession: 2 * COUNT,
    })
    const frames = filesBelow(join(captures!, 'tms-web')).flatMap((name) =>
      readWritten(join(captures!, 'tms-web', name)),
    )
    expect(frames.map(({ frame }) => frame.length)).toEqual(WEB.map(() => 60))
    expect(records(logs!, 'fl-0123456789abcdef0')).toEqual({ [`${KNOWN} egress 6 1`]: COUNT })
  })

  test('takes flow logs that it cannot deliver, and says so', async () => {
    const appliance = await ControlledAppliance.start()
    await appliance.ec2.send(flowLog({}))
    const { FlowLogs } = await appliance.ec2.send(new DescribeFlowLogsCommand({}))
    expect(FlowLogs).toMatchObject([
      { DeliverLogsStatus: 'FAILED', DeliverLogsErrorMessage: 'Access error' },
    ])
  })
})
