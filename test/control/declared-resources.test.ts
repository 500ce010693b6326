import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSessionFile } from '../../src/control/declared-resources.js'
import { RESOURCES } from '../../src/control/resource-schema.js'
import { YamlFile } from '../../src/control/yaml-file.js'
import { OperatorError } from '../../src/errors.js'
import { temporaryDirectory } from '../support/temporary.js'

const WHOLE = `
NetworkInterfaces:
  - NetworkInterfaceId: eni-0aa11bb22cc33dd44
    PrivateIpAddress: 10.0.1.20
    PrivateIpAddresses: [10.0.1.20, { PrivateIpAddress: 10.0.1.21, Primary: false }]
    Ipv6Addresses: [{ Ipv6Address: 2001:db8:1::20 }]
    MacAddress: 02:85:69:c2:ab:02
    VpcId: vpc-1
    VpcCidrBlock: 10.0.0.0/16
    SubnetId: subnet-1
    InstanceId: i-1
    OwnerId: '111122223333'
    AvailabilityZoneId: use1-az1
TrafficMirrorTargets:
  - TrafficMirrorTargetId: tmt-plain
    Address: '[2001:db8::9]:14789'
  - TrafficMirrorTargetId: tmt-eni
    NetworkInterfaceId: eni-2
    Address: sensor.example.com
  - TrafficMirrorTargetId: tmt-nlb
    NetworkLoadBalancerArn: arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/a/1
  - TrafficMirrorTargetId: tmt-gwlb
    GatewayLoadBalancerEndpointId: vpce-1
    Address: 10.0.0.5:4790
TrafficMirrorFilters:
  - TrafficMirrorFilterId: tmf-web
    Description: the web
    NetworkServices: [amazon-dns]
    IngressFilterRules:
      - TrafficMirrorFilterRuleId: tmfr-1
        TrafficDirection: ingress
        RuleNumber: 100
        RuleAction: accept
        Protocol: 6
        SourcePortRange: { FromPort: 443, ToPort: 443 }
        SourceCidrBlock: 0.0.0.0/0
        DestinationCidrBlock: 10.0.0.0/8
        Tags: [{ Key: Name, Value: x }]
    EgressFilterRules:
      - { RuleNumber: 100, RuleAction: reject, SourceCidrBlock: '::/0', DestinationCidrBlock: '::/0' }
TrafficMirrorSessions:
  - TrafficMirrorSessionId: tms-web
    NetworkInterfaceId: eni-0aa11bb22cc33dd44
    TrafficMirrorTargetId: tmt-eni
    TrafficMirrorFilterId: tmf-web
    SessionNumber: 32766
    PacketLength: 8500
    VirtualNetworkId: 16777215
`

/** The file with one piece of text in place of another, and the line that was changed. */
function changed(from: string, to: string): { source: string; line: number } {
  const at = WHOLE.indexOf(from)
  if (at === -1) throw new Error(`not there: ${from}`)
  return { source: WHOLE.replace(from, to), line: WHOLE.slice(0, at).split('\n').length }
}

function fileOf(source: string): string {
  const path = join(temporaryDirectory(), 'sessions.yaml')
  writeFileSync(path, source)
  return path
}

function refusalOf(work: () => unknown): OperatorError {
  try {
    work()
  } catch (error) {
    if (error instanceof OperatorError) return error
    throw error
  }
  throw new Error('it was taken')
}

