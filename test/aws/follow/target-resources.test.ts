import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ec2Actions } from '../../../src/api/ec2/operations.js'
import { CallFailure, Ec2Api } from '../../../src/aws/follow/ec2-client.js'
import { readTargetResources } from '../../../src/aws/follow/target-resources.js'
import { type Action, ApiError } from '../../../src/aws/protocol/action.js'
import type { NetworkInterface } from '../../../src/mirror/resources.js'
import { Ec2House, type Furniture, furnish, SOURCE, TARGET } from '../../api/ec2/ec2-house.js'
import { ALICE, REGION, startApi } from '../../api/running-api.js'
import { INTERFACE } from '../../mirror/sample-resources.js'
import { temporaryDirectory } from '../../support/temporary.js'

const { signal } = new AbortController()
const KNOWN: NetworkInterface = { ...INTERFACE, id: SOURCE }

type Fault = (reply: ServerResponse) => void

const FAULTS: Record<string, Fault> = {
  throttling: (reply) =>
    reply
      .writeHead(503)
      .end(
        '<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>x</Message></Error></Errors></Response>',
      ),
  'a 500': (reply) => reply.writeHead(500).end('<html>no</html>'),
  'a reset': (reply) => reply.socket?.resetAndDestroy(),
  'no answer': () => undefined,
  'half a reply': (reply) => reply.end('<DescribeInstancesResponse><reservationSet>'),
}

/** In front of an API: the requests that `faultOf` has a fault for meet that in its place. */
async function before(api: string, faultOf: (action: string) => Fault | undefined) {
  const asked: string[] = []
  const server = createServer(async (incoming, reply) => {
    const body = Buffer.concat(await incoming.toArray())
    const action = /Action=(\w+)/.exec(body.toString())![1]!
    asked.push(action)
    const fault = faultOf(action)
    if (fault !== undefined) return fault(reply)
    const to = { method: 'POST', headers: incoming.headers, agent: false }
    const onward = request(api, to, (answer) => {
      reply.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(reply)
    })
    onward.on('error', () => reply.destroy())
    onward.end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

async function clientFor(url: string, timeoutMs = 10_000): Promise<Ec2Api> {
  const credentialsFile = join(temporaryDirectory(), 'credentials')
  writeFileSync(
    credentialsFile,
    `[default]\naws_access_key_id = ${ALICE.accessKeyId}\naws_secret_access_key = ${ALICE.secretAccessKey}\n`,
  )
  const api = await Ec2Api.open({ url: new URL(url), region: REGION, credentialsFile, timeoutMs })
  onTestFinished(() => api.close())
  return api
}

/** A control plane with a session, and what it knows of the interface behind it. */
async function hub(
  change: (actions: Action[]) => Action[] = (actions) => actions,
): Promise<{ house: Ec2House; url: string; has: Furniture }> {
  const house = await Ec2House.open({ interfaces: [KNOWN, { id: 'eni-other', addresses: [] }] })
  const has = await furnish(house)
  await house.must('CreateTags', {
    ResourceId: [has.sessionId],
    Tag: [{ Key: 'empty', Value: '' }],
  })
  const { url } = await startApi({ ec2: change(ec2Actions(house.plane)) })
  return { house, url, has }
}

const refuse = (line: string) => expect.unreachable(line)

describe('readTargetResources', () => {
  test('reads the sessions of a target, what they name, and what is behind them', async () => {
    const { house, url, has } = await hub()
    // Of another target, so of nobody's here.
    const other = await house.must('CreateTrafficMirrorTarget', {
      NetworkInterfaceId: 'eni-00000000000000099',
    })
    await house.must('CreateTrafficMirrorSession', {
      NetworkInterfaceId: 'eni-00000000000000098',
      TrafficMirrorTargetId: other.trafficMirrorTarget.trafficMirrorTargetId,
      TrafficMirrorFilterId: has.filterId,
      SessionNumber: '1',
    })
    const api = await clientFor(url)
    const { sessions, filters, targets } = house.plane.resources
    const expected = {
      sessions: [sessions.get(has.sessionId)],
      filters: [filters.get(has.filterId)],
      targets: [targets.get(has.targetId)],
      interfaces: [KNOWN],
    }
    const byId = { targets: [has.targetId], networkInterfaceIds: [] }
    expect(await readTargetResources(api, byId, signal, refuse)).toEqual(expected)
    const byInterface = { targets: [], networkInterfaceIds: [TARGET] }
    expect(await readTargetResources(api, byInterface, signal, refuse)).toEqual(expected)

    await house.must('DeleteTrafficMirrorSession', { TrafficMirrorSessionId: has.sessionId })
    expect(await readTargetResources(api, byId, signal, refuse)).toEqual({
      sessions: [],
      filters: [],
      targets: [targets.get(has.targetId)],
      interfaces: [],
    })
    const nothing = { targets: ['tmt-00000000000000000'], networkInterfaceIds: [] }
    expect((await readTargetResources(api, nothing, signal, refuse)).targets).toEqual([])
  })

  test.each(Object.entries(FAULTS))(
    'comes through %s, or says that it does not',
    async (name, fault) => {
      const { house, url, has } = await hub()
      const named = { targets: [has.targetId], networkInterfaceIds: [] }
      const whole = await readTargetResources(await clientFor(url), named, signal, refuse)
      // A call of a reading meets it once, and then again and again.
      for (const [times, action] of [
        [1, 'DescribeTrafficMirrorSessions'],
        [1, 'DescribeInstances'],
        [99, 'DescribeInstances'],
      ] as const) {
        let left = times as number
        const server = await before(url, (asked) =>
          asked === action && left-- > 0 ? fault : undefined,
        )
        const api = await clientFor(server.url, name === 'no answer' ? 300 : 20_000)
        const read = await readTargetResources(api, named, signal, refuse).catch(
          (error: unknown) => error,
        )
        if (read instanceof Error) {
          expect(read).toBeInstanceOf(CallFailure)
          expect((read as CallFailure).isRefusal).toBe(false)
        } else expect(read).toEqual(whole)
        // What may pass is tried again at once.
        const isTriedAgain = ['throttling', 'a 500', 'a reset'].includes(name) && times === 1
        if (isTriedAgain) expect(read).toEqual(whole)
        if (times === 99) expect(read).toBeInstanceOf(CallFailure)
      }
      expect(house.plane.resources.sessions.size).toBe(1)
    },
  )

  test('goes without what it may not ask, and says why', async () => {
    const closed = ['DescribeInstances', 'DescribeVpcs', 'DescribeSubnets']
    const { url, has } = await hub((actions) =>
      actions.map((action) =>
        closed.includes(action.name)
          ? {
              ...action,
              run: () => {
                throw new ApiError('UnauthorizedOperation', 'You are not authorized.', 403)
              },
            }
          : action,
      ),
    )
    const said: string[] = []
    const named = { targets: [has.targetId], networkInterfaceIds: [] }
    const { interfaces } = await readTargetResources(await clientFor(url), named, signal, (why) =>
      said.push(why),
    )
    const { vpcCidrBlock: _, instanceTags: __, ...rest } = KNOWN
    expect(interfaces).toEqual([rest])
    expect(said).toHaveLength(2)
    expect(said[0]).toMatch(/^http:\S+ refuses: UnauthorizedOperation: You are not authorized\.$/)
  })
})
