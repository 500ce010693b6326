import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import {
  CreateFlowLogsCommand,
  DeleteFlowLogsCommand,
  DescribeFlowLogsCommand,
} from '@aws-sdk/client-ec2'
import { describe, expect, test } from 'vitest'
import { ethernet, tcp4 } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ControlledAppliance } from './controlled-appliance.js'
import { filesBelow, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const TGW = 'tgw-00000000000000001'
const [A, B] = ['10.1.0.9', '10.2.0.9']

/** Both interfaces mirror from loopback; their VNIs tell them apart. */
const CONFIG = `
interfaces:
  - { NetworkInterfaceId: eni-0000000000000000a, PrivateIpAddress: 127.0.0.1, PrivateIpAddresses: [${A}], VpcId: vpc-0000000a }
  - { NetworkInterfaceId: eni-0000000000000000b, PrivateIpAddress: 127.0.0.1, PrivateIpAddresses: [${B}], VpcId: vpc-0000000b }
TransitGateways:
  - { TransitGatewayId: ${TGW}, OwnerId: '111122223333' }
TransitGatewayAttachments:
  - { TransitGatewayAttachmentId: tgw-attach-0000000a, TransitGatewayId: ${TGW}, ResourceId: vpc-0000000a, CidrBlocks: [10.1.0.0/16] }
  - { TransitGatewayAttachmentId: tgw-attach-0000000b, TransitGatewayId: ${TGW}, ResourceId: vpc-0000000b, CidrBlocks: [10.2.0.0/16] }
`

describe.skipIf(!IS_BUILT)(`flow logs of a transit gateway${NEEDS_BUILD}`, UNHURRIED, () => {
  test('hold what two attached VPCs mirror of their traffic, once, made by the AWS SDK', async () => {
    const dir = temporaryDirectory()
    const config = join(dir, 'mirrortap.yaml')
    writeFileSync(config, CONFIG)
    const logs = join(dir, 'logs')
    const appliance = await ControlledAppliance.start('--config', config, '--flow-log-dir', logs)
    const TrafficMirrorTargetId = await appliance.target()
    const TrafficMirrorFilterId = await appliance.filter()
    await appliance.rule(TrafficMirrorFilterId, {})
    await appliance.rule(TrafficMirrorFilterId, { TrafficDirection: 'ingress' })
    for (const [name, VirtualNetworkId] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      const NetworkInterfaceId = `eni-0000000000000000${name}`
      const session = { NetworkInterfaceId, TrafficMirrorTargetId, TrafficMirrorFilterId }
      await appliance.session({ ...session, VirtualNetworkId })
    }
    const { FlowLogIds } = await appliance.ec2.send(
      new CreateFlowLogsCommand({
        ResourceIds: [TGW],
        ResourceType: 'TransitGateway',
        LogDestinationType: 's3',
        LogDestination: 'arn:aws:s3:::flow-bucket',
      }),
    )
    const { FlowLogs } = await appliance.ec2.send(new DescribeFlowLogsCommand({ FlowLogIds }))
    expect(FlowLogs).toMatchObject([{ ResourceId: TGW, MaxAggregationInterval: 60 }])
    expect(FlowLogs![0]!.TrafficType).toBeUndefined()

    const frame = ethernet(tcp4({ src: A!, dst: B!, sport: 1000, dport: 443 }))
    for (const vni of [1, 2]) await appliance.send(vni, [frame])
    await appliance.ec2.send(new DeleteFlowLogsCommand({ FlowLogIds }))

    const lines = filesBelow(logs)
      .filter((name) => name.includes(FlowLogIds![0]!) && name.endsWith('.log.gz'))
      .flatMap((name) =>
        gunzipSync(readFileSync(join(logs, name)))
          .toString()
          .split('\n')
          .slice(1, -1),
      )
    const crossing = lines.map((line) => {
      const words = line.split(' ')
      return [
        words.length,
        words[0],
        words[3],
        words[4],
        words[15],
        words[16],
        words[21],
        words[33],
      ]
    })
    expect(crossing).toEqual([
      [36, '6', TGW, 'tgw-attach-0000000a', 'tgw-attach-0000000b', A, '1', 'ingress'],
      [36, '6', TGW, 'tgw-attach-0000000b', 'tgw-attach-0000000a', A, '1', 'egress'],
    ])
    expect(await appliance.program.stop(), appliance.program.stderr).toBe(0)
  })
})
