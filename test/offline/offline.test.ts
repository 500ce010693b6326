import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { Offline, type OfflineOptions } from '../../src/offline/offline.js'
import { ethernet, mirrored, udp4 } from '../support/frames.js'
import { pcapFile, type Shot } from '../support/pcap-file.js'
import { temporaryDirectory } from '../support/temporary.js'

const T = 1_700_000_000

function offlineOf(options: Partial<OfflineOptions> = {}): Offline {
  return new Offline({
    decap: 'auto',
    vxlanPort: 4789,
    genevePort: 6081,
    flows: { capacity: 1000 },
    ...options,
  })
}

const packet = (sport: number): Buffer =>
  udp4({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport: 53 })

const plain = (sport: number): Buffer => ethernet(packet(sport))

const wrapped = (vni: number, sport: number): Buffer =>
  mirrored({ source: '10.0.0.1', target: '10.9.9.9', vni, frame: plain(sport) })

function fileOf(shots: readonly Shot[] | Buffer): string {
  const file = join(temporaryDirectory(), 'capture.pcap')
  writeFileSync(file, Buffer.isBuffer(shots) ? shots : pcapFile(shots))
  return file
}

describe('Offline', () => {
  test('keeps mirrored packets apart by session, and those that were not mirrored', async () => {
    const offline = offlineOf()
    await offline.read(
      fileOf([
        { frame: wrapped(7, 1) },
        { frame: plain(1) },
        { frame: wrapped(8, 1) },
        { frame: wrapped(7, 1) },
      ]),
    )
    expect(offline.sessions.map(({ name, counters }) => [name, counters.received])).toEqual([
      [null, 1],
      ['vni-7_10.0.0.1', 2],
      ['vni-8_10.0.0.1', 1],
    ])
    expect(offline.session(0).vni).toBeNull()
    expect(offline.session(2).vni).toBe(8)
    expect(offline.tracker!.table.count).toBe(3)
    expect(offline.ledger).toMatchObject({ received: 4, accepted: 4 })
  })

  test('hands over records that have the address of the interface', async () => {
    const addresses: unknown[] = []
    const offline = offlineOf({
      flows: {
        capacity: 10,
        windowSeconds: 60,
        onRecord: ({ interfaceAddress }) => addresses.push(interfaceAddress),
      },
    })
    await offline.read(fileOf([{ frame: wrapped(7, 1) }, { frame: plain(1) }]))
    offline.tracker!.shutdown()
    expect(addresses).toEqual([Uint32Array.of(0x0a00_0001), undefined])
  })

  test('leaves everything as it is, where that is asked for', async () => {
    const offline = offlineOf({ decap: 'none' })
    await offline.read(fileOf([{ frame: wrapped(7, 1) }, { frame: wrapped(8, 1) }]))
    expect(offline.sessions).toHaveLength(1)
    expect(offline.tracker!.table.count).toBe(1)
  })

  test('keeps to the VNIs asked for', async () => {
    const offline = offlineOf({ vnis: new Set([8]) })
    await offline.read(
      fileOf([{ frame: wrapped(7, 1) }, { frame: wrapped(8, 1) }, { frame: plain(1) }]),
    )
    expect(offline.ledger).toMatchObject({ received: 3, accepted: 1, filtered: 2 })
    expect(offline.tracker!.table.count).toBe(1)
  })

  test('knows the latest time, whatever the order of packets and files', async () => {
    const offline = offlineOf()
    expect(offline).toMatchObject({ lastSeconds: 0, lastNanoseconds: 0 })
    const at = (seconds: number, nanoseconds: number): Shot => ({
      frame: plain(1),
      seconds,
      nanoseconds,
    })
    await offline.read(fileOf([at(T, 900), at(T + 5, 7), at(T + 5, 3), at(T + 1, 999)]))
    expect(offline).toMatchObject({ lastSeconds: T + 5, lastNanoseconds: 7 })
    await offline.read(fileOf([at(T - 5, 999_999_999), at(T + 5, 8)]))
    expect(offline).toMatchObject({ lastSeconds: T + 5, lastNanoseconds: 8 })
    await offline.read(fileOf([at(T + 6, 0)]))
    expect(offline).toMatchObject({ lastSeconds: T + 6, lastNanoseconds: 0 })
  })

  test('leaves out what is later than a moment, to the nanosecond', async () => {
    const offline = offlineOf({ until: { seconds: T, nanoseconds: 500 } })
    const at = (seconds: number, nanoseconds: number): Shot => ({
      frame: plain(nanoseconds),
      seconds,
      nanoseconds,
    })
    await offline.read(fileOf([at(T, 500), at(T, 501), at(T + 1, 0), at(T - 1, 999_999_999)]))
    expect(offline.later).toBe(2)
    expect(offline.ledger.received).toBe(2)
    expect(offline).toMatchObject({ lastSeconds: T, lastNanoseconds: 500 })
  })

  test('has done what is due when it lets its caller do something', async () => {
    const ended: string[] = []
    const offline = offlineOf({
      flows: {
        capacity: 1000,
        lifetime: LIFETIMES.nfw,
        onEnd: (_, reason) => ended.push(reason),
      },
    })
    const file = fileOf([
      { frame: plain(1), seconds: T },
      { frame: plain(2), seconds: T + 100 },
    ])
    const seen: string[][] = []
    await offline.read(file, () => {
      seen.push([...ended])
    })
    expect(seen.at(-1)).toEqual(['idle'])
    expect(offline.tracker!.table.count).toBe(1)
  })

  test('stops when it is told to', async () => {
    const offline = offlineOf()
    const many = Array.from({ length: 40_000 }, (_, index) => ({ frame: plain(index % 100) }))
    let calls = 0
    const summary = await offline.read(fileOf(many), () => {
      calls++
      return false
    })
    expect(calls).toBe(1)
    expect(summary.damage).toBeUndefined()
    expect(offline.ledger.received).toBe(summary.packets)
    expect(summary.packets).toBeLessThan(many.length)
    expect(summary.packets).toBeGreaterThan(0)
  })

  test('uses all before the damage, and goes on with the next file', async () => {
    const whole = pcapFile([{ frame: plain(1) }, { frame: plain(2) }])
    const offline = offlineOf()
    const summary = await offline.read(fileOf(whole.subarray(0, whole.length - 1)))
    expect(summary.damage?.offset).toBe(24 + 16 + plain(1).length)
    expect(offline.ledger.received).toBe(1)
    await offline.read(fileOf([{ frame: plain(3) }]))
    expect(offline.tracker!.table.count).toBe(2)
  })

  test('captures without counting flows', async () => {
    const offline = new Offline({ decap: 'auto', vxlanPort: 4789, genevePort: 6081 })
    await offline.read(fileOf([{ frame: wrapped(7, 1) }]))
    expect(offline.tracker).toBeUndefined()
    expect(offline.sessions[1]!.report()).toMatchObject({ accepted: 1, untracked: 1 })
  })
})
