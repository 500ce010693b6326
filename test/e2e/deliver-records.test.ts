import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { CreateFlowLogsCommand, DeleteFlowLogsCommand } from '@aws-sdk/client-ec2'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { AwsJsonServer } from '../support/aws-json-server.js'
import { CloudWatchLogsServer } from '../support/cloudwatch-logs-server.js'
import { FirehoseServer } from '../support/firehose-server.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ControlledAppliance } from './controlled-appliance.js'
import { filesBelow, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

const GROUP = '/flow/logs'
const INTERFACE = 'eni-0123456789abcdef0'
const RECEIVE = [
  '--max-aggregation-interval',
  '60',
  '--account-id',
  '123456789012',
  '--region',
  'us-east-1',
]

/** Places that take records, and what is at each of them: the lines, sorted, each once. */
const PLACES = [
  {
    name: 'CloudWatch Logs',
    flowLog: {
      LogDestinationType: 'cloud-watch-logs',
      LogGroupName: GROUP,
      DeliverLogsPermissionArn: 'arn:aws:iam::123456789012:role/logs',
    },
    start: async () => {
      const server = await CloudWatchLogsServer.start()
      const lines = () => server.events(GROUP).map((event) => event.replace(/^\S+ \d+ /, ''))
      return { server, lines: () => unique(lines()) }
    },
  },
  {
    name: 'Firehose',
    flowLog: {
      LogDestinationType: 'kinesis-data-firehose',
      LogDestination: 'arn:aws:firehose:us-east-1:123456789012:deliverystream/flow.logs_1',
    },
    start: async () => {
      const server = await FirehoseServer.start()
      return { server, lines: () => unique(server.lines()) }
    },
  },
] as const

afterEach(() => vi.unstubAllEnvs())

function reachable({ environment }: AwsJsonServer): void {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)].sort()
}

/** The records in the flow log's own files. */
function recordsBelow(directory: string): string[] {
  const names = filesBelow(directory).filter(
    (name) => name.startsWith('AWSLogs/') && name.endsWith('.log.gz'),
  )
  return unique(
    names.flatMap((name) =>
      gunzipSync(readFileSync(join(directory, name)))
        .toString()
        .split('\n')
        .slice(1, -1),
    ),
  )
}

describe.skipIf(!IS_BUILT).each(PLACES)(`the appliance and $name${NEEDS_BUILD}`, (place) => {
  test("delivers a client's flow log, the last records when it is deleted", UNHURRIED, async () => {
    const { server, lines } = await place.start()
    reachable(server)
    const logs = join(temporaryDirectory(), 'logs')
    const appliance = await ControlledAppliance.start('--flow-log-dir', logs, ...RECEIVE)
    const TrafficMirrorFilterId = await appliance.filter()
    await appliance.rule(TrafficMirrorFilterId, {})
    await appliance.session({
      NetworkInterfaceId: INTERFACE,
      TrafficMirrorTargetId: await appliance.target(),
      TrafficMirrorFilterId,
      VirtualNetworkId: 77,
    })
    const { FlowLogIds, Unsuccessful } = await appliance.ec2.send(
      new CreateFlowLogsCommand({
        ResourceType: 'NetworkInterface',
        ResourceIds: [INTERFACE],
        TrafficType: 'ALL',
        MaxAggregationInterval: 60,
        ...place.flowLog,
      }),
    )
    expect(Unsuccessful).toEqual([])
    await appliance.send(77, [
      ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 443 })),
    ])
    server.always = 'access-denied'
    await appliance.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds }))
    await appliance.program.says(/AccessDenied/)
    server.always = 'none'
    // Nothing is left to deliver.
    await until(() => !filesBelow(logs).some((name) => name.startsWith('.deliver/flow-log-')))
    expect(lines()).toHaveLength(1)
    expect(lines()).toEqual(recordsBelow(logs))
    expect(await appliance.program.stop()).toBe(0)
  })
})
