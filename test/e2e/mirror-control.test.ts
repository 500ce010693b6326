import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import {
  CreateTrafficMirrorFilterCommand,
  CreateTrafficMirrorFilterRuleCommand,
  type CreateTrafficMirrorFilterRuleCommandInput,
  CreateTrafficMirrorSessionCommand,
  CreateTrafficMirrorTargetCommand,
  DeleteTrafficMirrorFilterRuleCommand,
  DeleteTrafficMirrorSessionCommand,
  EC2Client,
  ModifyTrafficMirrorSessionCommand,
} from '@aws-sdk/client-ec2'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ethernet, tcp4, udp4 } from '../support/frames.js'
import { pcapFile } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'
import { UdpTarget } from '../support/udp-target.js'
import {
  Appliance,
  IS_BUILT,
  mirrortap,
  NEEDS_BUILD,
  type Program,
  UNHURRIED,
  until,
} from './program.js'

const SOURCE = 'eni-0aa11bb22cc33dd44'
const HOST = '10.0.1.20'
const PEER = '198.51.100.80'
const TCP = ethernet(tcp4({ src: HOST, dst: PEER, sport: 50_000, dport: 443 }))
const UDP = ethernet(udp4({ src: HOST, dst: PEER, sport: 50_000, dport: 53 }))
const IN = ethernet(tcp4({ src: PEER, dst: HOST, sport: 443, dport: 50_000 }))

const KEYS = { accessKeyId: 'MTAPTEST', secretAccessKey: 'not-a-secret', sessionToken: 'a/b+c=' }

/** An appliance with its API, and what a test does with that. */
class House {
  readonly directory = temporaryDirectory()
  readonly credentials = join(this.directory, 'credentials')
  readonly targets: UdpTarget[] = []
  api!: Appliance
  url!: string
  #ec2!: EC2Client

  static async open(): Promise<House> {
    const house = new House()
    writeFileSync(
      house.credentials,
      `[other]\naws_access_key_id = OTHER\naws_secret_access_key = x\n[source]\naws_access_key_id = ${KEYS.accessKeyId}\naws_secret_access_key = ${KEYS.secretAccessKey}\naws_session_token = ${KEYS.sessionToken}\n`,
    )
    await house.start('127.0.0.1:0')
    house.#ec2 = new EC2Client({ endpoint: house.url, region: 'us-east-1', credentials: KEYS })
    onTestFinished(async () => {
      house.#ec2.destroy()
      for (const target of house.targets) await target.close()
    })
    return house
  }

  /** Also again, with the sessions that there were. */
  async start(address: string): Promise<void> {
    const state = join(this.directory, 'state.json')
    const args = ['--api', address, '--credentials', this.credentials, '--state', state]
    this.api = new Appliance(args)
    this.url = (await this.api.says(/^API on (\S+), region us-east-1/m))[1]!
  }

  async target(): Promise<{ id: string; udp: UdpTarget; option: string[] }> {
    const udp = await UdpTarget.open()
    this.targets.push(udp)
    const NetworkInterfaceId = `eni-0ff00ee11dd22cc${String(this.targets.length).padStart(2, '0')}`
    const made = await this.#ec2.send(new CreateTrafficMirrorTargetCommand({ NetworkInterfaceId }))
    const id = made.TrafficMirrorTarget!.TrafficMirrorTargetId!
    return { id, udp, option: ['--target', `${id}=127.0.0.1:${udp.port}`] }
  }

  async filter(): Promise<string> {
    const made = await this.#ec2.send(new CreateTrafficMirrorFilterCommand({}))
    return made.TrafficMirrorFilter!.TrafficMirrorFilterId!
  }

