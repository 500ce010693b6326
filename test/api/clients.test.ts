import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import {
  CreateTagsCommand,
  DescribeTrafficMirrorSessionsCommand,
  EC2Client,
} from '@aws-sdk/client-ec2'
import {
  ListFlowOperationsCommand,
  NetworkFirewallClient,
  StartFlowCaptureCommand,
} from '@aws-sdk/client-network-firewall'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Action, ApiError, type Caller, type Input } from '../../src/aws/protocol/action.js'
import { hasTool } from '../support/tools.js'
import { ALICE, BOB, REGION, type RunningApi, startApi } from './running-api.js'

const run = promisify(execFile)

/** What an action has been asked, and by whom. */
class Recorder {
  readonly calls: { name: string; input: Input; caller: Caller }[] = []

  action(name: string, answer: (input: Input) => object): Action {
    return {
      name,
      run: (input, caller) => {
        this.calls.push({ name, input, caller })
        return answer(input)
      },
    }
  }
}

const AWKWARD = 'a<b>&"c"\r\n\tü 日本 🦈 +%20 end '

function actions(recorder: Recorder): { ec2: Action[]; networkFirewall: Action[] } {
  return {
    ec2: [
      recorder.action('DescribeTrafficMirrorSessions', () => ({
        trafficMirrorSessionSet: [
          {
            trafficMirrorSessionId: 'tms-0a1b2c3d4e5f60718',
            sessionNumber: 1,
            description: AWKWARD,
            packetLength: undefined,
            tagSet: [{ key: 'Name', value: '' }],
          },
          { trafficMirrorSessionId: 'tms-1', tagSet: [] },
        ],
        nextToken: null,
      })),
      recorder.action('CreateTags', () => ({ return: true })),
      recorder.action('DescribeVpcs', () => {
        throw new ApiError('InvalidVpcID.NotFound', `There is no ${AWKWARD}.`)
      }),
    ],
    networkFirewall: [
      recorder.action('StartFlowCapture', () => ({
        FirewallArn: 'arn:aws:x',
        FlowOperationId: null,
        FlowOperationStatus: 'IN_PROGRESS',
      })),
      recorder.action('ListFlowOperations', () => ({
        FlowOperations: [{ FlowRequestTimestamp: new Date(1_772_366_401_250) }],
      })),
    ],
  }
}

async function start(): Promise<RunningApi & { recorder: Recorder }> {
  const recorder = new Recorder()
  return { ...(await startApi(actions(recorder))), recorder }
}

function clientOptions(url: string, who = ALICE): object {
  const { accessKeyId, secretAccessKey, sessionToken } = who
  const credentials = { accessKeyId, secretAccessKey, sessionToken }
  return { endpoint: url, region: REGION, credentials, maxAttempts: 1 }
}

function ec2(url: string, who = ALICE): EC2Client {
  const client = new EC2Client(clientOptions(url, who))
  onTestFinished(() => client.destroy())
  return client
}

function networkFirewall(url: string): NetworkFirewallClient {
  const client = new NetworkFirewallClient(clientOptions(url))
  onTestFinished(() => client.destroy())
  return client
}

