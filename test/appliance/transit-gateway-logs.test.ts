// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a log format is written

import { describe, expect, test } from 'vitest'
import { parseLogFormat } from '../../src/flowlog/log-format.js'
import { TRANSIT_GATEWAY_FIELDS } from '../../src/flowlog/transit-gateway-fields.js'
import type { FlowLog, TransitGateway } from '../../src/mirror/resources.js'
import { tcp4, udp6 } from '../support/frames.js'
import {
  deleted,
  filterResource,
  flowLogResource,
  inventoryOf,
  made,
  sessionResource,
} from './registered.js'
import { RegisteredColumn, T } from './registered-column.js'

const [A, B, C] = ['10.1.0.9', '10.2.0.9', '10.3.0.9']
const [A6, B6] = ['fd00:1::9', 'fd00:2::9']

const attachment = (name: string, ...cidrBlocks: string[]) => ({
  id: `tgw-attach-${name}`,
  vpcId: `vpc-${name}`,
  vpcOwnerId: `owner-${name}`,
  subnetIds: [`subnet-tgw-${name}`],
  cidrBlocks,
})
const GATEWAY: TransitGateway = {
  id: 'tgw-1',
  ownerId: '999988887777',
  attachments: [
    attachment('a', '10.1.0.0/16', 'fd00:1::/56'),
    { ...attachment('b', '10.2.0.0/16', 'fd00:2::/56'), subnetIds: ['subnet-1', 'subnet-2'] },
  ],
}
/** Another pair of VPCs has the same addresses as the first. */
const OTHER: TransitGateway = {
  id: 'tgw-2',
  attachments: [attachment('x', '10.1.0.0/16'), attachment('y', '10.2.0.0/16')],
}

const INTERFACES = inventoryOf(
  { id: 'eni-a', addresses: [A!, A6!], vpcId: 'vpc-a' },
  { id: 'eni-b', addresses: [B!, B6!], vpcId: 'vpc-b' },
  { id: 'eni-c', addresses: [C!], vpcId: 'vpc-c' },
  { id: 'eni-x', addresses: [A!], vpcId: 'vpc-x' },
  { id: 'eni-of-tgw', subnetId: 'subnet-tgw-a', availabilityZoneId: 'use1-az1' },
)

const sessionOf = (name: string, virtualNetworkId: number, filterId = 'tmf-all') =>
  made(
    'sessions',
    sessionResource({
      id: `tms-${name}`,
      networkInterfaceId: `eni-${name}`,
      virtualNetworkId,
      filterId,
    }),
  )
const SESSIONS = { a: sessionOf('a', 1), b: sessionOf('b', 2), c: sessionOf('c', 3) }

const SHORT =
  '${tgw-attachment-id} ${flow-direction} ${tgw-pair-attachment-id} ${srcport} ${packets}'
const log = (of: Partial<FlowLog> = {}) =>
  made(
    'flowLogs',
    flowLogResource({
      resourceId: 'tgw-1',
      resourceType: 'TransitGateway',
      trafficType: undefined,
      logFormat: SHORT,
      ...of,
    }),
  )
const ID = flowLogResource({ resourceId: '' }).id

const column = () =>
  new RegisteredColumn({ interfaces: INTERFACES, transitGateways: [GATEWAY, OTHER] })

const segment = (src: string, dst: string, sport: number) =>
  tcp4({ src, dst, sport, dport: 443, flags: 0x12, payload: Buffer.alloc(60) })

const both = (sport: number, packets = 1) => [
  `tgw-attach-a ingress tgw-attach-b ${sport} ${packets}`,
  `tgw-attach-b egress tgw-attach-a ${sport} ${packets}`,
]

