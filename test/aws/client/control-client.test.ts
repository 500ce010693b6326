import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { readMirrorResources } from '../../../src/aws/client/control-client.js'
import {
  CallFailure,
  Ec2Client,
  type Ec2ClientOptions,
} from '../../../src/aws/client/ec2-client.js'
import { ApiError } from '../../../src/aws/protocol/action.js'
import type { Credential } from '../../../src/aws/sigv4/credentials.js'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { OperatorError } from '../../../src/errors.js'
import { Ec2House, furnish, ruleFor, SOURCE } from '../../api/ec2/ec2-house.js'
import { ALICE, BOB, REGION, startApi } from '../../api/running-api.js'

const { signal } = new AbortController()

function clientFor(
  url: string,
  who: Credential = ALICE,
  options: Partial<Ec2ClientOptions> = {},
): Ec2Client {
  const client = new Ec2Client({
    url: new URL(url),
    region: REGION,
    credential: () => who,
    ...options,
  })
  onTestFinished(() => client.close())
  return client
}

async function openHouse(): Promise<{ house: Ec2House; url: string }> {
  const house = await Ec2House.open({ quotas: { ...AWS_QUOTAS, sessionsPerInterface: 100 } })
  const { url } = await startApi({ ec2: ec2Actions(house.plane) })
  return { house, url }
}

/** A server that answers as it likes. */
async function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function failureAt(
  url: string,
  options: Partial<Ec2ClientOptions> = {},
): Promise<CallFailure> {
  const failure = await readMirrorResources(clientFor(url, ALICE, options), SOURCE, signal).then(
    () => undefined,
    (error: Error) => error,
  )
  expect(failure).toBeInstanceOf(CallFailure)
  expect(failure!.message).toMatch(/^http:\/\/127\.0\.0\.1:\d+ [^\n]+$/)
  return failure as CallFailure
}

describe('readMirrorResources', () => {
  test.each([ALICE, BOB])('reads what decides about packets, as $userName', async (who) => {
    const { house, url } = await openHouse()
    expect(await readMirrorResources(clientFor(url, who), SOURCE, signal)).toEqual({
      sessions: [],
      filters: [],
      targets: [],
    })
    const { sessionId, filterId, targetId } = await furnish(house)
    await house.must('CreateTrafficMirrorFilterRule', {
      ...ruleFor(filterId, 7),
      TrafficDirection: 'egress',
      RuleAction: 'reject',
      Protocol: '17',
      SourcePortRange: { FromPort: '0', ToPort: '65535' },
      DestinationPortRange: { FromPort: '53', ToPort: '53' },
      SourceCidrBlock: '2001:db8::/32',
      DestinationCidrBlock: '::/0',
      Description: 'not <this> & that',
    })
    await house.must('ModifyTrafficMirrorFilterNetworkServices', {
      TrafficMirrorFilterId: filterId,
      AddNetworkService: ['amazon-dns'],
    })
    await house.must('ModifyTrafficMirrorSession', {
      TrafficMirrorSessionId: sessionId,
      PacketLength: '128',
    })
    const plain = <T extends object>(resource: T) => ({
      ...resource,
      tags: [],
      description: undefined,
    })
    const { sessions, filters, targets } = house.plane.resources
    const filter = filters.get(filterId)!
    expect(await readMirrorResources(clientFor(url, who), SOURCE, signal)).toEqual({
      sessions: [plain(sessions.get(sessionId)!)],
      filters: [{ ...plain(filter), rules: filter.rules.map(plain) }],
      targets: [plain(targets.get(targetId)!)],
    })
  })

  test('reads all pages, and no sessions of other interfaces', async () => {
    const { house, url } = await openHouse()
    const { filterId, targetId } = await furnish(house)
    for (let number = 2; number <= 23; number++) {
      await house.must('CreateTrafficMirrorSession', {
        NetworkInterfaceId: number % 2 === 0 ? SOURCE : 'eni-0bb11bb22cc33dd44',
        TrafficMirrorTargetId: targetId,
        TrafficMirrorFilterId: filterId,
        SessionNumber: String(number),
      })
    }
    const client = clientFor(url, ALICE, { pageLen: 5 })
    const { sessions, filters, targets } = await readMirrorResources(client, SOURCE, signal)
    expect(sessions.map(({ sessionNumber }) => sessionNumber).sort((a, b) => a - b)).toEqual([
      1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22,
    ])
    expect([filters.length, targets.length]).toEqual([1, 1])
  })

  test('reads again what was changed between two calls', async () => {
    const session = (filterId: string) => ({
      trafficMirrorSessionId: 'tms-1',
      networkInterfaceId: SOURCE,
      trafficMirrorTargetId: 'tmt-1',
      trafficMirrorFilterId: filterId,
      sessionNumber: 1,
      virtualNetworkId: 5,
    })
    const named = ['tmf-old', 'tmf-new']
    const target = {
      trafficMirrorTargetId: 'tmt-1',
      type: 'network-interface',
      networkInterfaceId: 'eni-9',
    }
    const { url } = await startApi({
      ec2: [
        [
          'DescribeTrafficMirrorSessions',
          () => ({ trafficMirrorSessionSet: [session(named.shift() ?? 'tmf-gone')] }),
        ] as const,
        [
          'DescribeTrafficMirrorFilters',
          () => ({ trafficMirrorFilterSet: [{ trafficMirrorFilterId: 'tmf-new' }] }),
        ] as const,
        ['DescribeTrafficMirrorTargets', () => ({ trafficMirrorTargetSet: [target] })] as const,
      ].map(([name, run]) => ({ name, run })),
    })
    const read = () => readMirrorResources(clientFor(url), SOURCE, signal)
    expect((await read()).sessions[0]!.filterId).toBe('tmf-new')
    // A session whose filter stays away is there without it.
    expect((await read()).sessions[0]!.filterId).toBe('tmf-gone')
  })

  test.each([
    {
      name: 'a number that is none',
      member: { virtualNetworkId: 'many' },
      says: 'virtualNetworkId is no number from 0 to 16777215',
    },
    {
      name: 'a number too large',
      member: { virtualNetworkId: 2 ** 24 },
      says: 'virtualNetworkId is no number',
    },
    {
      name: 'no id',
      member: { trafficMirrorSessionId: '' },
      says: 'trafficMirrorSessionSet[0].trafficMirrorSessionId is missing',
    },
    {
      name: 'elements for a text',
      member: { trafficMirrorFilterId: { a: 1 } },
      says: 'trafficMirrorFilterId is no text',
    },
  ])('refuses $name', async ({ member, says }) => {
    const session = {
      trafficMirrorSessionId: 'tms-1',
      networkInterfaceId: SOURCE,
      trafficMirrorTargetId: 'tmt-1',
      trafficMirrorFilterId: 'tmf-1',
      sessionNumber: 1,
      virtualNetworkId: 5,
      ...member,
    }
    const run = () => ({ trafficMirrorSessionSet: [session] })
    const { url } = await startApi({ ec2: [{ name: 'DescribeTrafficMirrorSessions', run }] })
    const { message, isRefusal } = await failureAt(url)
    expect([message.includes('does not answer as EC2 does'), isRefusal]).toEqual([true, false])
    expect(message).toContain(says)
  })
})

