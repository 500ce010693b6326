import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { JointCapture, type JointSource } from '../../src/pcap/joint-capture.js'
import { readCapture } from '../../src/pcap/reader.js'
import { FailingDisk } from '../support/failing-disk.js'
import { hex } from '../support/hex.js'
import { lentPacket } from '../support/lent-packet.js'
import { temporaryDirectory } from '../support/temporary.js'

const NEVER = Number.POSITIVE_INFINITY
const OPTIONS = {
  format: 'pcapng' as const,
  snaplen: 0,
  count: NEVER,
  limitBytes: NEVER,
  rotateBytes: NEVER,
  rotateSeconds: NEVER,
  files: NEVER,
  onOtherLinkType: () => undefined,
}
const FRAME = Buffer.alloc(100, 7)

function write(source: JointSource, seconds = 0, linkType = 1): boolean {
  return source.write(
    lentPacket(FRAME, { seconds, linkType }),
    FRAME.length,
    FRAME.length,
    undefined,
  )
}

/** Interfaces of a file by name, with the packets of each. */
async function packetsByInterface(path: string): Promise<Record<string, number>> {
  let packets = 0
  const { interfaces, damage } = await readCapture(path, () => packets++)
  expect(damage).toBeUndefined()
  return { ...Object.fromEntries(interfaces.map(({ name }) => [name, 1])), packets }
}

