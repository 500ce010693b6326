import { deepStrictEqual, ok } from 'node:assert'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { networkFirewallActions } from '../../../src/api/network-firewall/actions.js'
import { FlowOperations } from '../../../src/api/network-firewall/flow-operations.js'
import { FILTER, SESSION, TARGET } from '../../../src/aws/follow/mirror-schemas.js'
import { TARGET_PREFIX } from '../../../src/aws/protocol/json-protocol.js'
import {
  HeaderFields,
  type ReceivedRequest,
  splitTarget,
} from '../../../src/aws/protocol/request.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import { arnOf } from '../../api/network-firewall/caller.js'
import { FlowStandIn } from '../../api/network-firewall/flow-stand-in.js'
import { makeDispatcher } from '../../api/running-api.js'
import type { FuzzTarget } from '../target.js'

/** A request without a body on this line, header fields on the next ones, and its body after an empty one. */
function requestOf(bytes: Buffer): ReceivedRequest | undefined {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\n\n')
  const [line = '', ...fields] = text.slice(0, end === -1 ? text.length : end).split('\n')
  const [method = '', target = ''] = line.split(' ')
  const halves = splitTarget(target)
  if (halves === undefined) return undefined
  const raw = fields.flatMap((field) => {
    const colon = field.indexOf(':')
    return [field.slice(0, Math.max(0, colon)), field.slice(colon + 1).trim()]
  })
  return {
    method,
    ...halves,
    headers: new HeaderFields(raw),
    body: end === -1 ? Buffer.alloc(0) : Buffer.from(text.slice(end + 2), 'latin1'),
    sourceIpAddress: '127.0.0.1',
  }
}

const FORM = 'POST /\nhost: localhost\ncontent-type: application/x-www-form-urlencoded\n\n'
const JSON_CALL = (action: string): string =>
  `POST /\nhost: localhost\ncontent-type: application/x-amz-json-1.0\nx-amz-target: ${TARGET_PREFIX}${action}\n\n`

const ENI = 'eni-00000000000000001'
const CALLS = [
  `${FORM}Action=CreateTrafficMirrorTarget&NetworkInterfaceId=${ENI}&TagSpecification.1.ResourceType=traffic-mirror-target&TagSpecification.1.Tag.1.Key=a`,
  `${FORM}Action=CreateTrafficMirrorFilter&Version=2016-11-15&Description=a%20b&ClientToken=t`,
  `${FORM}Action=DescribeTrafficMirrorFilters&Filter.1.Name=description&Filter.1.Value.1=a*&MaxResults=5`,
  `${FORM}Action=CreateTrafficMirrorFilterRule&TrafficMirrorFilterId=tmf-00000000000000001&TrafficDirection=ingress&RuleNumber=1&RuleAction=accept&SourceCidrBlock=0.0.0.0/0&DestinationCidrBlock=10.0.0.0/8&DestinationPortRange.FromPort=1&DestinationPortRange.ToPort=2&Protocol=6`,
  `${FORM}Action=CreateFlowLogs&ResourceId.1=${ENI}&ResourceType=NetworkInterface&TrafficType=ALL&LogDestinationType=s3&LogDestination=arn:aws:s3:::b/p&LogFormat=%24%7Bversion%7D&MaxAggregationInterval=60`,
  `${FORM}Action=DeleteTags&ResourceId.1=tmf-00000000000000001&Tag.1.Key=a`,
  `${JSON_CALL('StartFlowCapture')}{"FirewallArn":"${arnOf('mirrortap')}","FlowFilters":[{"SourceAddress":{"AddressDefinition":"10.0.0.0/8"},"Protocols":["6"]}]}`,
  `${JSON_CALL('ListFlowOperations')}{"FirewallArn":"${arnOf('mirrortap')}","MaxResults":3}`,
  `${JSON_CALL('ListFirewalls')}{"VpcIds":["vpc-1"]}`,
  `${JSON_CALL('TagResource')}{"ResourceArn":"${arnOf('mirrortap')}","Tags":[{"Key":"a","Value":"b"}]}`,
].map((text) => Buffer.from(text))

const SIGNED = [
  'POST /\nhost: localhost\nx-amz-date: 20260301T120000Z\nauthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260301/us-east-1/ec2/aws4_request, SignedHeaders=host;x-amz-date, Signature=' +
    `${'0'.repeat(64)}\n\nAction=DescribeTags`,
  'GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE/20260301/us-east-1/ec2/aws4_request&X-Amz-Date=20260301T120000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=00&Action=DescribeTags\nhost: localhost\n\n',
].map((text) => Buffer.from(text))

const REPLY = JSON.stringify({
  TrafficMirrorSessionId: 'tms-00000000000000001',
  TrafficMirrorTargetId: 'tmt-00000000000000001',
  TrafficMirrorFilterId: 'tmf-00000000000000001',
  NetworkInterfaceId: ENI,
  OwnerId: '111122223333',
  SessionNumber: 1,
  VirtualNetworkId: 7,
  PacketLength: 100,
  Type: 'network-interface',
  Tags: [{ Key: 'a', Value: 'b' }],
  IngressFilterRules: [],
})

/** Requests to an appliance where nobody needs a signature, and every change is made. */
async function openAppliance(): Promise<(request: ReceivedRequest) => Promise<void>> {
  const problems: string[] = []
  const plane = await ControlPlane.open({ onProblem: (line) => problems.push(line) })
  const flows = new FlowOperations(new FlowStandIn(), () => 1_772_366_401_250)
  const made = makeDispatcher({
    credentials: 'none',
    ec2: ec2Actions(plane, { putObject: async () => undefined }),
    networkFirewall: networkFirewallActions(flows, plane),
  })
  return async (request) => {
    const { status, body } = await made.dispatcher.answer(request)
    deepStrictEqual([...problems, ...made.problems], [])
    ok(status !== 500, body)
  }
}

export const REQUEST_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'api-call',
    samples: CALLS,
    words: [
      '&',
      '=',
      '%',
      '.1',
      '.0',
      'MaxResults=',
      'NextToken=',
      '"__proto__":{}',
      'null',
      '{',
      '[',
    ],
    inputs: 120,
    async run(bytes) {
      const request = requestOf(bytes)
      if (request === undefined) return
      const answer = await openAppliance()
      await answer(request)
      await answer(request)
    },
  },
  {
    name: 'signature',
    samples: SIGNED,
    words: ['X-Amz-', 'Credential=', ';', '/', 'aws4_request', '%00', 'date: '],
    inputs: 200,
    async run(bytes) {
      const request = requestOf(bytes)
      if (request === undefined) return
      const { dispatcher, problems } = makeDispatcher({ now: () => Date.UTC(2026, 2, 1, 12) })
      const { status } = await dispatcher.answer(request)
      deepStrictEqual(problems, [])
      // Nobody has a signature that is right.
      ok(status >= 400 && status < 500)
    },
  },
  {
    name: 'ec2-reply',
    samples: [Buffer.from(REPLY)],
    words: ['null', '"__proto__":{}', '[', '{', '1e99', '-1'],
    inputs: 150,
    run(bytes) {
      let reply: unknown
      try {
        reply = JSON.parse(bytes.toString())
      } catch {
        return
      }
      for (const schema of [SESSION, FILTER, TARGET]) schema.safeParse(reply)
    },
  },
]