describe('readSessionFile', () => {
  test('reads everything a file may hold', () => {
    const { interfaces, targets, filters, sessions } = readSessionFile(fileOf(WHOLE))
    expect(interfaces).toEqual([
      {
        id: 'eni-0aa11bb22cc33dd44',
        addresses: ['10.0.1.20', '10.0.1.21', '2001:db8:1::20'],
        macAddress: '02:85:69:c2:ab:02',
        vpcId: 'vpc-1',
        vpcCidrBlock: '10.0.0.0/16',
        subnetId: 'subnet-1',
        instanceId: 'i-1',
        accountId: '111122223333',
        availabilityZoneId: 'use1-az1',
      },
    ])
    expect(targets.map(({ id, kind, address, endpoint }) => [id, kind, address, endpoint])).toEqual(
      [
        [
          'tmt-plain',
          'network-interface',
          '[2001:db8::9]:14789',
          { host: '2001:db8::9', port: 14_789 },
        ],
        ['tmt-eni', 'network-interface', 'eni-2', { host: 'sensor.example.com', port: 4789 }],
        [
          'tmt-nlb',
          'network-load-balancer',
          'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/a/1',
          undefined,
        ],
        ['tmt-gwlb', 'gateway-load-balancer-endpoint', 'vpce-1', { host: '10.0.0.5', port: 4790 }],
      ],
    )
    expect(filters).toEqual([
      {
        id: 'tmf-web',
        description: 'the web',
        networkServices: ['amazon-dns'],
        rules: [
          {
            id: 'tmfr-1',
            direction: 'ingress',
            ruleNumber: 100,
            action: 'accept',
            protocol: 6,
            sourcePortRange: { from: 443, to: 443 },
            sourceCidr: '0.0.0.0/0',
            destinationCidr: '10.0.0.0/8',
            tags: [{ key: 'Name', value: 'x' }],
          },
          {
            id: 'tmfr-web-egress-100',
            direction: 'egress',
            ruleNumber: 100,
            action: 'reject',
            sourceCidr: '::/0',
            destinationCidr: '::/0',
            tags: [],
          },
        ],
        tags: [],
      },
    ])
    expect(sessions).toEqual([
      {
        id: 'tms-web',
        ownerId: '000000000000',
        networkInterfaceId: 'eni-0aa11bb22cc33dd44',
        targetId: 'tmt-eni',
        filterId: 'tmf-web',
        packetLength: 8500,
        sessionNumber: 32_766,
        virtualNetworkId: 16_777_215,
        tags: [],
      },
    ])
  })

  test.each([
    [
      'RuleAction: accept',
      'RuleAction: allow',
      /RuleAction must be accept or reject, not "allow"$/,
    ],
    [
      'SessionNumber: 32766',
      'SessionNumber: 32767',
      /SessionNumber must be a whole number from 1 to 32766, not 32767$/,
    ],
    [
      'SessionNumber: 32766',
      'SessionNumber: one',
      /SessionNumber must be a whole number from 1 to 32766, not "one"$/,
    ],
    [
      'PacketLength: 8500',
      'PacketLength: 8501',
      /PacketLength must be a whole number from 1 to 8500/,
    ],
    [
      'VirtualNetworkId: 16777215',
      'VirtualNetworkId: 16777216',
      /VirtualNetworkId must be a whole number from 0 to 16777215/,
    ],
    [
      'VirtualNetworkId: 16777215',
      'VirtualNetworkId: 1.5',
      /VirtualNetworkId must be a whole number/,
    ],
    ['Protocol: 6', 'Protocol: tcp', /Protocol must be a whole number from 0 to 255, not "tcp"$/],
    [
      'Protocol: 6',
      'Protocol: 1',
      /Protocol must be 6 \(TCP\), 17 \(UDP\) or left out where there are ports, not 1$/,
    ],
    [
      'DestinationCidrBlock: 10.0.0.0/8',
      'DestinationCidrBlock: 10.0.0.0/33',
      /DestinationCidrBlock must be a CIDR block such as 10\.0\.0\.0\/8 or ::\/0, not "10\.0\.0\.0\/33"$/,
    ],
    ['DestinationCidrBlock: 10.0.0.0/8', 'DestinationCidrBlock: 10.0.0.1', /must be a CIDR block/],
    [
      'DestinationCidrBlock: 10.0.0.0/8',
      "DestinationCidrBlock: '::/0'",
      /DestinationCidrBlock must be an IPv4 block like SourceCidrBlock/,
    ],
    [
      'SourcePortRange: { FromPort: 443, ToPort: 443 }',
      'SourcePortRange: { FromPort: 443, ToPort: 80 }',
      /SourcePortRange\.ToPort must not be below FromPort, 443, not 80$/,
    ],
    [
      'SourcePortRange: { FromPort: 443, ToPort: 443 }',
      'SourcePortRange: { FromPort: 443 }',
      /SourcePortRange\.ToPort is missing; it must be a whole number from 0 to 65535$/,
    ],
    [
      'SourcePortRange: { FromPort: 443, ToPort: 443 }',
      'SourcePortRange: 443',
      /SourcePortRange must hold FromPort, ToPort, not 443$/,
    ],
    [
      'TrafficDirection: ingress',
      'TrafficDirection: egress',
      /TrafficDirection must be ingress in this list/,
    ],
    [
      'NetworkServices: [amazon-dns]',
      'NetworkServices: [dns]',
      /NetworkServices\[0\] must be amazon-dns, not "dns"$/,
    ],
    [
      'NetworkServices: [amazon-dns]',
      'NetworkServices: amazon-dns',
      /NetworkServices must be a list, not "amazon-dns"$/,
    ],
    ['MacAddress: 02:85:69:c2:ab:02', 'MacAddress: 02:85', /MacAddress must be a MAC address/],
    [
      'PrivateIpAddress: 10.0.1.20',
      'PrivateIpAddress: 10.0.1',
      /PrivateIpAddress must be an IPv4 address, not "10\.0\.1"$/,
    ],
    [
      '{ PrivateIpAddress: 10.0.1.21, Primary: false }',
      '10.0.1.256',
      /PrivateIpAddresses\[1\] must be an IPv4 address, not "10\.0\.1\.256"$/,
    ],
    ['VpcCidrBlock: 10.0.0.0/16', "VpcCidrBlock: '::/0'", /VpcCidrBlock must be an IPv4 block/],
    [
      "OwnerId: '111122223333'",
      'OwnerId: 111122223333',
      /OwnerId must be an account id of 12 digits, in quotes, not 111122223333$/,
    ],
    [
      "Address: '[2001:db8::9]:14789'",
      'Address: 10.0.0.5:0',
      /Address must be HOST:PORT, such as 10\.0\.0\.5:4789, not "10\.0\.0\.5:0"$/,
    ],
    [
      'NetworkInterfaceId: eni-2',
      'GatewayLoadBalancerEndpointId: vpce-2\n    NetworkInterfaceId: eni-2',
      /TrafficMirrorTargets\[1\] must have one of NetworkInterfaceId, /,
    ],
    [
      'TrafficMirrorFilterId: tmf-web\n    SessionNumber',
      'TrafficMirrorFilterId: tmf-dns\n    SessionNumber',
      /TrafficMirrorSessions\[0\]\.TrafficMirrorFilterId is not in TrafficMirrorFilters; there are tmf-web, not "tmf-dns"$/,
    ],
    [
      'TrafficMirrorTargetId: tmt-eni\n    TrafficMirrorF',
      'TrafficMirrorTargetId: tmt-none\n    TrafficMirrorF',
      /TrafficMirrorTargetId is not in TrafficMirrorTargets; there are tmt-plain, /,
    ],
    [
      'TrafficMirrorSessionId: tms-web',
      'TrafficMirrorSessionId: web',
      /TrafficMirrorSessionId must be an id such as tms-web/,
    ],
    [
      'TrafficMirrorTargetId: tmt-nlb',
      'TrafficMirrorTargetId: tmt-plain',
      /TrafficMirrorTargets\[2\]\.TrafficMirrorTargetId is there already/,
    ],
    [
      '    Description: the web',
      '    Descripton: the web',
      /TrafficMirrorFilters\[0\]\.Descripton is not known; there are TrafficMirrorFilterId, Description, /,
    ],
    ['Description: the web', 'Description: [the, web]', /Description must be a text$/],
  ])('refuses, with its line: %s → %s', (from, to, message) => {
    const { source, line } = changed(from, to)
    const path = fileOf(source)
    const { message: said, exitCode } = refusalOf(() => readSessionFile(path))
    const extra = to.split('\n').length - from.split('\n').length
    // What is wrong with a target as a whole stands where that begins.
    const at = extra > 0 ? line - 1 : line
    expect(said).toMatch(message)
    expect(said.startsWith(`${path}:${at}: `), said).toBe(true)
    expect(said).not.toContain('\n')
    expect(exitCode).toBe(2)
  })

  test.each([
    { name: 'nothing', source: '', message: /:1: the file must hold NetworkInterfaces, / },
    { name: 'a text', source: 'hello', message: /:1: the file must hold NetworkInterfaces, / },
    {
      name: 'a part',
      source: '\n\nNetworkInterfaces: []\n',
      message: /:3: TrafficMirrorTargets is missing/,
    },
    { name: 'what is no YAML', source: 'a: 1\nb: [\n', message: /:3: / },
    { name: 'the same key twice', source: 'a: 1\na: 2\n', message: /:2: Map keys must be unique/ },
    { name: 'a key that is a list', source: '? [a]\n: 1\n', message: /:1: .* is not known/ },
    { name: 'an alias of nothing', source: 'NetworkInterfaces: *x\n', message: /:1: / },
  ])('refuses $name in one line', ({ source, message }) => {
    const { message: said } = refusalOf(() => readSessionFile(fileOf(source)))
    expect(said).toMatch(message)
    expect(said).not.toContain('\n')
  })

  test('refuses two sessions of one interface with one number', () => {
    const second = WHOLE.slice(WHOLE.indexOf('  - TrafficMirrorSessionId')).replace(
      'tms-web',
      'tms-two',
    )
    const { message } = refusalOf(() => new YamlFile('x', WHOLE + second).valueOf(RESOURCES))
    expect(message).toMatch(
      /TrafficMirrorSessions\[1\]\.SessionNumber is there already, not 32766$/,
    )
  })

  test('refuses a rule number twice in a direction, not in two', () => {
    const rule = /( {6}- \{ RuleNumber: 100.*\n)/
    const { message } = refusalOf(() =>
      new YamlFile('x', WHOLE.replace(rule, '$1$1')).valueOf(RESOURCES),
    )
    expect(message).toMatch(/EgressFilterRules\[1\]\.RuleNumber is there already/)
  })

  test('says of a file that is not there what to do', () => {
    const { message, exitCode } = refusalOf(() => readSessionFile('/no/such.yaml'))
    expect(message).toBe(
      'cannot read the session file /no/such.yaml: it does not exist; check the path (ENOENT)',
    )
    expect(exitCode).toBe(1)
  })
})
