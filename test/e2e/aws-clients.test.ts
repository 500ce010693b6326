import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ethernet, tcp4, udp4, vxlan } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { hasTool } from '../support/tools.js'
import { UdpSender } from '../support/udp-sender.js'
import { readWritten } from '../support/written-captures.js'
import { Appliance, filesBelow, IS_BUILT, NEEDS_BUILD, UNHURRIED, until } from './program.js'

const run = promisify(execFile)

const VNI = 7
const WEB = ethernet(tcp4({ src: '10.0.0.9', dst: '192.0.2.1', sport: 1000, dport: 443 }))
const DNS = ethernet(udp4({ src: '10.0.0.9', dst: '192.0.2.1', sport: 1000, dport: 53 }))

/** Makes a session of `VNI` that wants TCP that leaves, and ends it. Prints its id. */
interface Client {
  readonly name: string
  readonly isHere: () => boolean
  create(environment: NodeJS.ProcessEnv): Promise<string>
  delete(environment: NodeJS.ProcessEnv, session: string): Promise<string>
}

const SOURCE = 'eni-0aa11bb22cc33dd44'
const TARGET = 'eni-0ff00ee11dd22cc33'
const CIDR = '0.0.0.0/0'

/** One answer's field. Versions before AWS_ENDPOINT_URL are told where on the command line. */
async function aws(env: NodeJS.ProcessEnv, field: string, ...args: string[]): Promise<string> {
  const where = ['--endpoint-url', env['AWS_ENDPOINT_URL']!]
  const command = ['ec2', ...args, ...where, '--query', field, '--output', 'text']
  return (await run('aws', command, { env })).stdout.trim()
}

const CREATE_BY_BOTO3 = `
import boto3, sys
url, source, target, vni = sys.argv[1:]
ec2 = boto3.client('ec2', endpoint_url=url)
target = ec2.create_traffic_mirror_target(NetworkInterfaceId=target)['TrafficMirrorTarget']
filter = ec2.create_traffic_mirror_filter()['TrafficMirrorFilter']
ec2.create_traffic_mirror_filter_rule(
    TrafficMirrorFilterId=filter['TrafficMirrorFilterId'], TrafficDirection='egress', RuleNumber=1, RuleAction='accept',
    Protocol=6, SourceCidrBlock='${CIDR}', DestinationCidrBlock='${CIDR}')
session = ec2.create_traffic_mirror_session(
    NetworkInterfaceId=source, TrafficMirrorTargetId=target['TrafficMirrorTargetId'],
    TrafficMirrorFilterId=filter['TrafficMirrorFilterId'], SessionNumber=1, VirtualNetworkId=int(vni))
print(session['TrafficMirrorSession']['TrafficMirrorSessionId'])
`
const DELETE_BY_BOTO3 = `
import boto3, sys
url, session = sys.argv[1:]
ec2 = boto3.client('ec2', endpoint_url=url)
print(ec2.delete_traffic_mirror_session(TrafficMirrorSessionId=session)['TrafficMirrorSessionId'])
`

async function python(env: NodeJS.ProcessEnv, script: string, ...args: string[]): Promise<string> {
  const command = ['-c', script, env['AWS_ENDPOINT_URL']!, ...args]
  return (await run('python3', command, { env })).stdout.trim()
}

const CLIENTS: readonly Client[] = [
  {
    name: 'aws',
    isHere: () => hasTool('aws'),
    async create(env) {
      const [target, filter] = await Promise.all([
        aws(
          env,
          'TrafficMirrorTarget.TrafficMirrorTargetId',
          ...['create-traffic-mirror-target', '--network-interface-id', TARGET],
        ),
        aws(env, 'TrafficMirrorFilter.TrafficMirrorFilterId', 'create-traffic-mirror-filter'),
      ])
      const [, session] = await Promise.all([
        aws(
          env,
          'TrafficMirrorFilterRule.TrafficMirrorFilterRuleId',
          ...['create-traffic-mirror-filter-rule', '--traffic-mirror-filter-id', filter],
          ...['--traffic-direction', 'egress', '--rule-number', '1', '--rule-action', 'accept'],
          ...['--protocol', '6', '--source-cidr-block', CIDR, '--destination-cidr-block', CIDR],
        ),
        aws(
          env,
          'TrafficMirrorSession.TrafficMirrorSessionId',
          ...['create-traffic-mirror-session', '--network-interface-id', SOURCE],
          ...['--traffic-mirror-target-id', target, '--traffic-mirror-filter-id', filter],
          ...['--session-number', '1', '--virtual-network-id', String(VNI)],
        ),
      ])
      return session
    },
    delete: (env, session) =>
      aws(
        env,
        'TrafficMirrorSessionId',
        ...['delete-traffic-mirror-session', '--traffic-mirror-session-id', session],
      ),
  },
  {
    name: 'python3-boto3',
    isHere: () => spawnSync('python3', ['-c', 'import boto3']).status === 0,
    create: (env) => python(env, CREATE_BY_BOTO3, SOURCE, TARGET, String(VNI)),
    delete: (env, session) => python(env, DELETE_BY_BOTO3, session),
  },
]

/** The lines to export that an appliance prints at its first start, and nothing of this user's. */
async function printedEnvironment(appliance: Appliance): Promise<NodeJS.ProcessEnv> {
  await appliance.says(/^ {2}export AWS_ENDPOINT_URL=.*\n/m)
  const lines = appliance.stderr.matchAll(/^ {2}export (\w+)=(.*)$/gm)
  const printed = Object.fromEntries([...lines].map(([, name, value]) => [name!, value!]))
  const own = { PATH: process.env['PATH'], HOME: '/nonexistent' }
  return { ...own, AWS_EC2_METADATA_DISABLED: 'true', AWS_MAX_ATTEMPTS: '1', ...printed }
}

describe.skipIf(!IS_BUILT)(`listen, told by clients of AWS${NEEDS_BUILD}`, UNHURRIED, () => {
  for (const client of CLIENTS) {
    const isHere = client.isHere()
    const needs = isHere ? '' : ` (needs ${client.name})`

    test.skipIf(!isHere)(`captures what a session of ${client.name} wants${needs}`, async () => {
      const dir = temporaryDirectory()
      const captures = join(dir, 'captures')
      const appliance = new Appliance([
        ...['--api', '127.0.0.1:0', '--credentials', join(dir, 'credentials')],
        ...['--unknown-sessions', 'drop', '--capture-dir', captures],
      ])
      const environment = await printedEnvironment(appliance)
      const port = await appliance.port()
      const sender = await UdpSender.open('127.0.0.1')
      const written = () => filesBelow(captures).filter((name) => name.endsWith('.pcap'))
      let sent = 0
      const send = async (): Promise<void> => {
        for (const frame of [WEB, DNS]) await sender.send(vxlan(VNI, frame), port, '127.0.0.1')
        sent += 2
        const all = new RegExp(`^${sent} received = `, 'm')
        await until(() => {
          appliance.signal('SIGUSR2')
          return all.test(appliance.stderr)
        })
      }

      await send()
      expect(written()).toEqual([])
      const session = await client.create(environment)
      expect(session).toMatch(/^tms-[0-9a-f]{17}$/)
      await send()
      expect(await client.delete(environment, session)).toBe(session)
      await send()
      await sender.close()
      const [file, ...others] = written()
      expect(file?.startsWith(`${session}/`), file).toBe(true)
      expect(others).toEqual([])
      expect(readWritten(join(captures, file!)).map(({ frame }) => frame)).toEqual([WEB])
      expect(await appliance.stop(), appliance.stderr).toBe(0)
    })
  }
})
