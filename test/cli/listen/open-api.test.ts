import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ApiServer } from '../../../src/api/http/api-server.js'
import { LineLimits } from '../../../src/appliance/line-limit.js'
import type { Action } from '../../../src/aws/protocol/action.js'
import type { ApiCliOptions } from '../../../src/cli/listen/api-options.js'
import { openApi } from '../../../src/cli/listen/open-api.js'
import { Ledger } from '../../../src/session/ledger.js'
import { QUIET } from '../../api/running-api.js'
import { temporaryDirectory } from '../../support/temporary.js'

const LOCAL = { host: '127.0.0.1', port: 0 }

const create: Action = { name: 'CreateTags', run: (_, { arn, region }) => ({ arn, region }) }

interface Opened {
  server: ApiServer | undefined
  said: string[]
}

async function open(
  options: ApiCliOptions,
  metadata = {},
  ec2 = [create],
  said: string[] = [],
  limits = new LineLimits((line) => said.push(line)),
): Promise<Opened> {
  const say = (line: string): void => void said.push(line)
  const actions = { ec2, networkFirewall: [] }
  const server = await openApi(
    options,
    metadata,
    actions,
    { say, warn: say, limits },
    {
      version: '0.0.0',
      receiveBuffer: { asked: 1, granted: 1 },
      api: undefined,
      progress: () => QUIET,
      spaces: () => [],
      troubles: () => [],
      deliveries: () => [],
      talkers: async () => undefined,
      ledger: async () => new Ledger().report({ kernelLost: 0, sessions: [] }),
    },
  )
  if (server !== undefined) onTestFinished(() => server.close())
  return { server, said }
}

/** What a shell makes of the lines to export. */
function exported(said: readonly string[]): Record<string, string> {
  const lines = said
    .map((line) => /^ {2}export (\w+)=(.*)$/.exec(line))
    .filter((found) => found !== null)
  return Object.fromEntries(lines.map(([, name, value]) => [name!, value!]))
}

describe('openApi', () => {
  test('says a bounded number of lines about requests, and how many were left out', async () => {
    const failing: Action = {
      name: 'DescribeTags',
      run: () => {
        throw new TypeError('a bug')
      },
    }
    const said: string[] = []
    const limits = new LineLimits((line) => said.push(line))
    const { server } = await open({ api: LOCAL, auth: false }, {}, [failing], said, limits)
    const start = said.length
    for (let sent = 0; sent < 100; sent++) {
      const answer = await fetch(server!.url, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'Action=DescribeTags&Version=2016-11-15',
      })
      expect(answer.status).toBe(500)
    }
    expect(said.slice(start)).toHaveLength(60)
    limits.tick(Math.floor(Date.now() / 1000) + 60)
    expect(said.at(-1)).toBe('lines about requests to the API left out: 40')
  })

  test('says how to use the key it made, and the SDK does', async () => {
    const credentials = join(temporaryDirectory(), 'keys', 'credentials')
    const metadata = { region: 'eu-west-1', 'account-id': '111122223333' }
    const { server, said } = await open({ api: LOCAL, credentials }, metadata)
    expect(said[0]).toBe(
      `API on http://127.0.0.1:${server!.port}, region eu-west-1, account 111122223333, access keys in ${credentials}`,
    )
    const environment = exported(said)
    expect(environment['AWS_SHARED_CREDENTIALS_FILE']).toBe(credentials)
    const keys = readFileSync(credentials, 'utf8')
    const keyNamed = (name: string) => new RegExp(`^${name}\\s*=\\s*(\\S+)`, 'm').exec(keys)![1]!
    // A log is read by others than the owner of the file.
    expect(said.join('\n')).not.toContain(keyNamed('aws_secret_access_key'))
    expect(said.join('\n')).toContain(`aws --endpoint-url ${environment['AWS_ENDPOINT_URL']} `)
    const client = new EC2Client({
      endpoint: environment['AWS_ENDPOINT_URL']!,
      region: environment['AWS_DEFAULT_REGION']!,
      credentials: {
        accessKeyId: keyNamed('aws_access_key_id'),
        secretAccessKey: keyNamed('aws_secret_access_key'),
      },
    })
    onTestFinished(() => client.destroy())
    await expect(client.send(new DescribeVpcsCommand({}))).rejects.toMatchObject({
      name: 'InvalidAction',
    })

    const again = await open({ api: LOCAL, credentials })
    expect(again.said).toEqual([
      `API on ${again.server!.url}, region us-east-1, account 000000000000, access keys in ${credentials}`,
      `dashboard on ${again.server!.url}/ ("mirrortap top --link" prints the link that signs in)`,
    ])
  })

  test('keeps credentials where configuration is, when it is not told where', async () => {
    const directory = temporaryDirectory()
    vi.stubEnv('XDG_CONFIG_HOME', directory)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { said } = await open({ api: LOCAL })
    const path = join(directory, 'mirrortap', 'credentials')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(said[1]).toMatch(/^dashboard on /)
    expect(said[2]).toBe(`made an access key in ${path}; to use it:`)
  })

  test('lets everybody on this host in with --no-auth, and writes who did what', async () => {
    const auditLog = join(temporaryDirectory(), 'audit.jsonl')
    const { server, said } = await open({ api: LOCAL, auth: false, auditLog })
    expect(said).toEqual([
      expect.stringMatching(/^API on .*, for everybody on this host$/),
      expect.stringMatching(/^dashboard on /),
    ])
    const response = await fetch(`${server!.url}/?Action=CreateTags&Version=2016-11-15`)
    expect(await response.text()).toContain('<region>us-east-1</region>')
    expect(JSON.parse(readFileSync(auditLog, 'utf8'))).toMatchObject({
      eventName: 'CreateTags',
      sourceIPAddress: '127.0.0.1',
    })
  })

  test.each([
    { host: '0.0.0.0', port: 0 },
    { host: '::', port: 0 },
  ])('refuses --no-auth on %o', async (api) => {
    await expect(open({ api, auth: false })).rejects.toMatchObject({ exitCode: 2 })
  })

  test('opens nothing with --no-api', async () => {
    const credentials = join(temporaryDirectory(), 'credentials')
    expect(await open({ api: false, credentials })).toEqual({ server: undefined, said: [] })
    expect(existsSync(credentials)).toBe(false)
  })

  test('is an error where it was asked for and cannot be', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const { port } = other.address() as { port: number }
    const credentials = join(temporaryDirectory(), 'credentials')
    const api = { host: '127.0.0.1', port }
    await expect(open({ api, credentials })).rejects.toThrow(`127.0.0.1:${port}: it is taken`)
    for (const asked of [{ credentials: '/proc/no/credentials' }, { auditLog: '/proc/no/audit' }]) {
      await expect(open({ api: LOCAL, credentials, ...asked })).rejects.toThrow(/^cannot write/)
    }
  })

  test.each([undefined, true])('is a line where nobody asked for it, api being %s', async (api) => {
    vi.stubEnv('XDG_CONFIG_HOME', '/proc/nowhere')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await open(api === undefined ? {} : { api })).toEqual({
      server: undefined,
      said: [expect.stringMatching(/^without the API: cannot write \/proc\/nowhere/)],
    })
  })
})
