import type {
  FlowLog,
  MirrorFilter,
  MirrorSession,
  MirrorTarget,
  NetworkInterface,
} from '../../src/mirror/resources.js'

export const TARGET: MirrorTarget = {
  id: 'tmt-00000000000000001',
  ownerId: '111122223333',
  kind: 'network-interface',
  address: 'eni-0ff00ee11dd22cc33',
  tags: [],
}

export const FILTER: MirrorFilter = {
  id: 'tmf-00000000000000001',
  networkServices: ['amazon-dns'],
  rules: [
    {
      id: 'tmfr-00000000000000001',
      direction: 'ingress',
      ruleNumber: 10,
      action: 'accept',
      protocol: 6,
      sourcePortRange: { from: 0, to: 65535 },
      destinationPortRange: { from: 443, to: 443 },
      sourceCidr: '0.0.0.0/0',
      destinationCidr: '10.0.0.0/8',
      description: 'web',
      tags: [{ key: 'a', value: '' }],
    },
  ],
  tags: [],
}

export const SESSION: MirrorSession = {
  id: 'tms-00000000000000001',
  description: 'tëst "✓"',
  ownerId: '111122223333',
  networkInterfaceId: 'eni-0aa11bb22cc33dd44',
  targetId: TARGET.id,
  filterId: FILTER.id,
  packetLength: 100,
  sessionNumber: 1,
  virtualNetworkId: 7,
  tags: [{ key: 'Name', value: 'web-1' }],
}

export const FLOW_LOG: FlowLog = {
  id: 'fl-00000000000000001',
  createdAt: 1_772_366_400_123,
  resourceId: SESSION.networkInterfaceId,
  resourceType: 'NetworkInterface',
  trafficType: 'ALL',
  destinationType: 's3',
  destination: 'arn:aws:s3:::flow-bucket/site-a/',
  logFormat: '${version} ${interface-id}',
  maxAggregationSeconds: 60,
  destinationOptions: {
    fileFormat: 'plain-text',
    hiveCompatiblePartitions: false,
    perHourPartition: true,
  },
  tagFields: [{ resourceType: 'instance', tagKeys: ['Name'] }],
  tags: [],
}

export const INTERFACE: NetworkInterface = {
  id: 'eni-0aa11bb22cc33dd44',
  addresses: ['10.0.1.20', '2001:db8::20'],
  macAddress: '02:85:69:c2:ab:02',
  vpcId: 'vpc-0aa11bb22cc33dd44',
  vpcCidrBlock: '10.0.0.0/16',
  subnetId: 'subnet-0aa11bb22cc33dd44',
  instanceId: 'i-0aa11bb22cc33dd44',
  accountId: '111122223333',
  availabilityZoneId: 'use1-az1',
  tags: [{ key: 'Name', value: '' }],
  instanceTags: [{ key: 'Team', value: 'net ops' }],
}
