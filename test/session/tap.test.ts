import { describe, expect, test } from 'vitest'
import { Tap } from '../../src/session/tap.js'
import { Datagram, Packet } from '../../src/wire/packet.js'
import { ethernet, tcp4, vxlan } from '../support/frames.js'

const FRAME = ethernet(tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 }))

function datagram(vni: number, seconds: number): Datagram {
  const bytes = vxlan(vni, FRAME)
  return Object.assign(new Datagram(), { bytes, end: bytes.length, seconds, source2: 0xffff })
}

describe('Tap', () => {
  test('captures each session apart, and closes what has to make room', () => {
    const log: string[] = []
    const tap = new Tap({
      maxSessions: 2,
      counter: () => undefined,
      openCapture: ({ name }, linkType) => {
        log.push(`open ${name} ${linkType}`)
        return {
          write: () => log.push(`write ${name}`) > 0,
          tick: () => undefined,
          close: async () => void log.push(`close ${name}`),
        }
      },
    })
    tap.demux.acceptVxlan(datagram(1, 10))
    tap.demux.acceptVxlan(datagram(2, 11))
    tap.demux.acceptVxlan(datagram(1, 12))
    tap.demux.acceptVxlan(datagram(3, 13))
    const packet = Object.assign(new Packet(), { bytes: FRAME, end: FRAME.length })
    packet.originalLength = FRAME.length
    tap.demux.acceptPacket(packet)
    expect(log).toEqual([
      'open vni-1_0.0.0.0 1',
      'write vni-1_0.0.0.0',
      'open vni-2_0.0.0.0 1',
      'write vni-2_0.0.0.0',
      'write vni-1_0.0.0.0',
      'close vni-2_0.0.0.0',
      'open vni-3_0.0.0.0 1',
      'write vni-3_0.0.0.0',
      'open null 1',
      'write null',
    ])
    const report = tap.report(null)
    expect(report).toMatchObject({
      received: 5,
      accepted: 5,
      kernelLost: null,
      evictedSessions: { sessions: 1, received: 1 },
    })
    expect(report.sessions.map(({ session, captured }) => [session, captured])).toEqual([
      [null, 1],
      ['vni-3_0.0.0.0', 1],
      ['vni-1_0.0.0.0', 2],
    ])
  })
})
