import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { resourcesIn } from '../../../src/cli/listen/config-resources.js'
import { YamlFile } from '../../../src/control/yaml-file.js'
import { OperatorError } from '../../../src/errors.js'
import { DEFAULT_LOG_FORMAT } from '../../../src/flowlog/log-format.js'
import { temporaryDirectory } from '../../support/temporary.js'

function read(yaml: string) {
  const path = join(temporaryDirectory(), 'mirrortap.yaml')
  writeFileSync(path, yaml)
  return resourcesIn(YamlFile.read('the configuration', path))
}

const SESSION = `
TrafficMirrorSessions:
  - TrafficMirrorSessionId: tms-web
    NetworkInterfaceId: eni-elsewhere
    TrafficMirrorTargetId: tmt-saved
    TrafficMirrorFilterId: tmf-saved
    SessionNumber: 1
    VirtualNetworkId: 7
`

const GATEWAYS = `
TransitGateways:
  - { TransitGatewayId: tgw-1, OwnerId: '111122223333' }
TransitGatewayAttachments:
  - TransitGatewayAttachmentId: tgw-attach-a
    TransitGatewayId: tgw-1
    ResourceType: vpc
    ResourceId: vpc-a
    ResourceOwnerId: '444455556666'
    SubnetIds: [subnet-a]
    CidrBlocks: [10.1.0.0/16, 'fd00:1::/56']
`

