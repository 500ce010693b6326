import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Column } from '../../src/appliance/column.js'
import { formatCuts } from '../../src/cli/listen/ledger-text.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { type CutCause, CutFrames } from '../../src/session/cut-frames.js'
import { Frame } from '../../src/wire/frame.js'
import { parseFrame } from '../../src/wire/parse-frame.js'
import { ethernet, gwlbGeneve, mirrored, udp4, udp6, vlan, vxlan } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { runCommand } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { readWritten } from '../support/written-captures.js'
import { datagramOf, packetOf } from './datagrams.js'

const ETHERNET = 14

/** A frame of jumbo size, 9,001 bytes of IP. */
const JUMBO = ethernet(
  udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2, payload: Buffer.alloc(8973) }),
)

/** Has `cuts` count a frame of which `octets` were mirrored; `fileOctets` of those are in the file. */
function count(cuts: CutFrames, frame: Buffer, octets: number, fileOctets = octets): void {
  const packet = packetOf(frame.subarray(0, octets), 1, octets - fileOctets)
  const view = new Frame()
  const { bytes, start, end, linkType, originalLength } = packet
  expect(parseFrame(bytes, start, end, linkType, originalLength, view)).toBeUndefined()
  expect(view.wireLength()).toBeGreaterThan(end - start)
  cuts.count(packet, view)
}

function causeOf(frame: Buffer, octets: number, fileOctets = octets): CutCause {
  const cuts = new CutFrames()
  count(cuts, frame, octets, fileOctets)
  const [cause] = Object.keys(cuts.report().byCause)
  return cause as CutCause
}

describe('CutFrames', () => {
  test.each<[what: string, ip: number, cause: CutCause]>([
    ["one below the target's MTU behind IPv4", 8946, 'packetLength'],
    ["the target's MTU behind IPv4", 8947, 'targetMtu'],
    ['what 9,001 bytes hold behind IPv4, UDP and VXLAN', 9001 - 20 - 8 - 8 - ETHERNET, 'targetMtu'],
    ["one above the target's MTU behind IPv4", 8952, 'packetLength'],
    ["the target's MTU behind IPv6", 8927, 'targetMtu'],
    ['what 9,001 bytes hold behind IPv6, UDP and VXLAN', 9001 - 40 - 8 - 8 - ETHERNET, 'targetMtu'],
    ["the gateway's MTU behind IPv4", 8446, 'gatewayMtu'],
    ["one below the gateway's MTU behind IPv4", 8445, 'packetLength'],
    ["the gateway's MTU behind IPv6", 8426, 'gatewayMtu'],
    ['between the two', 8432, 'packetLength'],
    ['as a person would choose', 128 - ETHERNET, 'packetLength'],
  ])('%s: %i bytes of IP', (_, ip, cause) => {
    expect(causeOf(JUMBO, ETHERNET + ip)).toBe(cause)
    // Tags are no part of what the MTU of the source counts.
    expect(causeOf(vlan([7], JUMBO), ETHERNET + 4 + ip)).toBe(cause)
    const jumbo6 = ethernet(
      udp6({ src: 'fd00::1', dst: 'fd00::2', sport: 1, dport: 2, payload: Buffer.alloc(8953) }),
    )
    expect(causeOf(jumbo6, ETHERNET + ip)).toBe(cause)
  })

  test("the capture's snap length, also where the mirror had cut before", () => {
    expect(causeOf(JUMBO, JUMBO.length, 96)).toBe('snaplen')
    expect(causeOf(JUMBO, ETHERNET + 8947, 96)).toBe('snaplen')
    expect(causeOf(JUMBO, 128, 96)).toBe('snaplen')
  })

  test('a PacketLength is one length', () => {
    const cuts = new CutFrames()
    for (let index = 0; index < 5; index++) count(cuts, JUMBO, 128)
    expect(cuts.report()).toEqual({ total: 5, byCause: { packetLength: 5 }, packetLength: 128 })
    count(cuts, JUMBO, 129)
    expect(cuts.report()).toEqual({
      total: 6,
      byCause: { packetLength: 5, unknown: 1 },
      packetLength: 128,
    })
  })

  test('a length that came once does not stand for the session', () => {
    const cuts = new CutFrames()
    count(cuts, JUMBO, 200)
    for (let index = 0; index < 20; index++) count(cuts, JUMBO, 128)
    expect(cuts.report()).toEqual({
      total: 21,
      byCause: { packetLength: 20, unknown: 1 },
      packetLength: 128,
    })
  })

  test('lengths without end are not told apart without end', () => {
    const cuts = new CutFrames()
    for (let octets = 60; octets < 1060; octets++) count(cuts, JUMBO, octets)
    for (let index = 0; index < 5; index++) count(cuts, JUMBO, 64)
    expect(cuts.report()).toEqual({
      total: 1005,
      byCause: { packetLength: 6, unknown: 999 },
      packetLength: 64,
    })
  })

  test('causes are counted side by side', () => {
    const cuts = new CutFrames()
    count(cuts, JUMBO, 128)
    count(cuts, JUMBO, ETHERNET + 8947)
    count(cuts, JUMBO, ETHERNET + 8426)
    count(cuts, JUMBO, 128, 96)
    expect(cuts.report()).toEqual({
      total: 4,
      byCause: { packetLength: 1, targetMtu: 1, gatewayMtu: 1, snaplen: 1 },
      packetLength: 128,
    })
  })

  test('a frame that lacks its checksum alone is not cut', async () => {
    const whole = ethernet(udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))
    const padded = Buffer.concat([whole, Buffer.alloc(60 - whole.length)])
    const cutOf = async (frame: Buffer, missing: number): Promise<number> => {
      const path = join(temporaryDirectory(), 'x.pcap')
      writeFileSync(path, pcapFile([{ frame, originalLength: frame.length + missing }]))
      const { out } = await runCommand('analyze', '--json', path)
      const { sessions } = JSON.parse(out) as { sessions: { cut: number }[] }
      return sessions[0]!.cut
    }
    expect(await cutOf(padded, 4)).toBe(0)
    expect(await cutOf(padded, 5)).toBe(1)
    expect(await cutOf(whole.subarray(0, -4), 4)).toBe(1)
  })

  test('without a cut there is nothing to report', () => {
    expect(new CutFrames().report()).toEqual({ total: 0, byCause: {}, packetLength: null })
  })
})

