import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { PacketRingWriter, ringMemory } from '../../src/appliance/packet-ring.js'
import { openForward } from '../../src/cli/listen/forwarding.js'
import { Forwarding } from '../../src/forward/forwarding.js'
import { READERS_MAX } from '../../src/forward/pcap-server.js'
import { Session } from '../../src/session/session.js'
import { lentPacket } from '../support/lent-packet.js'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** One ring and one port, with what is said to the operator. */
async function open() {
  const memory = ringMemory(16 * 1024 * 1024, true)
  const lines: string[] = []
  const servers = [{ host: '127.0.0.1', port: 0, filter: undefined }]
  const forwarding = await Forwarding.open({ rings: [memory], servers, tap: undefined }, (line) =>
    lines.push(line),
  )
  closing.push(() => forwarding.close())
  const session = new Session(1, 7, Uint32Array.of(0, 0, 0xffff, 0x0a000001))
  const writer = new PacketRingWriter(memory)
  const frame = Buffer.alloc(1500, 'frame')
  const write = (count: number): void => {
    for (let left = count; left > 0; left--) writer.take(session, lentPacket(frame), 1500, 1500)
  }
  const reader = async (): Promise<{ socket: Socket; received: () => number }> => {
    const socket = connect(forwarding.ports[0]!, '127.0.0.1')
    closing.push(() => socket.destroy())
    socket.on('error', () => undefined)
    let bytes = 0
    socket.on('data', (piece) => {
      bytes += piece.length
    })
    await once(socket, 'connect')
    return { socket, received: () => bytes }
  }
  return { forwarding, lines, write, reader }
}

const HEADER_LEN = 24
const RECORD_LEN = 16 + 1500

test('a reader that does not read loses packets in its own counter, and another loses none', async () => {
  const { lines, write, reader } = await open()
  const quick = await reader()
  const slow = await reader()
  // Both have the header, and one then reads no more.
  await expect.poll(() => [quick.received(), slow.received()]).toEqual([HEADER_LEN, HEADER_LEN])
  slow.socket.pause()
  const rounds = 20
  for (let round = 1; round <= rounds; round++) {
    write(1000)
    await expect.poll(quick.received).toBe(HEADER_LEN + round * 1000 * RECORD_LEN)
  }
  const { localPort } = slow.socket
  slow.socket.destroy()
  await expect.poll(() => lines).toHaveLength(1)
  const [, read, lost] = /^(?:.* port \d+) has read (\d+) packets, and lost (\d+)$/.exec(lines[0]!)!
  expect(lines[0]).toContain(`port ${localPort} `)
  expect(Number(read) + Number(lost)).toBe(rounds * 1000)
  expect(Number(lost)).toBeGreaterThan(1000)
})

test('there are so many readers and no more; one that leaves makes room', async () => {
  const { forwarding, lines, reader } = await open()
  const readers = []
  for (let count = 0; count < READERS_MAX; count++) readers.push(await reader())
  await expect.poll(() => forwarding.readers).toBe(READERS_MAX)
  const refused = await reader()
  await expect.poll(() => refused.socket.closed).toBe(true)
  expect(refused.received()).toBe(0)
  expect(lines).toEqual([`a reader was refused: there are ${READERS_MAX}, and that is the most`])
  readers[0]!.socket.destroy()
  await expect.poll(() => forwarding.readers).toBe(READERS_MAX - 1)
  const next = await reader()
  await expect.poll(next.received).toBe(HEADER_LEN)
})

test('nothing is copied while nobody reads', async () => {
  const { forwarding, write, reader } = await open()
  write(5)
  const one = await reader()
  await expect.poll(() => forwarding.readers).toBe(1)
  write(2)
  await expect.poll(one.received).toBe(HEADER_LEN + 2 * RECORD_LEN)
})

test.each([
  ['an address of another host', { host: '192.0.2.1', port: 0 }, undefined, 'EADDRNOTAVAIL', 1],
  ['a name that no device can have', undefined, 'much/too/long', 'ERR_OPTION', 2],
])('refuses %s', async (_what, server, tap, code, exitCode) => {
  const servers = server === undefined ? [] : [{ ...server, filter: undefined }]
  await expect(Forwarding.open({ rings: [], servers, tap }, () => undefined)).rejects.toMatchObject(
    { code, exitCode },
  )
})

test.each(['nowhere', '127.0.0.1', '70000', '10.0.0.256:5', '0=tcp prot 1'])(
  'refuses --pcap-over-ip %s',
  async (place) => {
    const options = { pcapOverIp: [place], workers: 1 }
    await expect(
      openForward(options, { say: () => undefined, warn: () => undefined }),
    ).rejects.toMatchObject({ exitCode: 2 })
  },
)