describe('resourcesIn', () => {
  test.each(['', '# port: 5000\n', 'port: 5000\nno-api: true\n'])('finds none in %j', (yaml) => {
    expect(read(yaml)).toEqual({
      interfaces: [],
      targets: [],
      filters: [],
      sessions: [],
      flowLogs: [],
      transitGateways: [],
    })
  })

  test.each(['interfaces', 'NetworkInterfaces'])('reads the inventory from %s', (key) => {
    const { interfaces } = read(`
port: 4789
${key}:
  - NetworkInterfaceId: eni-web
    PrivateIpAddress: 10.0.0.9
    PrivateIpAddresses: [10.0.0.9, { PrivateIpAddress: 10.0.0.10 }]
    Ipv6Addresses: ['fd00::9']
    MacAddress: '02:85:69:c2:ab:02'
    TagSet: [{ Key: Name, Value: web }]
    InstanceTags: [{ Key: Name, Value: i }]
`)
    expect(interfaces).toMatchObject([
      {
        id: 'eni-web',
        addresses: ['10.0.0.9', '10.0.0.10', 'fd00::9'],
        macAddress: '02:85:69:c2:ab:02',
        tags: [{ key: 'Name', value: 'web' }],
        instanceTags: [{ key: 'Name', value: 'i' }],
      },
    ])
  })

  test('leaves it to others whether what sessions name is there', () => {
    expect(read(SESSION).sessions).toMatchObject([{ id: 'tms-web', filterId: 'tmf-saved' }])
  })

  test('reads flow logs, with their defaults', () => {
    const { flowLogs } = read(`
FlowLogs:
  - { FlowLogId: fl-0123456789abcdef0, ResourceId: eni-web }
  - FlowLogId: fl-0123456789abcdef1
    ResourceId: vpc-0123456789abcdef0
    TrafficType: ACCEPT
    LogFormat: '\${srcaddr}  \${dstaddr}'
    MaxAggregationInterval: 60
    DestinationOptions: { FileFormat: parquet, PerHourPartition: true }
`)
    expect(flowLogs).toMatchObject([
      {
        resourceType: 'NetworkInterface',
        trafficType: 'ALL',
        logFormat: DEFAULT_LOG_FORMAT.text,
        maxAggregationSeconds: 600,
        destinationOptions: { fileFormat: 'plain-text', perHourPartition: false },
      },
      {
        resourceType: 'VPC',
        trafficType: 'ACCEPT',
        logFormat: '${srcaddr} ${dstaddr}',
        maxAggregationSeconds: 60,
        destinationOptions: { fileFormat: 'parquet', perHourPartition: true },
      },
    ])
  })

  test('reads transit gateways with their attachments, and flow logs of both', () => {
    const { transitGateways, flowLogs } = read(`${GATEWAYS}
FlowLogs:
  - { FlowLogId: fl-0123456789abcdef0, ResourceId: tgw-1 }
  - { FlowLogId: fl-0123456789abcdef1, ResourceId: tgw-attach-a, MaxAggregationInterval: 60 }
`)
    expect(transitGateways).toEqual([
      {
        id: 'tgw-1',
        ownerId: '111122223333',
        attachments: [
          {
            id: 'tgw-attach-a',
            vpcId: 'vpc-a',
            vpcOwnerId: '444455556666',
            subnetIds: ['subnet-a'],
            cidrBlocks: ['10.1.0.0/16', 'fd00:1::/56'],
          },
        ],
      },
    ])
    const common = { trafficType: undefined, maxAggregationSeconds: 60 }
    expect(flowLogs).toMatchObject([
      { resourceType: 'TransitGateway', ...common },
      { resourceType: 'TransitGatewayAttachment', ...common },
    ])
    expect(flowLogs[0]!.logFormat).toMatch(/^\$\{version\} \$\{resource-type\} /)
  })

  test.each([
    {
      yaml: GATEWAYS.replace('TransitGatewayId: tgw-1,', 'TransitGatewayId: tgw-2,'),
      says: 'TransitGatewayAttachments[0].TransitGatewayId is not in TransitGateways; there are tgw-2, not "tgw-1"',
    },
    {
      yaml: GATEWAYS.replace("[10.1.0.0/16, 'fd00:1::/56']", '[]'),
      says: "TransitGatewayAttachments[0].CidrBlocks must be a list of the VPC's CIDR blocks",
    },
    {
      yaml: 'FlowLogs:\n  - { FlowLogId: fl-0123456789abcdef0, ResourceId: tgw-1, TrafficType: ALL }',
      says: 'FlowLogs[0].TrafficType must be left out for a transit gateway, not "ALL"',
    },
    {
      yaml: 'FlowLogs:\n  - { FlowLogId: fl-0123456789abcdef0, ResourceId: tgw-1, MaxAggregationInterval: 600 }',
      says: 'FlowLogs[0].MaxAggregationInterval must be 60 for a transit gateway, not 600',
    },
  ])('says of transit gateways: $says', ({ yaml, says }) => {
    expect(() => read(yaml)).toThrow(says)
  })

  test.each([
    {
      yaml: 'interfaces: [{ NetworkInterfaceId: eni-a }, { NetworkInterfaceId: eni-a }]',
      says: 'mirrortap.yaml:1: interfaces[1].NetworkInterfaceId is there already, not "eni-a"',
    },
    {
      yaml: 'interfaces: []\nNetworkInterfaces: []',
      says: 'mirrortap.yaml:2: NetworkInterfaces and interfaces are the same: give one of them',
    },
    {
      yaml: SESSION.replace('VirtualNetworkId: 7', 'VirtualNetworkId: 16777216'),
      says: 'mirrortap.yaml:8: TrafficMirrorSessions[0].VirtualNetworkId must be a whole number from 0 to 16777215, not 16777216',
    },
    {
      yaml: 'FlowLogs:\n  - { FlowLogId: fl-web, ResourceId: eni-a }',
      says: 'mirrortap.yaml:2: FlowLogs[0].FlowLogId must be fl- and 17 hexadecimal digits, not "fl-web"',
    },
    {
      yaml: 'FlowLogs:\n  - { FlowLogId: fl-0123456789abcdef0, ResourceId: rtb-1 }',
      says: 'FlowLogs[0].ResourceId must be the id of an interface, a subnet, a VPC, a transit gateway or its attachment, not "rtb-1"',
    },
    {
      yaml: 'FlowLogs:\n  - { FlowLogId: fl-0123456789abcdef0, ResourceId: eni-a, MaxAggregationInterval: 61 }',
      says: 'FlowLogs[0].MaxAggregationInterval must be 60 or 600, not 61',
    },
    {
      yaml: "FlowLogs:\n  - { FlowLogId: fl-0123456789abcdef0, ResourceId: eni-a, LogFormat: '${nothing}' }",
      says: "the log format names an unknown field 'nothing'",
    },
  ])('refuses in one line: $says', ({ yaml, says }) => {
    let refused: unknown
    try {
      read(yaml)
    } catch (error) {
      refused = error
    }
    expect(refused).toBeInstanceOf(OperatorError)
    expect(refused).toMatchObject({ exitCode: 2 })
    expect((refused as Error).message).toContain(says)
    expect((refused as Error).message).not.toContain('\n')
  })
})