describe('TransitGatewayLogs', () => {
  test('write all fields of the default format at the attachment a flow enters and the one it leaves', async () => {
    const { text } = parseLogFormat(undefined, TRANSIT_GATEWAY_FIELDS)
    const run = await column().begin(SESSIONS.a, log({ logFormat: text }))
    run.at(T + 5).packet(1, 0, segment(A!, B!, 1000), A)
    await run.close()
    const line = (here: string, pair: string, direction: string) =>
      `6 TransitGateway 999988887777 tgw-1 tgw-attach-${here} owner-a owner-b vpc-a vpc-b subnet-tgw-a - - - ` +
      `use1-az1 - tgw-attach-${pair} ${A} ${B} 1000 443 6 1 100 ${T + 5} ${T + 5} OK IPv4 - - - - 18 ` +
      `eu-west-1 ${direction} - -`
    expect(run.records(ID)).toEqual([line('a', 'b', 'ingress'), line('b', 'a', 'egress')])
  })

  test('have the flags of all packets but ACK alone, where VPC flow logs have fewer', async () => {
    const flags = {
      syn: 0x02,
      synAck: 0x12,
      ack: 0x10,
      push: 0x18,
      urgent: 0x30,
      end: 0x11,
      ece: 0xc2,
    }
    const cases: [number, (keyof typeof flags)[], number, number][] = [
      [1000, ['ack', 'ack'], 0, 0],
      [1001, ['syn'], 2, 2],
      [1002, ['synAck', 'ack'], 18, 18],
      [1003, ['ack', 'push'], 24, 0],
      [1004, ['urgent'], 48, 0],
      [1005, ['syn', 'push', 'end'], 27, 3],
      [1006, ['ece'], 2, 2],
    ]
    const run = await column().begin(SESSIONS.a, log({ logFormat: '${srcport} ${tcp-flags}' }))
    await run.apply(
      made(
        'flowLogs',
        flowLogResource({
          id: 'fl-00000000000000001',
          resourceId: 'eni-a',
          resourceType: 'NetworkInterface',
          logFormat: '${srcport} ${tcp-flags}',
        }),
      ),
    )
    for (const [sport, packets] of cases) {
      for (const name of packets) {
        run.packet(1, 0, tcp4({ src: A!, dst: B!, sport, dport: 443, flags: flags[name] }), A)
      }
    }
    await run.close()
    const twice = cases.flatMap(([sport, , gateway]) => Array(2).fill(`${sport} ${gateway}`))
    expect(run.records(ID).sort()).toEqual(twice)
    const once = cases.map(([sport, , , vpc]) => `${sport} ${vpc}`)
    expect(run.records('fl-00000000000000001').sort()).toEqual(once)
  })

  test('say of each attachment with mirrored interfaces when nothing came, or something was lost', async () => {
    const logFormat =
      '${log-status} ${tgw-id} ${tgw-attachment-id} ${start} ${end} ${srcport} ${tcp-flags}'
    const run = new RegisteredColumn(
      { interfaces: INTERFACES, transitGateways: [GATEWAY, OTHER] },
      { wholeSessions: true },
    )
    await run.begin(SESSIONS.a, log({ logFormat }))
    // The flow log was not there for all of the first window.
    run.tick(T + 5, T + 62)
    run.at(T + 65).packet(1, 0, segment(A!, B!, 1000), A)
    run.tick(T + 66, T + 182)
    for (let now = T + 183; now <= T + 245; now++) run.at(now).column.tick(now, 5)
    await run.close()
    const at = (from: number) => `${T + from} ${T + from + 60}`
    expect(run.records(ID).filter((line) => line.includes('attach-a'))).toEqual([
      `OK tgw-1 tgw-attach-a ${T + 65} ${T + 65} 1000 18`,
      `NODATA tgw-1 tgw-attach-a ${at(120)} - -`,
      `SKIPDATA tgw-1 tgw-attach-a ${at(180)} - -`,
    ])
    // Nothing is mirrored of the VPC at the other end.
    expect(run.records(ID).filter((line) => line.includes('attach-b'))).toEqual([
      `OK tgw-1 tgw-attach-b ${T + 65} ${T + 65} 1000 18`,
    ])
  })

  test('count a flow that both ends mirror once, at its source', async () => {
    const run = await column().begin(SESSIONS.a, SESSIONS.b, log())
    for (const [vni, source] of [
      [1, A],
      [2, B],
    ] as const) {
      run.packet(vni, 0, segment(A!, B!, 1000), source)
      run.packet(vni, 0, segment(B!, A!, 1001), source)
    }
    await run.close()
    const back = [
      'tgw-attach-b ingress tgw-attach-a 1001 1',
      'tgw-attach-a egress tgw-attach-b 1001 1',
    ]
    expect(run.records(ID).sort()).toEqual([...both(1000), ...back].sort())
  })

  test('count it at its destination where its source is not mirrored, or not in that direction', async () => {
    const ingress = made('filters', filterResource('tmf-in', 'in accept * *'))
    for (const sessions of [[SESSIONS.b], [SESSIONS.b, ingress, sessionOf('a', 1, 'tmf-in')]]) {
      const run = await column().begin(...sessions, log())
      run.packet(1, 0, segment(A!, B!, 1000), A)
      run.packet(2, 0, segment(A!, B!, 1000), B)
      await run.close()
      expect(run.records(ID)).toEqual(both(1000))
    }
  })

  test('have nothing of what stays in a VPC, leaves for elsewhere, or is seen in a VPC that is not an end', async () => {
    const run = await column().begin(SESSIONS.a, SESSIONS.c, log())
    run.packet(1, 0, segment(A!, '10.1.7.7', 1000), A)
    run.packet(1, 0, segment(A!, '192.0.2.1', 1001), A)
    run.packet(1, 0, segment(A!, C!, 1002), A)
    run.packet(3, 0, segment(A!, B!, 1003), C)
    await run.close()
    expect(run.records(ID)).toEqual([])
    // The flow logs of the sessions are as they were.
    expect(run.records()).toHaveLength(4)
  })

  test('of an attachment have what crosses the gateway there', async () => {
    const resourceType = 'TransitGatewayAttachment'
    const any = filterResource('tmf-all', 'out accept * *', 'out accept * *')
    const ipv6 = { sourceCidr: '::/0', destinationCidr: '::/0' }
    const run = await column().begin(
      made('filters', { ...any, rules: [any.rules[0]!, { ...any.rules[1]!, ...ipv6 }] }),
      SESSIONS.a,
      log({ resourceType, resourceId: 'tgw-attach-b' }),
      log({ resourceType, resourceId: 'tgw-attach-x', id: 'fl-00000000000000001' }),
    )
    run.packet(1, 0, segment(A!, B!, 1000), A)
    run.packet(1, 0, udp6({ src: A6!, dst: B6!, sport: 1001, dport: 53 }), A)
    await run.close()
    expect(run.records(ID).sort()).toEqual([both(1000)[1], both(1001)[1]])
    expect(run.records('fl-00000000000000001')).toEqual([])
  })

  test('tell gateways whose VPCs have the same addresses apart by the interface’s VPC', async () => {
    const run = await column().begin(
      sessionOf('x', 4),
      log({ resourceId: 'tgw-2' }),
      log({ id: 'fl-00000000000000001' }),
    )
    run.packet(4, 0, segment(A!, B!, 1000), A)
    await run.close()
    expect(run.records(ID)).toEqual([
      'tgw-attach-x ingress tgw-attach-y 1000 1',
      'tgw-attach-y egress tgw-attach-x 1000 1',
    ])
    expect(run.records('fl-00000000000000001')).toEqual([])
  })

  test('hold what is between the calls that make and delete one, to the packet', async () => {
    const run = await column().begin(SESSIONS.a)
    const packets = (count: number) => {
      for (let number = 0; number < count; number++) run.packet(1, 0, segment(A!, B!, 1000), A)
    }
    packets(1)
    await run.apply(log())
    packets(2)
    await run.apply(deleted('flowLogs', ID))
    expect(run.records(ID)).toEqual(both(1000, 2))
    packets(4)
    await run.close()
    expect(run.records(ID)).toEqual(both(1000, 2))
  })
})
