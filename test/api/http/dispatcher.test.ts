import { mkdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AuditLog } from '../../../src/api/http/audit-log.js'
import type { Reply } from '../../../src/api/http/dispatcher.js'
import { type Action, ApiError } from '../../../src/aws/protocol/action.js'
import type { ReceivedRequest } from '../../../src/aws/protocol/request.js'
import {
  presigned,
  SIGNED_AT,
  signed,
  type ToSign,
  withHeaders,
} from '../../aws/sigv4/signed-request.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { ALICE, type ApiSetting, BOB, makeDispatcher } from '../running-api.js'

const ACTIONS: Action[] = [
  { name: 'DescribeTags', run: () => ({ tagSet: [] }) },
  { name: 'CreateTags', run: () => ({ return: true, created: new Date(0), none: undefined }) },
  {
    name: 'DeleteTags',
    run: () => {
      throw new ApiError('InvalidID', 'The ID is not valid.')
    },
  },
  {
    name: 'DeleteFlowLogs',
    run: () => {
      throw new TypeError('broken')
    },
  },
]

const START: Action = { name: 'StartFlowCapture', run: () => ({ FlowOperationId: 'x' }) }

interface Event {
  [name: string]: unknown
}

interface Audited {
  answer: (request: ReceivedRequest) => Promise<Reply>
  events: () => Event[]
  text: () => string
  clock: { now: number }
}

async function audited(setting: ApiSetting = {}): Promise<Audited> {
  const path = join(temporaryDirectory(), 'audit.jsonl')
  const clock = { now: SIGNED_AT.getTime() }
  const audit = await AuditLog.open(path, () => undefined)
  const { dispatcher } = makeDispatcher({
    ec2: ACTIONS,
    networkFirewall: [START],
    audit,
    now: () => clock.now,
    ...setting,
  })
  const text = (): string => readFileSync(path, 'utf8')
  const events = (): Event[] =>
    text()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Event)
  return { answer: (request) => dispatcher.answer(request), events, text, clock }
}

function call(action: string, more: ToSign = {}, parameters = ''): Promise<ReceivedRequest> {
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'user-agent': 'test/1',
    ...more.headers,
  }
  return signed({ body: `Action=${action}&Version=2016-11-15${parameters}`, ...more, headers })
}