  /** Accepts what leaves the host. */
  async rule(
    filterId: string,
    of: Partial<CreateTrafficMirrorFilterRuleCommandInput>,
  ): Promise<string> {
    const made = await this.#ec2.send(
      new CreateTrafficMirrorFilterRuleCommand({
        TrafficMirrorFilterId: filterId,
        TrafficDirection: 'egress',
        RuleNumber: 1,
        RuleAction: 'accept',
        SourceCidrBlock: '0.0.0.0/0',
        DestinationCidrBlock: '0.0.0.0/0',
        ...of,
      }),
    )
    return made.TrafficMirrorFilterRule!.TrafficMirrorFilterRuleId!
  }

  async deleteRule(TrafficMirrorFilterRuleId: string): Promise<void> {
    await this.#ec2.send(new DeleteTrafficMirrorFilterRuleCommand({ TrafficMirrorFilterRuleId }))
  }

  async session(
    targetId: string,
    filterId: string,
    vni: number,
    packetLength?: number,
  ): Promise<string> {
    const made = await this.#ec2.send(
      new CreateTrafficMirrorSessionCommand({
        NetworkInterfaceId: SOURCE,
        TrafficMirrorTargetId: targetId,
        TrafficMirrorFilterId: filterId,
        SessionNumber: 7,
        VirtualNetworkId: vni,
        PacketLength: packetLength,
      }),
    )
    return made.TrafficMirrorSession!.TrafficMirrorSessionId!
  }

  async modify(
    id: string,
    change: { VirtualNetworkId?: number; TrafficMirrorTargetId?: string },
  ): Promise<void> {
    await this.#ec2.send(
      new ModifyTrafficMirrorSessionCommand({ TrafficMirrorSessionId: id, ...change }),
    )
  }

  async delete(id: string): Promise<void> {
    await this.#ec2.send(new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: id }))
  }

  /** A mirror source over these frames, again and again. */
  mirror(frames: readonly Buffer[], ...args: string[]): Program {
    const read = join(this.directory, 'in.pcap')
    writeFileSync(read, pcapFile(frames.map((frame) => ({ frame }))))
    const inventory = join(this.directory, 'inventory.yaml')
    writeFileSync(
      inventory,
      `NetworkInterfaces: [{ NetworkInterfaceId: ${SOURCE}, PrivateIpAddress: ${HOST} }]
TrafficMirrorTargets: []
TrafficMirrorFilters: []
TrafficMirrorSessions: []
`,
    )
    const source = ['--read', read, '--loop', '0', '--rate', '500', '--json']
    const control = ['--control', this.url, '--control-interval', '50ms']
    const keys = ['--credentials', this.credentials, '--profile', 'source']
    const whose = ['--network-interface-id', SOURCE, '--session', inventory]
    return mirrortap(['mirror', ...source, ...control, ...keys, ...whose, ...args])
  }
}

const NAMESPACE = 'http://ec2.amazonaws.com/doc/2016-11-15/'
const pageOf = (content: string, prolog = ''): string =>
  `<?xml version="1.0"?>${prolog}<DescribeTrafficMirrorSessionsResponse xmlns="${NAMESPACE}"><requestId>x</requestId>${content}</DescribeTrafficMirrorSessionsResponse>`
const entities = Array.from({ length: 12 }, (_, at) => {
  const before = at === 0 ? 'lol' : `&e${at - 1};`.repeat(10)
  return `<!ENTITY e${at} "${before}">`
})
const BOMB = `<!DOCTYPE x [${entities.join('')}]>`
const FILE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
const sessionWith = (vni: string): string =>
  `<trafficMirrorSessionSet><item><trafficMirrorSessionId>tms-1</trafficMirrorSessionId><virtualNetworkId>${vni}</virtualNetworkId></item></trafficMirrorSessionSet>`
const DEPTH = 100_000

/** Replies of which nothing can be made. */
const HOSTILE: { name: string; reply: string }[] = [
  { name: 'entities of entities', reply: pageOf(sessionWith('&e11;'), BOMB) },
  { name: 'an entity that is a file', reply: pageOf(sessionWith('&f;'), FILE) },
  { name: 'a DOCTYPE without an end', reply: `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "` },
  {
    name: 'elements nested deep',
    reply: pageOf(
      '<trafficMirrorSessionSet>'.repeat(DEPTH) + '</trafficMirrorSessionSet>'.repeat(DEPTH),
    ),
  },
  { name: 'a page cut short', reply: pageOf(sessionWith('7')).slice(0, 250) },
  { name: 'tags that do not match', reply: pageOf('<a><b></a></b>') },
  {
    name: 'names of Object.prototype',
    reply: pageOf(
      '<trafficMirrorSessionSet><item><__proto__>1</__proto__><constructor>1</constructor></item></trafficMirrorSessionSet>',
    ),
  },
  { name: 'no XML', reply: '{"TrafficMirrorSessions": []}' },
  { name: 'more than 32 MiB', reply: pageOf(`<x>${'y'.repeat(33 * 1024 * 1024)}</x>`) },
]

/** Stands between a mirror source and its control plane; while there is a `reply`, it answers with that. */
class Between {
  reply: string | undefined
  asked = 0
  readonly url: string

