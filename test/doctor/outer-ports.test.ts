import { describe, expect, test } from 'vitest'
import type { Finding } from '../../src/doctor/finding.js'
import { OuterPorts } from '../../src/doctor/outer-ports.js'
import { ethernet, tcp4, udp4, vxlan } from '../support/frames.js'
import { lentPacket } from '../support/lent-packet.js'

const A = '10.0.0.1'
const B = '10.0.0.2'

interface Sent {
  from?: string
  vni?: number
  outerPort: number
  flow: number
  back?: boolean
}

/** What is found of mirrored packets of TCP connections. */
function findingsOf(...all: Sent[]): Record<string, Finding> {
  const ports = new OuterPorts(4789)
  for (const { from = '10.9.9.9', vni = 7, outerPort, flow, back = false } of all) {
    const [src, dst] = back ? [B, A] : [A, B]
    const [sport, dport] = back ? [443, flow] : [flow, 443]
    const inner = vxlan(vni, ethernet(tcp4({ src, dst, sport, dport })))
    const outer = udp4({
      src: from,
      dst: '10.9.9.1',
      sport: outerPort,
      dport: 4789,
      payload: inner,
    })
    ports.take(lentPacket(ethernet(outer)))
  }
  return Object.fromEntries(ports.findings().map((finding) => [finding.check, finding]))
}

const levels = (found: Record<string, Finding>) =>
  Object.fromEntries(Object.entries(found).map(([check, { level }]) => [check, level]))

const there = (flow: number, outerPort = flow) => ({ flow, outerPort })
const back = (flow: number, outerPort = flow) => ({ flow, outerPort, back: true })

describe('outer ports', () => {
  test('have nothing to say against both halves from one port each', () => {
    const found = findingsOf(there(1000), back(1000), there(2000), back(2000))
    expect(levels(found)).toEqual({
      'outer-ports': 'ok',
      'split-flows': 'ok',
      halves: 'ok',
      vnis: 'ok',
    })
  })

  test('tell halves of a connection that come from two ports', () => {
    const found = findingsOf(there(1000), back(1000, 1001), there(2000), back(2000))
    expect(found['split-flows']).toMatchObject({
      level: 'warning',
      what: '1 of 2 connections come from several outer ports',
    })
  })

  test('tell connections of which one half is missing', () => {
    const half = [there(1000), there(1000), there(1000)]
    expect(findingsOf(...half, there(2000), back(2000))['halves']).toMatchObject({
      level: 'problem',
      what: '1 of 1 connections (100 %) have one half alone',
    })
  })

  test('tell a session that sends all from one port', () => {
    const flows = Array.from({ length: 50 }, (_, at) => [
      there(1000 + at, 500),
      back(1000 + at, 500),
    ])
    expect(findingsOf(...flows.flat())['outer-ports']).toMatchObject({
      level: 'warning',
      what: 'VNI 7 of 10.9.9.9 sends 50 connections from one outer port',
    })
  })

  test('tell a VNI of several interfaces', () => {
    const found = findingsOf(there(1000), { ...there(2000), from: '10.9.9.8' })
    expect(found['vnis']).toMatchObject({
      level: 'warning',
      what: '1 VNIs come from several interfaces: 7 from 10.9.9.9, 10.9.9.8',
    })
  })

  test('tell that nothing is mirrored', () => {
    const ports = new OuterPorts(4789)
    ports.take(lentPacket(ethernet(udp4({ src: A, dst: B, sport: 1, dport: 53 }))))
    expect(ports.findings()).toMatchObject([{ check: 'capture', level: 'problem' }])
  })
})
