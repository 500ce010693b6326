import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { Appliance, IS_BUILT, NEEDS_BUILD, UNHURRIED } from './program.js'

const HOST = '127.0.0.1'

describe.skipIf(!IS_BUILT)(`the API of listen${NEEDS_BUILD}`, UNHURRIED, () => {
  test('is there while packets are received, and ends with it', async () => {
    const credentials = join(temporaryDirectory(), 'credentials')
    const api = new Appliance(['--api', `${HOST}:0`, '--credentials', credentials])
    const [, url] = await api.says(/^API on (\S+), region us-east-1/m)
    await api.says(/^ {2}export AWS_ENDPOINT_URL=/m)
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({
      status: 'ok',
      failures: [],
      workers: [{ worker: 1, silentSeconds: expect.any(Number) }],
      api: { connections: 1, connectionsRefused: 0, bodiesGivenUp: 0 },
    })
    expect((await fetch(`${url}/?Action=DescribeTags&Version=2016-11-15`)).status).toBe(403)

    const other = new Appliance([
      '--api',
      url!.replace('http://', ''),
      '--credentials',
      credentials,
    ])
    expect(await other.ended()).toBe(1)
    expect(other.stderr).toMatch(
      /^mirrortap: the API cannot listen on \S+: it is taken; [^\n]+\n$/m,
    )

    expect(await api.stop()).toBe(0)
    await expect(fetch(`${url}/health`)).rejects.toThrow()
  })

  test('needs keys where others can reach it', async () => {
    const open = new Appliance(['--api', '0.0.0.0:0', '--no-auth'])
    expect(await open.ended()).toBe(2)
    expect(open.stderr).toMatch(/^mirrortap: --no-auth lets everybody in [^\n]+\n$/m)
  })
})