  static async open(behind: string): Promise<Between> {
    let between: Between
    const server = createServer((asked, answer) => {
      between.asked++
      const { reply } = between
      if (reply !== undefined) {
        asked.resume()
        answer.writeHead(200, { 'Content-Type': 'text/xml;charset=UTF-8' }).end(reply)
        return
      }
      const { method, url, headers } = asked
      const { hostname, port } = new URL(behind)
      // The header Host is signed, and stays.
      const on = request({ hostname, port, method, path: url, headers }, (said) => {
        answer.writeHead(said.statusCode!, said.headers)
        said.pipe(answer)
      })
      on.on('error', () => answer.destroy())
      asked.pipe(on)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    between = new Between((server.address() as AddressInfo).port)
    return between
  }

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`
  }
}

interface Copy {
  vni: number
  frame: Buffer
}

const copiesAt = ({ datagrams }: UdpTarget): Copy[] =>
  datagrams.map(({ payload }) => ({ vni: payload.readUIntBE(4, 3), frame: payload.subarray(8) }))

/** Resolves when what has arrived last, and nothing else, is all of this. */
async function lately(target: UdpTarget, vni: number, frames: readonly Buffer[]): Promise<void> {
  const is = ({ frame }: Copy, one: Buffer): boolean => frame.equals(one)
  await until(() => {
    const last = copiesAt(target).slice(-12)
    return (
      last.length === 12 &&
      last.every((copy) => copy.vni === vni && frames.some((frame) => is(copy, frame))) &&
      frames.every((frame) => last.some((copy) => is(copy, frame)))
    )
  })
}

async function summaryOf(source: Program) {
  source.signal('SIGINT')
  expect(await source.ended()).toBe(0)
  return JSON.parse(source.stdout.toString())
}

describe.skipIf(!IS_BUILT)(`mirror --control${NEEDS_BUILD}`, UNHURRIED, () => {
  test('mirrors as the sessions are, while these are made, modified and deleted', async () => {
    const house = await House.open()
    const [one, two] = [await house.target(), await house.target()]
    const filter = await house.filter()
    const tcp = await house.rule(filter, { Protocol: 6 })
    const source = house.mirror([TCP, IN, UDP], ...one.option, ...two.option)
    await source.says(new RegExp(`^sessions of ${SOURCE}: none$`, 'm'))

    const session = await house.session(one.id, filter, 100)
    await lately(one.udp, 100, [TCP])
    await house.rule(filter, {
      Protocol: 17,
      DestinationPortRange: { FromPort: 53, ToPort: 53 },
      RuleNumber: 2,
    })
    await lately(one.udp, 100, [TCP, UDP])
    await house.deleteRule(tcp)
    await lately(one.udp, 100, [UDP])
    await house.rule(filter, { TrafficDirection: 'ingress' })
    await lately(one.udp, 100, [UDP, IN])
    await house.modify(session, { VirtualNetworkId: 200, TrafficMirrorTargetId: two.id })
    await lately(two.udp, 200, [UDP, IN])

    await house.delete(session)
    await source.says(new RegExp(`to 127.0.0.1 port ${two.udp.port}\n[^]*: none$`, 'm'))
    const other = await house.session(one.id, filter, 300, 20)
    await lately(one.udp, 300, [UDP.subarray(0, 20), IN.subarray(0, 20)])

    const summary = await summaryOf(source)
    const { packets, sent, filtered, notSent } = summary
    expect([sent + filtered, notSent]).toEqual([packets, {}])
    await until(() => one.udp.datagrams.length + two.udp.datagrams.length >= sent)
    const counted = summary.sessions.map(
      (of: { session: string; vni: number; target: string; sent: number; cut: number }) => of,
    )
    const arrived = (target: UdpTarget, vni: number) =>
      copiesAt(target).filter((copy) => copy.vni === vni).length
    expect(counted).toMatchObject([
      { session: other, vni: 300, sent: arrived(one.udp, 300), cut: arrived(one.udp, 300) },
      { session, vni: 100, target: `127.0.0.1:${one.udp.port}`, sent: arrived(one.udp, 100) },
      { session, vni: 200, target: `127.0.0.1:${two.udp.port}`, sent: arrived(two.udp, 200) },
    ])
    expect(arrived(one.udp, 100) + arrived(one.udp, 300)).toBe(one.udp.datagrams.length)
    expect(arrived(two.udp, 200)).toBe(two.udp.datagrams.length)
    expect(source.stderr).not.toMatch(/does not answer|refuses/)
  })

  test('loses and doubles no packet when sessions change', async () => {
    const house = await House.open()
    const { id, udp, option } = await house.target()
    const filter = await house.filter()
    await house.rule(filter, {})
    const session = await house.session(id, filter, 1)
    // One flow, so that their order shows.
    const frames = Array.from({ length: 251 }, (_, at) =>
      ethernet(tcp4({ src: HOST, dst: PEER, sport: 50_000, dport: 443, id: at })),
    )
    const source = house.mirror(frames, ...option)
    for (let vni = 1; vni < 6; vni++) {
      await until(() => copiesAt(udp).some((copy) => copy.vni === vni))
      await house.modify(session, { VirtualNetworkId: vni + 1 })
    }
    await until(() => copiesAt(udp).some(({ vni }) => vni === 6))
    const { sent } = await summaryOf(source)
    await udp.received(sent)
    const copies = copiesAt(udp)
    const expected = copies.map((_, at) => frames[at % frames.length]!)
    expect(copies.map(({ frame }) => frame.toString('hex'))).toEqual(
      expected.map((frame) => frame.toString('hex')),
    )
    const vnis = copies.map(({ vni }) => vni)
    expect(vnis).toEqual([...vnis].sort((a, b) => a - b))
  })

  test('goes on without the control plane, and without the target', async () => {
    const house = await House.open()
    const { id, udp, option } = await house.target()
    const filter = await house.filter()
    await house.rule(filter, {})
    const session = await house.session(id, filter, 100)
    const source = house.mirror([TCP], ...option)
    await lately(udp, 100, [TCP])

    await house.api.stop()
    const lost = / does not answer \(ECONNREFUSED\); going on with the sessions last known$/m
    await source.says(lost)
    const before = udp.datagrams.length
    await udp.received(before + 100)
    await house.start(new URL(house.url).host)
    await source.says(/^the mirror sessions can be had again$/m)
    expect(source.stderr.split('\n').filter((line) => lost.test(line))).toHaveLength(1)

    const { port } = udp
    await udp.close()
    house.targets.pop()
    await house.modify(session, { VirtualNetworkId: 101 })
    await source.says(/VNI 101/)
    const summary = await summaryOf(source)
    expect(summary.notSent['ECONNREFUSED']).toBeGreaterThan(0)
    expect(summary.sessions[0]).toMatchObject({ session, vni: 101, target: `127.0.0.1:${port}` })
  })

  test('goes on whatever the control plane answers', async () => {
    const house = await House.open()
    const { id, udp, option } = await house.target()
    const filter = await house.filter()
    await house.rule(filter, {})
    await house.session(id, filter, 100)
    const between = await Between.open(house.url)
    house.url = between.url
    const source = house.mirror([TCP], ...option)
    await lately(udp, 100, [TCP])

    const lines = (pattern: RegExp): number =>
      source.stderr.split('\n').filter((line) => pattern.test(line)).length
    for (const [before, { name, reply }] of HOSTILE.entries()) {
      between.reply = reply
      const lost = /; going on with the sessions last known$/
      await until(() => lines(lost) > before)
      // Asked again, which says nothing more.
      const asked = between.asked
      await until(() => between.asked >= asked + 4)
      await udp.received(udp.datagrams.length + 20)
      await lately(udp, 100, [TCP])

      between.reply = undefined
      await until(() => lines(/^the mirror sessions can be had again$/) > before)
      expect(lines(lost), name).toBe(before + 1)
      // What others wrote makes no lines of ours.
      expect(source.stderr.length, name).toBeLessThan(2000 * (before + 1))
    }
    const summary = await summaryOf(source)
    expect(summary.sessions).toHaveLength(1)
    expect(summary.notSent).toEqual({})
  })

  test('is refused in one line with keys that are not known', async () => {
    const house = await House.open()
    const wrong = join(house.directory, 'wrong')
    const key = `aws_access_key_id = ${KEYS.accessKeyId}\naws_secret_access_key = another\n`
    writeFileSync(wrong, `[source]\n${key}`)
    const source = house.mirror([TCP], '--credentials', wrong)
    expect(await source.ended()).toBe(1)
    expect(source.stderr).toMatch(/^mirrortap: http:\S+ refuses: AuthFailure: [^\n]+\n$/)
  })
})