describe('cut frames', () => {
  const outer = { source: '10.0.0.1', target: '10.9.9.9', vni: 7 }
  const cutTo = (octets: number): Buffer => mirrored({ ...outer, frame: JUMBO.subarray(0, octets) })

  /** What `flows` prints below its table, and the flows, of a capture with these frames. */
  async function flowsOf(shots: readonly Shot[]) {
    const file = join(temporaryDirectory(), 'mirrored.pcap')
    writeFileSync(file, pcapFile(shots))
    const table = await runCommand('flows', file)
    const json = await runCommand('flows', '--json', file)
    expect([table.code, json.code]).toEqual([0, 0])
    const flows = JSON.parse(json.out) as { packets: number; bytes: number }[]
    return { cuts: table.out.split('\n').filter((line) => line.includes('cut:')), flows }
  }

  test('count in flows with all of their bytes, and are named with their cause', async () => {
    const { cuts, flows } = await flowsOf([
      { frame: mirrored({ ...outer, frame: JUMBO }) },
      { frame: cutTo(128) },
      { frame: cutTo(128) },
      { frame: cutTo(ETHERNET + 8951) },
      { frame: cutTo(ETHERNET + 8446) },
      { frame: cutTo(500).subarray(0, 96), originalLength: cutTo(500).length },
    ])
    expect(flows).toMatchObject([{ packets: 6, bytes: 6 * 9001 }])
    expect(cuts).toHaveLength(1)
    expect(cuts[0]).toMatch(/^vni-7_10\.0\.0\.1: 5 frames cut: /)
    expect(cuts[0]).toContain('2 at 128 bytes, as a PacketLength of the session does')
    expect(cuts[0]).toContain("1 at the mirror target's MTU")
    expect(cuts[0]).toContain("1 at the gateway's MTU")
    expect(cuts[0]).toContain("1 by the capture's snap length")
  })

  test('behind a Gateway Load Balancer too', async () => {
    const balanced = { ...outer, balancer: '10.8.0.5', appliance: '10.8.0.9' }
    const { cuts, flows } = await flowsOf([
      { frame: gwlbGeneve({ ...balanced, frame: JUMBO.subarray(0, ETHERNET + 8446) }) },
    ])
    expect(flows).toMatchObject([{ packets: 1, bytes: 9001 }])
    expect(cuts).toEqual([expect.stringContaining("1 frames cut: 1 at the gateway's MTU")])
  })

  test('that were not mirrored are cut by the snap length alone', async () => {
    const { cuts, flows } = await flowsOf([
      { frame: JUMBO.subarray(0, 128), originalLength: JUMBO.length },
    ])
    expect(flows).toMatchObject([{ packets: 1, bytes: 9001 }])
    expect(cuts).toEqual(["not mirrored: 1 frames cut: 1 by the capture's snap length"])
  })

  test('keep their true length in captures, and their causes in the ledger', async () => {
    const directory = temporaryDirectory()
    const column = new Column(
      {
        sessionKey: 'source+vni',
        unknownSessions: 'accept',
        maxSessions: 8,
        maxFlows: 100,
        sessionQuota: 100,
        lifetime: LIFETIMES.nfw,
        duplicates: 'keep',
        capture: {
          directory,
          format: 'pcap',
          snaplen: 0,
          rotateBytes: Number.POSITIVE_INFINITY,
          rotateSeconds: 60,
          keepFiles: Number.POSITIVE_INFINITY,
          keepBytes: Number.POSITIVE_INFINITY,
          suffix: '',
        },
      },
      (line) => expect.fail(line),
    )
    const lengths = [128, 128, ETHERNET + 8947, JUMBO.length]
    for (const octets of lengths) {
      column.demux.acceptVxlan(datagramOf(vxlan(7, JUMBO.subarray(0, octets))))
    }
    await column.close()
    const [session] = column.report().sessions
    expect(session).toMatchObject({
      received: 4,
      cut: 3,
      cutCauses: { packetLength: 2, targetMtu: 1 },
      packetLength: 128,
      bytes: 4 * JUMBO.length,
    })
    expect(formatCuts([session!])).toHaveLength(1)

    const [path] = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.pcap'),
    )
    const written = readWritten(join(directory, path!))
    expect(written.map(({ frame }) => frame.length)).toEqual(lengths)
    expect(written.map(({ originalLength }) => originalLength)).toEqual(
      lengths.map(() => JUMBO.length),
    )
  })
})