describe('the audit log', () => {
  test('tells of a change who made it, from where, and what came of it', async () => {
    const { answer, events } = await audited()
    const reply = await answer(await call('CreateTags', {}, '&ResourceId.1=tms-1&Tag.1.Key=k'))
    expect(reply.status).toBe(200)
    expect(events()).toEqual([
      {
        eventVersion: '1.09',
        userIdentity: {
          type: 'IAMUser',
          principalId: 'AKIDEXAMPLE',
          arn: 'arn:aws:iam::111122223333:user/alice',
          accountId: '111122223333',
          accessKeyId: 'AKIDEXAMPLE',
          userName: 'alice',
        },
        eventTime: '2026-03-01T12:00:00Z',
        eventSource: 'ec2.amazonaws.com',
        eventName: 'CreateTags',
        awsRegion: 'us-east-1',
        sourceIPAddress: '192.0.2.7',
        userAgent: 'test/1',
        requestParameters: { ResourceId: ['tms-1'], Tag: [{ Key: 'k' }] },
        responseElements: { return: true, created: '1970-01-01T00:00:00.000Z' },
        requestID: reply.headers['x-amzn-RequestId'],
        eventID: expect.stringMatching(/^[0-9a-f-]{36}$/),
        readOnly: false,
        eventType: 'AwsApiCall',
        managementEvent: true,
        recipientAccountId: '111122223333',
        eventCategory: 'Management',
      },
    ])
  })

  test('tells of Network Firewall', async () => {
    const { answer, events } = await audited()
    const headers = { 'x-amz-target': 'NetworkFirewall_20201112.StartFlowCapture' }
    const body = '{"FlowFilters":[]}'
    await answer(await signed({ service: 'network-firewall', headers, body }))
    expect(events()).toEqual([
      expect.objectContaining({
        eventSource: 'network-firewall.amazonaws.com',
        eventName: 'StartFlowCapture',
        requestParameters: { FlowFilters: [] },
        responseElements: { FlowOperationId: 'x' },
      }),
    ])
  })

  test('tells of changes that were refused, and of bugs no more than the client hears', async () => {
    const { answer, events, text } = await audited()
    await answer(await call('DeleteTags'))
    await answer(await call('DeleteFlowLogs'))
    expect(events()).toMatchObject([
      { errorCode: 'InvalidID', errorMessage: 'The ID is not valid.', responseElements: null },
      { errorCode: 'InternalError', responseElements: null },
    ])
    expect(text()).not.toContain('broken')
  })

  test('says nothing of reads, and of what is no action', async () => {
    const { answer, text } = await audited()
    expect((await answer(await call('DescribeTags'))).status).toBe(200)
    expect((await answer(await call('CreateVpc'))).status).toBe(400)
    expect(
      (await answer(await call('DescribeTags', { who: { ...ALICE, secretAccessKey: 'x' } })))
        .status,
    ).toBe(401)
    expect(text()).toBe('')
  })

  test('tells of changes that nobody proved to want, without what they said of themselves', async () => {
    const { answer, events } = await audited()
    const guess = { ...ALICE, secretAccessKey: 'guess' }
    await answer(await call('CreateTags', { who: guess }, '&Description=forged'))
    await answer(await call('CreateTags', { who: { ...ALICE, accessKeyId: 'pastedSecret' } }))
    expect(events()).toMatchObject([
      {
        userIdentity: { type: 'Unknown', accessKeyId: 'AKIDEXAMPLE', userName: 'unproven' },
        errorCode: 'AuthFailure',
        requestParameters: null,
        responseElements: null,
      },
      { userIdentity: { type: 'Unknown', userName: 'unproven' } },
    ])
    expect(events()[1]!['userIdentity']).not.toHaveProperty('accessKeyId')
    expect(events()[0]!['userIdentity']).not.toHaveProperty('arn')
  })

  test('is not filled by those who can prove nothing', async () => {
    const { answer, events, clock } = await audited()
    const forged = await call('CreateTags', { who: { ...ALICE, secretAccessKey: 'guess' } })
    for (let round = 0; round < 100; round++) await answer(forged)
    expect(events().length).toBe(60)
    await answer(await call('CreateTags'))
    expect(events()[60]).toMatchObject({
      userIdentity: { userName: 'alice' },
      additionalEventData: { omittedRefusals: 40 },
    })
    clock.now += 60_000
    await answer(forged)
    expect(events().length).toBe(62)
    expect(events()[61]).not.toHaveProperty('additionalEventData')
  })

  test('that cannot be written stops changes before they are made, and no reads', async () => {
    const path = join(temporaryDirectory(), 'audit.jsonl')
    const audit = await AuditLog.open(path, () => undefined)
    let made = 0
    const { dispatcher } = makeDispatcher({
      ec2: [{ name: 'CreateTags', run: () => ({ made: ++made }) }, ACTIONS[0]!],
      networkFirewall: [START],
      audit,
      now: () => SIGNED_AT.getTime(),
    })
    rmSync(path)
    mkdirSync(path)
    // The one that finds out is made.
    expect((await dispatcher.answer(await call('CreateTags'))).status).toBe(200)
    const refused = await dispatcher.answer(await call('CreateTags'))
    expect([refused.status, refused.headers['x-amzn-ErrorType']]).toEqual([
      503,
      'ServiceUnavailable',
    ])
    expect((await dispatcher.answer(await call('DescribeTags'))).status).toBe(200)
    expect(made).toBe(1)
    // What is refused is answered before its line is written, or lost.
    await expect.poll(() => audit.lost).toBe(2)
    rmdirSync(path)
    expect((await dispatcher.answer(await call('CreateTags'))).status).toBe(200)
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line) as Event)).toMatchObject([
      { eventName: 'AuditLinesLost', additionalEventData: { lostLines: 2 } },
      { eventName: 'CreateTags', responseElements: { made: 2 } },
    ])
  })

  test('never holds a secret, a token or a signature', async () => {
    const { answer, text } = await audited()
    const request = await call('CreateTags', { who: BOB })
    const Action = { Action: 'CreateTags', Version: '2016-11-15' }
    const url = await presigned({ who: BOB, query: Action })
    expect((await answer(request)).status).toBe(200)
    expect((await answer(url)).status).toBe(200)
    await answer({ ...request, body: Buffer.from(`${request.body.toString()}&x=1`) })
    const { signature } = /Signature=(?<signature>\w+)/.exec(request.headers.get('authorization')!)!
      .groups!
    expect(text().split('\n').length).toBe(4)
    for (const secret of [BOB.secretAccessKey, BOB.sessionToken!, signature!, 'X-Amz-S']) {
      expect(text()).not.toContain(secret)
    }
  })

  test('leaves out what is too long', async () => {
    const { answer, events } = await audited()
    const headers = { 'user-agent': 'x'.repeat(5000) }
    await answer(await call('CreateTags', { headers }, `&Description=${'d'.repeat(200_000)}`))
    expect(events()[0]).toMatchObject({
      userAgent: 'x'.repeat(1024),
      requestParameters: { omitted: true, originalSize: 200_018 },
    })
  })

  test('names nobody where nobody signs', async () => {
    const { answer, events } = await audited({ credentials: 'none' })
    const request = await call('CreateTags')
    const here = withHeaders(request, (fields) => [
      ...fields.filter(([name]) => name !== 'host' && name !== 'authorization'),
      ['Host', '127.0.0.1:4780'],
    ])
    expect((await answer(here)).status).toBe(200)
    const page = withHeaders(here, (fields) => [...fields, ['Origin', 'https://evil.example']])
    expect((await answer(page)).status).toBe(403)
    expect(events()).toMatchObject([
      { userIdentity: { type: 'Unknown', userName: 'anonymous', accountId: '111122223333' } },
      { errorCode: 'UnauthorizedOperation' },
    ])
  })
})

