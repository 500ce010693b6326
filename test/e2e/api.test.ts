import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { LedgerReport } from '../../src/session/ledger.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpSender } from '../support/udp-sender.js'
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

  test('load balancers find it well by HTTP and by TCP, and the ledger is a page', async () => {
    const api = ['--api', `${HOST}:0`, '--no-auth', '--health', `${HOST}:0`]
    const appliance = new Appliance(api)
    const [, health] = await appliance.says(/^health checks by HTTP, and \/metrics, on (\S+)$/m)
    for (const path of ['/', '/healthz', '/readyz']) {
      const answer = await fetch(`${health}${path}`)
      expect([path, answer.status, await answer.text()]).toEqual([path, 200, 'ok\n'])
    }
    expect((await fetch(`${health}/ledger`)).status).toBe(404)
    const port = await appliance.port()
    const checked = connect(port, HOST)
    await once(checked.resume(), 'close')

    const sender = await UdpSender.open(HOST)
    await sender.send(
      vxlan(7, ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1000, dport: 53 }))),
      port,
      HOST,
    )
    await sender.close()
    const [, url] = await appliance.says(/^API on (\S+), region/m)
    const ledger = async () => (await fetch(`${url}/ledger`)).json() as Promise<LedgerReport>
    await expect.poll(async () => (await ledger()).received).toBe(1)
    expect(await ledger()).toMatchObject({
      accepted: 1,
      kernelLost: 0,
      sessions: [{ session: `vni-7_${HOST}`, received: 1 }],
    })
    expect(await appliance.stop()).toBe(0)
    await expect(once(connect(port, HOST), 'connect')).rejects.toThrow('ECONNREFUSED')
  })

  test('needs keys where others can reach it', async () => {
    const open = new Appliance(['--api', '0.0.0.0:0', '--no-auth'])
    expect(await open.ended()).toBe(2)
    expect(open.stderr).toMatch(/^mirrortap: --no-auth would let everyone [^\n]+\n$/m)
  })
})