describe('JointCapture', () => {
  test('writes names of addresses before the next packet, and again in the next file', async () => {
    const directory = temporaryDirectory()
    const capture = new JointCapture({
      ...OPTIONS,
      path: join(directory, '%s.pcapng'),
      rotateSeconds: 10,
    })
    const source = capture.source('a')
    capture.open(100)
    expect(write(source, 100)).toBe(true)
    capture.addName([0xc000_0201], 'web.example')
    capture.addName([0x2001_0db8, 0, 0, 1], 'web.example')
    for (const seconds of [101, 102, 111]) expect(write(source, seconds)).toBe(true)
    await capture.close()
    const record = Buffer.concat([hex`01 00 10 00 c0000201`, Buffer.from('web.example\0')])
    for (const name of ['100.pcapng', '110.pcapng']) {
      const bytes = readFileSync(join(directory, name))
      expect(bytes.indexOf(record)).toBeGreaterThan(0)
      expect(bytes.indexOf(record)).toBe(bytes.lastIndexOf(record))
      expect((await packetsByInterface(join(directory, name)))['packets']).toBeGreaterThan(0)
    }
  })

  test('declares in each file of a series the sessions that it has', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, '%s.pcapng')
    const capture = new JointCapture({ ...OPTIONS, path, rotateSeconds: 10 })
    const [a, b] = [capture.source('a'), capture.source('b')]
    capture.open(100)
    for (const [source, seconds] of [
      [a, 100],
      [b, 101],
      [b, 110],
      [a, 120],
      [a, 121],
      [b, 105],
    ] as const) {
      expect(write(source, seconds)).toBe(true)
    }
    await capture.close()
    expect(readdirSync(directory).sort()).toEqual(['100.pcapng', '110.pcapng', '120.pcapng'])
    const of = (name: string) => packetsByInterface(join(directory, name))
    expect(await of('100.pcapng')).toEqual({ a: 1, b: 1, packets: 2 })
    expect(await of('110.pcapng')).toEqual({ b: 1, packets: 1 })
    expect(await of('120.pcapng')).toEqual({ a: 1, b: 1, packets: 3 })
  })

  test('begins the next file by the timer, a second later than by packets', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, '%s.pcapng')
    const capture = new JointCapture({ ...OPTIONS, path, rotateSeconds: 10, files: 3 })
    const source = capture.source('a')
    capture.open(100)
    capture.tick(110, 0)
    write(source, 109)
    capture.tick(111, 0)
    write(source, 111)
    capture.tick(121, 0)
    expect(capture.isOver(129)).toBe(false)
    capture.tick(131, 0)
    expect(capture.isOver(130)).toBe(true)
    await capture.close()
    const of = (name: string) => packetsByInterface(join(directory, name))
    expect(readdirSync(directory)).toHaveLength(3)
    expect(await of('100.pcapng')).toEqual({ a: 1, packets: 1 })
    expect(await of('110.pcapng')).toEqual({ a: 1, packets: 1 })
    expect((await of('120.pcapng'))['packets']).toBe(0)
  })

  test('passes over the intervals of a host that slept', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, '%s.pcapng')
    const capture = new JointCapture({ ...OPTIONS, path, rotateSeconds: 10 })
    capture.open(100)
    capture.tick(100_000_006, 0)
    await capture.close()
    expect(readdirSync(directory)).toEqual(['100.pcapng', '100000000.pcapng'])
  })

  test('lets later sessions share an interface once a file has very many', async () => {
    const path = join(temporaryDirectory(), 'x.pcapng')
    const capture = new JointCapture({ ...OPTIONS, path })
    capture.open(0)
    const first = capture.source('0')
    for (let session = 0; session < 65_010; session++) write(capture.source(String(session)))
    write(first)
    write(capture.source('65009'))
    await capture.close()
    const { interfaces, packets } = await readCapture(path, () => undefined)
    expect(packets).toBe(65_012)
    expect(interfaces).toHaveLength(65_001)
    expect(interfaces.at(-1)!.name).toBe('other-sessions')
  })

  test('counts what finds no room while the disk is slow, and what the kernel lost', async () => {
    const path = join(temporaryDirectory(), 'x.pcapng')
    const disk = new FailingDisk()
    const capture = new JointCapture({ ...OPTIONS, path, limitBytes: 300_000 })
    capture.open(0)
    const [a, b] = [capture.source('a'), capture.source('b')]
    write(a)
    disk.isHeld = true
    let offered = 0
    while (capture.refused < 5) {
      write(b)
      offered++
    }
    disk.isHeld = false
    capture.flush()
    await capture.room()
    capture.tick(1, 1000)
    await new Promise((resolve) => setImmediate(resolve))
    await capture.close()
    expect(capture.packets).toBe(1 + offered - 5)
    expect(statistics(path)).toEqual([
      { received: 1001n, dropped: 1000n },
      { received: BigInt(offered), dropped: 5n },
    ])
  })

  test('tells each file of a series what the kernel lost meanwhile', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, '%s.pcapng')
    const capture = new JointCapture({ ...OPTIONS, path, rotateSeconds: 10 })
    const source = capture.source('a')
    capture.open(100)
    write(source, 105)
    capture.tick(105, 3)
    write(source, 110)
    capture.tick(119, 8)
    await capture.close()
    expect(statistics(join(directory, '100.pcapng'))).toEqual([{ received: 4n, dropped: 3n }])
    expect(statistics(join(directory, '110.pcapng'))).toEqual([{ received: 6n, dropped: 5n }])
  })

  test('writes the header of a pcap file before any packet where the link type is known', async () => {
    const path = join(temporaryDirectory(), 'x.pcap')
    const capture = new JointCapture({ ...OPTIONS, path, format: 'pcap', linkType: 1 })
    capture.open(0)
    capture.flush()
    await vi.waitFor(() => expect(readFileSync(`${path}.part`)).toHaveLength(24))
    await capture.close()
  })

  test('leaves other link types out of a pcap file and says so once', async () => {
    const path = join(temporaryDirectory(), 'x.pcap')
    const said: string[] = []
    const onOtherLinkType = (line: string) => said.push(line)
    const capture = new JointCapture({ ...OPTIONS, path, format: 'pcap', onOtherLinkType })
    capture.open(0)
    const source = capture.source('a')
    expect([101, 1, 101, 1, 228].map((linkType) => write(source, 0, linkType))).toEqual([
      true,
      false,
      true,
      false,
      false,
    ])
    await capture.close()
    expect(said).toEqual([
      `a pcap file holds one link type: ${path} has RAW (101), and there are packets of ETHERNET (1); name a .pcapng file to have both`,
    ])
    expect(capture).toMatchObject({ packets: 2, otherLinkType: 3, refused: 0 })
    expect((await readCapture(path, () => undefined)).packets).toBe(2)
  })
})

/** The counts of a pcapng file's statistics blocks, in their order. */
function statistics(path: string): { received: bigint; dropped: bigint }[] {
  const bytes = readFileSync(path)
  const found = []
  for (let block = 0; block < bytes.length; block += bytes.readUInt32LE(block + 4)) {
    if (bytes.readUInt32LE(block) !== 5) continue
    // Behind 20 octets: isb_starttime, isb_endtime (12 each), isb_ifrecv, isb_ifdrop.
    const received = bytes.readBigUInt64LE(block + 48)
    found.push({ received, dropped: bytes.readBigUInt64LE(block + 60) })
  }
  return found
}