const WHY: { name: string; what: ToSign; ec2: [number, string]; json: [number, string] }[] = [
  {
    name: 'an unknown key',
    what: { who: { ...ALICE, accessKeyId: 'AKIDNOBODY' } },
    ec2: [401, 'AuthFailure'],
    json: [400, 'UnrecognizedClientException'],
  },
  {
    name: 'a wrong secret',
    what: { who: { ...ALICE, secretAccessKey: 'guess' } },
    ec2: [401, 'AuthFailure'],
    json: [400, 'InvalidSignatureException'],
  },
  {
    name: 'an old request',
    what: { at: new Date(SIGNED_AT.getTime() - 1_000_000) },
    ec2: [400, 'RequestExpired'],
    json: [400, 'InvalidSignatureException'],
  },
  {
    name: 'another region',
    what: { region: 'eu-west-1' },
    ec2: [401, 'AuthFailure'],
    json: [400, 'InvalidSignatureException'],
  },
  {
    name: 'another service',
    what: { service: 's3' },
    ec2: [401, 'AuthFailure'],
    json: [400, 'InvalidSignatureException'],
  },
]

describe('Dispatcher.answer', () => {
  test.each(WHY)('refuses $name with the code of each service', async ({ what, ec2, json }) => {
    const { answer } = await audited()
    const query = await answer(await call('DescribeTags', what))
    expect([query.status, query.headers['x-amzn-ErrorType']]).toEqual(ec2)
    const headers = { 'x-amz-target': 'NetworkFirewall_20201112.StartFlowCapture' }
    const request = await signed({ service: 'network-firewall', ...what, headers, body: '{}' })
    const reply = await answer(request)
    expect([reply.status, reply.headers['x-amzn-ErrorType']]).toEqual(json)
  })

  test('refuses what is not signed, and a header that is none', async () => {
    const { answer } = await audited()
    const request = await call('DescribeTags')
    const without = withHeaders(request, (all) => all.filter(([name]) => name !== 'authorization'))
    const status = async (what: ReceivedRequest): Promise<unknown[]> => {
      const reply = await answer(what)
      return [reply.status, reply.headers['x-amzn-ErrorType']]
    }
    expect(await status(without)).toEqual([403, 'MissingAuthenticationToken'])
    const odd = withHeaders(without, (all) => [...all, ['Authorization', 'Basic eDp5']])
    expect(await status(odd)).toEqual([400, 'IncompleteSignature'])
    const target: [string, string] = ['X-Amz-Target', 'NetworkFirewall_20201112.StartFlowCapture']
    const json = withHeaders(without, (all) => [...all, target])
    expect(await status(json)).toEqual([400, 'MissingAuthenticationTokenException'])
    const oddJson = withHeaders(odd, (all) => [...all, target])
    expect(await status(oddJson)).toEqual([400, 'IncompleteSignatureException'])
  })
})