describe('the AWS SDK for JavaScript', () => {
  test('reads lists, numbers and any text out of the XML', async () => {
    const { url } = await start()
    const out = await ec2(url).send(new DescribeTrafficMirrorSessionsCommand({}))
    expect(out.TrafficMirrorSessions).toEqual([
      {
        TrafficMirrorSessionId: 'tms-0a1b2c3d4e5f60718',
        SessionNumber: 1,
        Description: AWKWARD,
        Tags: [{ Key: 'Name', Value: '' }],
      },
      { TrafficMirrorSessionId: 'tms-1', Tags: [] },
    ])
    expect(out.NextToken).toBeUndefined()
    expect(out.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('sends nested lists, and says who asks', async () => {
    const { url, recorder } = await start()
    const Tags = [
      { Key: 'a b', Value: AWKWARD },
      { Key: 'empty', Value: '' },
    ]
    await ec2(url, BOB).send(new CreateTagsCommand({ Resources: ['tms-1', 'tmt-2'], Tags }))
    const [{ input, caller }] = recorder.calls as [(typeof recorder.calls)[0]]
    expect({ ...input }).toEqual({ ResourceId: ['tms-1', 'tmt-2'], Tag: Tags })
    expect(caller).toMatchObject({
      accessKeyId: 'AKIDBOB',
      userName: 'bob',
      arn: 'arn:aws:iam::111122223333:user/bob',
      accountId: '111122223333',
      region: 'us-east-1',
      sourceIpAddress: '127.0.0.1',
    })
    expect(caller.userAgent).toMatch(/^aws-sdk-js\//)
  })

  test('reads JSON with times, and sends objects', async () => {
    const { url, recorder } = await start()
    const client = networkFirewall(url)
    const FlowFilters = [{ Protocols: ['6'], SourceAddress: { AddressDefinition: '10.0.0.0/8' } }]
    const asked = { FirewallArn: 'arn:aws:x', MinimumFlowAgeInSeconds: 60, FlowFilters }
    const started = await client.send(new StartFlowCaptureCommand(asked))
    expect(started).toMatchObject({ FlowOperationStatus: 'IN_PROGRESS' })
    expect(started.FlowOperationId).toBeUndefined()
    expect(JSON.parse(JSON.stringify(recorder.calls[0]!.input))).toEqual(asked)

    const listed = await client.send(new ListFlowOperationsCommand({ FirewallArn: 'arn:aws:x' }))
    expect(listed.FlowOperations![0]!.FlowRequestTimestamp).toEqual(new Date(1_772_366_401_250))
  })

  test('sees codes and messages of errors', async () => {
    const { url } = await start()
    const wrong = { ...ALICE, secretAccessKey: 'another' }
    await expect(
      ec2(url, wrong).send(new CreateTagsCommand({ Resources: [], Tags: [] })),
    ).rejects.toMatchObject({ name: 'AuthFailure', $metadata: { httpStatusCode: 401 } })
  })
})

const RUNNABLE = { timeout: 240_000 }

/** The CLI reads nothing of this user's. */
function environment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: '/nonexistent',
    AWS_ACCESS_KEY_ID: BOB.accessKeyId,
    AWS_SECRET_ACCESS_KEY: BOB.secretAccessKey,
    AWS_SESSION_TOKEN: BOB.sessionToken,
    AWS_DEFAULT_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_MAX_ATTEMPTS: '1',
  }
}

describe.skipIf(!hasTool('aws'))('the AWS CLI (needs aws)', () => {
  async function aws(url: string, ...args: string[]): Promise<string> {
    const command = [...args, '--endpoint-url', url, '--output', 'json']
    return (await run('aws', command, { env: environment() })).stdout
  }

  test('calls EC2 and Network Firewall', RUNNABLE, async () => {
    const { url, recorder } = await start()
    const tags = ['--resources', 'tms-1', '--tags', 'Key=k,Value=ü x+y']
    const [sessions, listed] = await Promise.all([
      aws(url, 'ec2', 'describe-traffic-mirror-sessions'),
      aws(url, 'network-firewall', 'list-flow-operations', '--firewall-arn', 'arn:aws:x'),
      aws(url, 'ec2', 'create-tags', ...tags),
    ])
    expect(JSON.parse(sessions).TrafficMirrorSessions[0]).toMatchObject({
      SessionNumber: 1,
      Description: AWKWARD,
      Tags: [{ Key: 'Name', Value: '' }],
    })
    // Version 1 prints the number, version 2 a date.
    const time: unknown = JSON.parse(listed).FlowOperations[0].FlowRequestTimestamp
    expect(typeof time === 'number' ? 1000 * time : Date.parse(String(time))).toBe(
      1_772_366_401_250,
    )
    const created = recorder.calls.find(({ name }) => name === 'CreateTags')!
    expect({ ...created.input }).toEqual({
      ResourceId: ['tms-1'],
      Tag: [{ Key: 'k', Value: 'ü x+y' }],
    })
  })

  test('says what was refused', RUNNABLE, async () => {
    const { url } = await start()
    await Promise.all([
      expect(aws(url, 'ec2', 'describe-vpcs')).rejects.toThrow(/\(InvalidVpcID\.NotFound\)/),
      expect(aws(url, 'ec2', 'describe-vpcs', '--no-sign-request')).rejects.toThrow(
        /\(MissingAuthenticationToken\)/,
      ),
    ])
  })
})
