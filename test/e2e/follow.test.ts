import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DeleteTrafficMirrorSessionCommand } from '@aws-sdk/client-ec2'
import { describe, expect, test, vi } from 'vitest'
import { ethernet, tcp4 } from '../support/frames.js'
import { temporaryDirectory } from '../support/temporary.js'
import { ControlledAppliance } from './controlled-appliance.js'
import { IS_BUILT, NEEDS_BUILD, until } from './program.js'

const ENI = 'eni-0aa11bb22cc33dd44'
const INVENTORY = `
interfaces:
  - NetworkInterfaceId: ${ENI}
    PrivateIpAddress: 127.0.0.1
    VpcId: vpc-0aa11bb22cc33dd44
    SubnetId: subnet-0aa11bb22cc33dd44
    InstanceId: i-0aa11bb22cc33dd44
    OwnerId: '999988887777'
    AvailabilityZoneId: use1-az1
`
const FIELDS =
  '${interface-id} ${instance-id} ${vpc-id} ${subnet-id} ${az-id} ${account-id} ${srcport} ${flow-direction}'

const frame = (sport: number) =>
  ethernet(tcp4({ src: '127.0.0.1', dst: '192.0.2.1', sport, dport: 443 }))

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))

describe(`listen --control${NEEDS_BUILD}`, { skip: !IS_BUILT }, () => {
  test('has the sessions of another appliance, while that answers and after it is gone', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'ANYBODY')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'not asked for')
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'hub.yaml'), INVENTORY)
    const hub = await ControlledAppliance.start('--config', join(directory, 'hub.yaml'))
    const url = /^API on (\S+),/m.exec(hub.program.stderr)![1]!
    const names = {
      TrafficMirrorTargetId: await hub.target(),
      TrafficMirrorFilterId: await hub.filter(),
    }
    await hub.rule(names.TrafficMirrorFilterId, {})
    const mirrored = (NetworkInterfaceId: string, VirtualNetworkId: number) =>
      hub.session({ ...names, NetworkInterfaceId, VirtualNetworkId })
    const known = await mirrored(ENI, 7)
    const other = await mirrored('eni-00000000000000002', 8)

    const captures = join(directory, 'captures')
    const logs = join(directory, 'logs')
    const start = () =>
      ControlledAppliance.start(
        ...['--control', url, '--targets', names.TrafficMirrorTargetId],
        ...['--control-interval', '1s', '--state', join(directory, 'state.json')],
        ...['--capture-dir', captures, '--flow-log-dir', logs, '--log-format', FIELDS],
      )
    const first = await start()
    await first.program.says(new RegExp(`^sessions followed from ${url} .*${known} .*${ENI}`, 'm'))
    await first.send(7, [frame(1001)])
    await first.send(8, [frame(1002)])
    const refused = first.ec2.send(
      new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: known }),
    )
    await expect(refused).rejects.toMatchObject({ name: 'OperationNotPermitted' })

    // What goes there, goes here, and its files are whole.
    await hub.ec2.send(new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: other }))
    const [kept] = await until(() => {
      const files = filesBelow(captures).filter((name) => name.startsWith(other))
      return files.every((name) => name.endsWith('.pcap')) && files
    })
    expect(kept).toBeDefined()
    first.program.signal('SIGTERM')
    await first.program.ended()

    await hub.kill()
    const second = await start()
    await second.program.says(
      / does not answer \(ECONNREFUSED\); going on with the sessions as they were at 20/,
    )
    await second.send(7, [frame(1003)])
    second.program.signal('SIGTERM')
    await second.program.ended()
    expect(second.program.stderr.match(/does not answer/g)).toHaveLength(1)

    const sessions = new Set(filesBelow(captures).map((name) => name.split('/')[0]))
    expect([...sessions].sort()).toEqual([known, other].sort())
    const records = filesBelow(logs)
      .filter((name) => name.endsWith('.log.gz'))
      .flatMap((name) =>
        gunzipSync(readFileSync(join(logs, name)))
          .toString()
          .split('\n'),
      )
    const of = `${ENI} i-0aa11bb22cc33dd44 vpc-0aa11bb22cc33dd44 subnet-0aa11bb22cc33dd44 use1-az1 999988887777`
    expect(records.filter((line) => line.startsWith(ENI) && !line.includes(' - ')).sort()).toEqual([
      `${of} 1001 egress`,
      `${of} 1003 egress`,
    ])
  })
})
