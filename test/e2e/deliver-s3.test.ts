import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import {
  CreateFlowLogsCommand,
  DeleteFlowLogsCommand,
  DescribeFlowLogsCommand,
} from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ethernet, tcp4 } from '../support/frames.js'
import { digest, S3Server } from '../support/s3-server.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ControlledAppliance } from './controlled-appliance.js'
import {
  Appliance,
  filesBelow,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  UNHURRIED,
  until,
} from './program.js'

const SAMPLE = join(import.meta.dirname, '../../samples/web-and-dns.pcap')

let server: S3Server

beforeEach(async () => {
  server = await S3Server.start()
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value)
})
afterEach(() => vi.unstubAllEnvs())

/** Sends it packets, and resolves when it has them. */
async function feed(appliance: Appliance, vni = '7'): Promise<void> {
  const port = await appliance.port()
  const sender = mirrortap([
    'mirror',
    '--read',
    SAMPLE,
    '--to',
    `127.0.0.1:${port}`,
    '--vni',
    vni,
    '--speed',
    'max',
  ])
  expect(await sender.ended()).toBe(0)
}

/** The flow log files below the directory, as objects with this prefix. */
function filesOf(directory: string, prefix: string): Map<string, string> {
  const names = filesBelow(directory).filter(
    (name) => name.startsWith('AWSLogs/') && name.endsWith('.log.gz'),
  )
  return new Map(
    names.map((name) => [`${prefix}${name}`, digest(readFileSync(join(directory, name)))]),
  )
}

const RECEIVE = [
  '--max-aggregation-interval',
  '60',
  '--account-id',
  '123456789012',
  '--region',
  'us-east-1',
]

describe.skipIf(!IS_BUILT)(`the appliance and S3${NEEDS_BUILD}`, UNHURRIED, () => {
  test('delivers its flow log under the keys of AWS, its captures by session and time, and keeps the files', async () => {
    const directory = temporaryDirectory()
    const logs = join(directory, 'logs')
    const captures = join(directory, 'captures')
    const appliance = new Appliance([
      ...['--capture-dir', captures, '--deliver-captures', 's3://logs/cap'],
      '--flow-log-dir',
      logs,
      '--deliver',
      's3://logs/pre/fix',
      ...RECEIVE,
    ])
    await feed(appliance)
    expect(await appliance.stop()).toBe(0)
    const files = filesOf(logs, 'pre/fix/')
    expect(files.size).toBeGreaterThan(0)
    const kept = filesBelow(captures).filter((name) => name.endsWith('.pcap'))
    expect(kept).toContainEqual(expect.stringMatching(/^vni-7_127\.0\.0\.1\/\d{8}T\d{6}Z\.pcap$/))
    for (const name of kept) {
      files.set(`cap/${name}`, digest(readFileSync(join(captures, name))))
    }
    expect(server.objects()).toEqual(files)
  })

  test('delivers after a restart what it could not before', async () => {
    const directory = temporaryDirectory()
    const logs = join(directory, 'logs')
    const args = ['--flow-log-dir', logs, '--deliver', 's3://logs', ...RECEIVE]
    server.always = 'access-denied'
    const first = new Appliance(args)
    await feed(first)
    expect(await first.stop()).toBe(0)
    expect(first.stderr).toContain(
      'AccessDenied: as the script says; it is tried again until it works',
    )
    expect(first.stderr).toMatch(
      /the default flow log to s3:\/\/logs: \d+ files? of \d+ bytes wait/,
    )
    expect(server.objects().size).toBe(0)
    server.always = 'none'
    const second = new Appliance(args)
    await second.port()
    const files = filesOf(logs, '')
    // An object is there before its content is.
    await until(() => isDeepStrictEqual(server.objects(), files))
    expect(await second.stop()).toBe(0)
    expect(server.objects()).toEqual(files)
  })

  test("tells the truth of a client's flow log, and delivers its last file when it is deleted", async () => {
    const logs = join(temporaryDirectory(), 'logs')
    const appliance = await ControlledAppliance.start('--flow-log-dir', logs, ...RECEIVE)
    const TrafficMirrorTargetId = await appliance.target()
    const TrafficMirrorFilterId = await appliance.filter()
    await appliance.rule(TrafficMirrorFilterId, {})
    const NetworkInterfaceId = 'eni-0123456789abcdef0'
    await appliance.session({
      NetworkInterfaceId,
      TrafficMirrorTargetId,
      TrafficMirrorFilterId,
      VirtualNetworkId: 77,
    })
    const { FlowLogIds } = await appliance.ec2.send(
      new CreateFlowLogsCommand({
        ResourceType: 'NetworkInterface',
        ResourceIds: [NetworkInterfaceId],
        TrafficType: 'ALL',
        LogDestinationType: 's3',
        LogDestination: 'arn:aws:s3:::logs/of-a-client/',
        MaxAggregationInterval: 60,
      }),
    )
    const id = FlowLogIds![0]!
    const { FlowLogs } = await appliance.ec2.send(new DescribeFlowLogsCommand({ FlowLogIds }))
    expect(FlowLogs).toMatchObject([{ FlowLogId: id, DeliverLogsStatus: 'SUCCESS' }])

    const frame = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 443 }))
    await appliance.send(77, [frame])
    server.always = 'access-denied'
    await appliance.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds }))
    await appliance.program.says(/AccessDenied/)
    server.always = 'none'
    // Nothing is left to deliver.
    await until(() => !filesBelow(logs).some((name) => name.startsWith('.deliver/flow-log-')))
    expect(server.objects().size).toBe(1)
    const [key, content] = [...server.objects()][0]!
    expect(key).toMatch(/^of-a-client\/AWSLogs\/123456789012\/vpcflowlogs\/us-east-1\//)
    expect(key).toContain(`_${id}_`)
    expect(digest(readFileSync(join(logs, key.slice('of-a-client/'.length))))).toBe(content)
    expect(await appliance.program.stop()).toBe(0)
  })

  test('with --no-deliver asks nobody', async () => {
    const directory = temporaryDirectory()
    const logs = join(directory, 'logs')
    const appliance = new Appliance(['--flow-log-dir', logs, '--no-deliver', ...RECEIVE])
    await feed(appliance)
    expect(await appliance.stop()).toBe(0)
    expect(filesOf(logs, '').size).toBeGreaterThan(0)
    expect(server.requests).toBe(0)
  })

  test.each([
    {
      url: 'S3://logs',
      says: "'S3://logs' is not a destination: give it as s3://bucket/prefix, cloudwatch-logs://group, firehose://stream, nats://host:port/stream, ipfix+udp://host:port or ipfix+tcp://host:port",
    },
    { url: 's3://', says: "'s3://' is not a destination: give it as s3://bucket/prefix" },
    {
      url: 'logs',
      says: "'logs' is not a destination: give it as s3://bucket/prefix, cloudwatch-logs://group, firehose://stream, nats://host:port/stream, ipfix+udp://host:port or ipfix+tcp://host:port",
    },
    {
      url: 'firehose://a/b',
      says: "'firehose://a/b' is not a destination: give it as firehose://stream",
    },
    {
      url: 'cloudwatch-logs://a:b',
      says: "'cloudwatch-logs://a:b' is not a destination: give it as cloudwatch-logs://group",
    },
  ])('refuses to deliver to $url', async ({ url, says }) => {
    const appliance = new Appliance(['--flow-log-dir', temporaryDirectory(), '--deliver', url])
    expect(await appliance.ended()).toBe(2)
    expect(appliance.stderr.trim()).toBe(`mirrortap: ${says}`)
  })
})
