import { expect, test } from 'vitest'
import type { FlowRecord } from '../../src/flow/flow-record.js'
import { rehearse } from '../../src/offline/rehearsal.js'

test('a rehearsal shows every way in which flows end but for want of room, of both versions and directions', () => {
  const seen = new Set<unknown>()
  const note = ({ reason, ipVersion, protocol, sourcePort, destinationPort }: FlowRecord) => {
    for (const what of [reason, `IPv${ipVersion}`, protocol]) seen.add(what)
    if (sourcePort !== destinationPort) seen.add(sourcePort < destinationPort ? 'up' : 'down')
  }
  rehearse({ secondsOf: (stored) => stored }, note)
  expect(seen).toEqual(
    new Set([
      ...['window', 'idle', 'closed', 'reset', 'shutdown'],
      ...['IPv4', 'IPv6', 1, 6, 17],
      ...['up', 'down'],
    ]),
  )
})

test('a rehearsal hands over records of all that it counts, and none after it', () => {
  let packets = 0
  let records = 0
  rehearse({ secondsOf: (stored) => stored }, (record) => {
    packets += record.packets
    records++
  })
  // Three rounds of ten packets of sixteen flows, and two of eight.
  expect(packets).toBe(3 * (10 * 16 + 2 * 8))
  expect(records).toBeGreaterThan(packets / 8)
})