describe('Ec2Client', () => {
  const EMPTY =
    '<DescribeTrafficMirrorSessionsResponse><a/></DescribeTrafficMirrorSessionsResponse>'

  test.each([
    { name: 'nothing', body: '', says: 'the reply is no XML' },
    { name: 'a page of HTML', body: '<html><br><p></html>', says: 'the reply is no XML' },
    { name: 'JSON', body: '{}', says: 'the reply is no XML' },
    { name: 'a reply that ends too soon', body: EMPTY.slice(0, -10), says: 'the reply is no XML' },
    {
      name: 'a reply to something else',
      body: '<DescribeVpcsResponse/>',
      says: 'the reply is no Describe',
    },
    {
      name: 'pages without an end',
      body: EMPTY.replace('<a/>', '<nextToken>t</nextToken>'),
      says: 'without an end',
    },
  ])('does not take $name for an answer', async ({ body, says }) => {
    const failure = await failureAt(await answering((_, reply) => void reply.end(body)))
    expect([failure.message.includes(says), failure.isRefusal]).toEqual([true, false])
  })

  test.each([
    { status: 503, code: 'RequestLimitExceeded', isRefusal: false },
    { status: 400, code: 'Throttling', isRefusal: false },
    { status: 500, code: 'InternalError', isRefusal: false },
    { status: 403, code: 'UnauthorizedOperation', isRefusal: true },
    { status: 401, code: 'AuthFailure', isRefusal: true },
  ])('knows whether $code may pass', async ({ status, code, isRefusal }) => {
    const run = () => {
      throw new ApiError(code, 'because\nof <this>', status)
    }
    const { url } = await startApi({ ec2: [{ name: 'DescribeTrafficMirrorSessions', run }] })
    const failure = await failureAt(url)
    expect(failure.message).toMatch(new RegExp(` refuses: ${code}: because of <this>$`))
    expect(failure.isRefusal).toBe(isRefusal)
  })

  test.each([
    {
      name: 'that closes',
      act: (socket: { destroy(): void }) => socket.destroy(),
      timeoutMs: 60_000,
      says: '(ECONNRESET)',
    },
    {
      name: 'that says nothing',
      act: () => undefined,
      timeoutMs: 50,
      says: '(nothing within 0.05 s)',
    },
  ])('gives up on a server $name', async ({ act, timeoutMs, says }) => {
    const url = await answering(({ socket }) => void act(socket))
    const failure = await failureAt(url, { timeoutMs })
    expect(failure.message).toContain(`does not answer ${says}`)
  })

  test('gives up on a reply that does not end', async () => {
    const url = await answering((_, reply) => void reply.write('<a>'))
    expect((await failureAt(url, { timeoutMs: 50 })).message).toContain('nothing within 0.05 s')
  })

  test('says the status of what is not EC2', async () => {
    const url = await answering((_, reply) => void reply.writeHead(404).end('<html><br></html>'))
    expect(await failureAt(url)).toMatchObject({ isRefusal: true })
    expect((await failureAt(url)).message).toMatch(/ refuses: HTTP status 404$/)
  })

  test('asks again where a connection was closed that lay idle', async () => {
    let asked = 0
    const url = await answering(({ socket }, reply) => {
      // What the server of the connection's first request does, too late to be seen before the second.
      if (asked++ === 1) socket.resetAndDestroy()
      else reply.end(EMPTY)
    })
    const client = clientFor(url)
    await readMirrorResources(client, SOURCE, signal)
    expect((await readMirrorResources(client, SOURCE, signal)).sessions).toEqual([])
    expect(asked).toBe(3)
  })

  test.each(['http://h/path', 'http://h/?a=b', 'ftp://h', 'http://me:secret@h'])(
    'asks nothing of %s',
    (url) => {
      expect(() => clientFor(url)).toThrow(OperatorError)
      expect(() => clientFor(url)).not.toThrow(/secret/)
    },
  )
})
