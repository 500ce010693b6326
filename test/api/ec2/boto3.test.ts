import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { ControlPlane } from '../../../src/control/control-plane.js'
import { ALICE, REGION, startApi } from '../running-api.js'
import { SOURCE, TARGET } from './ec2-house.js'

const HAS_BOTO3 = spawnSync('python3', ['-c', 'import boto3']).status === 0

/** A session from its filter to its end. Prints what it was told, as JSON. */
const LIFE = `
import boto3, json, sys
from botocore.exceptions import ClientError
url, region, key, secret, source, target = sys.argv[1:]
ec2 = boto3.client('ec2', endpoint_url=url, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret)
told = {}
tags = [{'ResourceType': 'traffic-mirror-filter', 'Tags': [{'Key': 'Name', 'Value': ''}]}]
created = ec2.create_traffic_mirror_filter(Description='von überall', TagSpecifications=tags)['TrafficMirrorFilter']
told['filter'] = {name: value for name, value in created.items() if name != 'TrafficMirrorFilterId'}
filter_id = created['TrafficMirrorFilterId']
for number in (20, 10):
    rule = ec2.create_traffic_mirror_filter_rule(
        TrafficMirrorFilterId=filter_id, TrafficDirection='egress', RuleNumber=number, RuleAction='accept', Protocol=17,
        DestinationPortRange={'FromPort': 53, 'ToPort': 53}, DestinationCidrBlock='::/0', SourceCidrBlock='::/0')
target_id = ec2.create_traffic_mirror_target(NetworkInterfaceId=target)['TrafficMirrorTarget']['TrafficMirrorTargetId']
session = ec2.create_traffic_mirror_session(
    NetworkInterfaceId=source, TrafficMirrorTargetId=target_id, TrafficMirrorFilterId=filter_id,
    SessionNumber=1, VirtualNetworkId=7)['TrafficMirrorSession']
told['vni'] = session['VirtualNetworkId']
shown = ec2.describe_traffic_mirror_filters(Filters=[{'Name': 'tag-key', 'Values': ['N?me']}])['TrafficMirrorFilters']
told['rules'] = [rule['RuleNumber'] for rule in shown[0]['EgressFilterRules']]
pages = ec2.get_paginator('describe_traffic_mirror_filters').paginate(PaginationConfig={'PageSize': 5})
for _ in range(6):
    ec2.create_traffic_mirror_filter()
told['pages'] = [len(page['TrafficMirrorFilters']) for page in pages]
logs = ec2.create_flow_logs(ResourceIds=[source], ResourceType='NetworkInterface', TrafficType='ALL',
    LogDestinationType='s3', LogDestination='arn:aws:s3:::flow-bucket')
told['unsuccessful'] = logs['Unsuccessful']
log = ec2.describe_flow_logs(FlowLogIds=logs['FlowLogIds'])['FlowLogs'][0]
told['time'] = log['CreationTime'].tzinfo is not None
told['tags'] = log['Tags']
for call, arguments in [
    (ec2.delete_traffic_mirror_target, {'TrafficMirrorTargetId': target_id}),
    (ec2.delete_traffic_mirror_session, {'TrafficMirrorSessionId': session['TrafficMirrorSessionId'], 'DryRun': True}),
    (ec2.describe_traffic_mirror_sessions, {'TrafficMirrorSessionIds': ['tms-00000000000000000']}),
]:
    try:
        call(**arguments)
    except ClientError as error:
        told.setdefault('errors', []).append([error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode']])
told['deleted'] = ec2.delete_traffic_mirror_session(TrafficMirrorSessionId=session['TrafficMirrorSessionId'])['TrafficMirrorSessionId'] == session['TrafficMirrorSessionId']
told['left'] = ec2.describe_traffic_mirror_sessions()['TrafficMirrorSessions']
print(json.dumps(told))
`

describe.skipIf(!HAS_BOTO3)('ec2Actions, called by boto3 (needs python3-boto3)', () => {
  test('live through a session, from filter to end', async () => {
    const plane = await ControlPlane.open({ onProblem: (line) => expect.unreachable(line) })
    const { url } = await startApi({ ec2: ec2Actions(plane) })
    const { accessKeyId, secretAccessKey } = ALICE
    const who = [url, REGION, accessKeyId, secretAccessKey, SOURCE, TARGET]
    const { stdout } = await promisify(execFile)('python3', ['-c', LIFE, ...who])
    expect(JSON.parse(stdout)).toEqual({
      filter: {
        Description: 'von überall',
        IngressFilterRules: [],
        EgressFilterRules: [],
        NetworkServices: [],
        Tags: [{ Key: 'Name', Value: '' }],
      },
      vni: 7,
      rules: [10, 20],
      pages: [5, 2],
      unsuccessful: [],
      time: true,
      tags: [],
      errors: [
        ['TrafficMirrorTargetInUse', 400],
        ['DryRunOperation', 412],
        ['InvalidTrafficMirrorSessionId.NotFound', 400],
      ],
      deleted: true,
      left: [],
    })
  }, 30_000)
})
