import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { CallFailure, Ec2Api, type Ec2ClientOptions } from '../../../src/aws/follow/ec2-client.js'
import { readMirrorResources } from '../../../src/aws/follow/mirror-resources.js'
import { ApiError } from '../../../src/aws/protocol/action.js'
import type { Credential } from '../../../src/aws/sigv4/credentials.js'
import { AWS_QUOTAS } from '../../../src/control/quotas.js'
import { OperatorError } from '../../../src/errors.js'
import { Ec2House, furnish, ruleFor, SOURCE } from '../../api/ec2/ec2-house.js'
import { ALICE, BOB, REGION, startApi } from '../../api/running-api.js'
import { temporaryDirectory } from '../../support/temporary.js'

const { signal } = new AbortController()

async function clientFor(
  url: string,
  who: Credential = ALICE,
  options: Partial<Ec2ClientOptions> = {},
): Promise<Ec2Api> {
  const credentialsFile = join(temporaryDirectory(), 'credentials')
  writeFileSync(
    credentialsFile,
    `[default]\naws_access_key_id = ${who.accessKeyId}\naws_secret_access_key = ${who.secretAccessKey}\n` +
      (who.sessionToken === undefined ? '' : `aws_session_token = ${who.sessionToken}\n`),
  )
  const client = await Ec2Api.open({
    url: new URL(url),
    region: REGION,
    credentialsFile,
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
  const failure = await readMirrorResources(
    await clientFor(url, ALICE, options),
    SOURCE,
    signal,
  ).then(
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
    expect(await readMirrorResources(await clientFor(url, who), SOURCE, signal)).toEqual({
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
    expect(await readMirrorResources(await clientFor(url, who), SOURCE, signal)).toEqual({
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
    const client = await clientFor(url)
    const { sessions, filters, targets } = await readMirrorResources(client, SOURCE, signal, 5)
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
    const read = async () => readMirrorResources(await clientFor(url), SOURCE, signal)
    expect((await read()).sessions[0]!.filterId).toBe('tmf-new')
    // A session whose filter stays away is there without it.
    expect((await read()).sessions[0]!.filterId).toBe('tmf-gone')
  })

  test.each([
    {
      name: 'a number that is none',
      member: { virtualNetworkId: 'many' },
      says: 'does not answer as EC2 does',
    },
    {
      name: 'a number too large',
      member: { virtualNetworkId: 2 ** 24 },
      says: 'TrafficMirrorSessions[0].VirtualNetworkId: ',
    },
    {
      name: 'no id',
      member: { trafficMirrorSessionId: '' },
      says: 'TrafficMirrorSessions[0].TrafficMirrorSessionId: ',
    },
    {
      name: 'elements for a text',
      member: { trafficMirrorFilterId: { a: 1 } },
      says: 'its reply cannot be read (',
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

describe('Ec2Api', () => {
  const EMPTY =
    '<DescribeTrafficMirrorSessionsResponse><a/></DescribeTrafficMirrorSessionsResponse>'

  test.each([
    { name: 'a page of HTML', body: '<html><br><p></html>', says: 'does not answer as EC2 does' },
    { name: 'JSON', body: '{}', says: 'does not answer as EC2 does' },
    { name: 'a reply that ends too soon', body: EMPTY.slice(0, -10), says: 'as EC2 does' },
    {
      name: 'elements within elements without an end',
      body: EMPTY.replace('<a/>', '<a>'.repeat(200_000)),
      says: 'does not answer as EC2 does',
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
    const client = await clientFor(url)
    await readMirrorResources(client, SOURCE, signal)
    expect((await readMirrorResources(client, SOURCE, signal)).sessions).toEqual([])
    expect(asked).toBe(3)
  })

  test('gives up on a reply that is longer than any page', async () => {
    const url = await answering((_, reply) => {
      const more = () => {
        while (!reply.destroyed && reply.write(Buffer.alloc(1 << 20, 0x20)));
      }
      reply.on('drain', more)
      more()
    })
    expect((await failureAt(url, { timeoutMs: 60_000 })).message).toMatch(/longer than \d+ bytes/)
  })

  test.each(['http://h/path', 'http://h/?a=b', 'ftp://h', 'http://me:secret@h'])(
    'asks nothing of %s',
    async (url) => {
      const refused = await clientFor(url).catch((error: Error) => error)
      expect(refused).toBeInstanceOf(OperatorError)
      expect((refused as Error).message).not.toMatch(/secret/)
    },
  )
})

describe('credentials', () => {
  const KEYS = {
    AWS_ACCESS_KEY_ID: ALICE.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ALICE.secretAccessKey,
  }
  const NONE = {
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_SESSION_TOKEN: undefined,
    AWS_PROFILE: undefined,
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
    AWS_CONFIG_FILE: '/nonexistent/config',
    AWS_EC2_METADATA_DISABLED: 'true',
  }

  /** Asks with what the environment has; the answer is empty, or a failure. */
  async function askWith(
    environment: Readonly<Record<string, string | undefined>>,
    options: Partial<Ec2ClientOptions> = {},
  ): Promise<unknown> {
    const { url } = await openHouse()
    for (const [name, value] of Object.entries({ ...NONE, ...environment })) vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    const client = await Ec2Api.open({ url: new URL(url), region: REGION, ...options })
    onTestFinished(() => client.close())
    return readMirrorResources(client, SOURCE, signal).then(
      ({ sessions }) => sessions,
      (error: Error) => error,
    )
  }

  function fileOf(text: string): string {
    const path = join(temporaryDirectory(), 'credentials')
    writeFileSync(path, text)
    return path
  }

  const PROFILES = `[default]
aws_access_key_id = WRONG
aws_secret_access_key = wrong
[mirrors]
aws_access_key_id = ${ALICE.accessKeyId}
aws_secret_access_key = ${ALICE.secretAccessKey}
`

  test('are those of the environment', async () => {
    expect(await askWith(KEYS)).toEqual([])
  })

  test("are those of a profile of AWS's own file", async () => {
    const environment = { AWS_SHARED_CREDENTIALS_FILE: fileOf(PROFILES) }
    expect(await askWith(environment, { profile: 'mirrors' })).toEqual([])
  })

  test('are those of a file that is named, whatever the environment has', async () => {
    const credentialsFile = fileOf(PROFILES)
    const environment = { AWS_ACCESS_KEY_ID: 'OTHER', AWS_SECRET_ACCESS_KEY: 'other' }
    expect(await askWith(environment, { credentialsFile, profile: 'mirrors' })).toEqual([])
  })

  test('are those of the role of the instance', async () => {
    const endpoint = await answering((request, reply) => {
      const { url = '' } = request
      if (request.method === 'PUT') return void reply.end('token')
      if (url.endsWith('/security-credentials/')) return void reply.end('role')
      const keys = {
        Code: 'Success',
        AccessKeyId: ALICE.accessKeyId,
        SecretAccessKey: ALICE.secretAccessKey,
        Token: '',
        Expiration: new Date(Date.now() + 3_600_000).toISOString(),
      }
      return void reply.end(JSON.stringify({ ...keys, AccountId: '111122223333' }))
    })
    const environment = {
      AWS_EC2_METADATA_DISABLED: 'false',
      AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint,
    }
    expect(await askWith(environment)).toEqual([])
  })

  test.each([
    {
      name: 'no key anywhere',
      options: {},
      says: /^no AWS credentials: .*give --credentials FILE/,
    },
    {
      name: 'no such profile',
      options: { profile: 'none' },
      says: /^no AWS credentials for the profile none: /,
    },
    {
      name: 'a file that is not there',
      options: { credentialsFile: '/nonexistent/keys' },
      says: /^no AWS credentials in \/nonexistent\/keys: /,
    },
  ])('are asked for where there is $name', async ({ options, says }) => {
    const error = await askWith({}, options)
    expect(error).toBeInstanceOf(OperatorError)
    expect((error as Error).message).toMatch(says)
    expect((error as Error).message).not.toMatch(/\n/)
  })
})
