import { describe, expect, test } from 'vitest'
import { CapturedFlows } from '../../src/appliance/captured-flows.js'
import { Column } from '../../src/appliance/column.js'
import { LIFETIMES } from '../../src/flow/lifetime.js'
import { datagramOf } from '../session/datagrams.js'
import { ethernet, udp4, vxlan } from '../support/frames.js'

const T = 1_700_000_000
/** More rows than one batch holds. */
const FLOWS = 5000

function columnOf(maxSessions = 64): Column {
  return new Column(
    {
      sessionKey: 'source+vni',
      unknownSessions: 'accept',
      maxSessions,
      maxFlows: 2 * FLOWS,
      sessionQuota: 2 * FLOWS,
      lifetime: LIFETIMES.nfw,
      duplicates: 'keep',
    },
    (line) => expect.fail(line),
  )
}

function take(column: Column, vni: number, flow: number, seconds = T): void {
  const src = `10.1.${flow >>> 8}.${flow & 0xff}`
  const frame = ethernet(udp4({ src, dst: '10.0.0.2', sport: 1000, dport: 53 }))
  column.demux.acceptVxlan(datagramOf(vxlan(vni, frame), { seconds }))
}

const REQUEST = { minimumAgeSeconds: 0, filters: [], atSeconds: T, atNanoseconds: 0 }

describe('walkFlows', () => {
  test('finds every flow once, each with the session it is of', async () => {
    const column = columnOf()
    for (let flow = 0; flow < FLOWS; flow++) take(column, 1 + (flow % 3), flow)
    const flows = new CapturedFlows()
    const counts: number[] = []
    const outcome = await column.captureFlows(REQUEST, (batch) => {
      counts.push(batch.count)
      flows.add(structuredClone(batch, { transfer: [batch.rows] }))
    })
    expect(outcome).toEqual({ status: 'COMPLETED', reason: null })
    expect(counts.length).toBeGreaterThan(2)
    const found = new Map([...flows].map((row) => [row.packetSource[0]! & 0xffff, row.vni]))
    expect(flows.length).toBe(FLOWS)
    expect(found.size).toBe(FLOWS)
    expect([...found].every(([flow, vni]) => vni === 1 + (flow % 3))).toBe(true)
    await column.close()
  })

  test('goes by the name of a session: capture and flush', async () => {
    const column = columnOf()
    for (let flow = 0; flow < 90; flow++) take(column, 1 + (flow % 3), flow)
    const session = 'vni-2_10.0.0.1'
    const captured = new CapturedFlows()
    await column.captureFlows({ ...REQUEST, session }, (batch) => captured.add(batch))
    expect([...captured].map(({ sessionName }) => sessionName)).toEqual(Array(30).fill(session))

    const flushed = new CapturedFlows()
    const outcome = await column.flushFlows({ ...REQUEST, session }, (batch) => flushed.add(batch))
    expect(outcome).toEqual({ status: 'COMPLETED', reason: null })
    expect([...flushed]).toEqual([...captured])
    expect(column.report().flows).toMatchObject({ live: 60, ended: { flushed: 30 } })

    const none = new CapturedFlows()
    await column.captureFlows({ ...REQUEST, session: 'vni-9_10.0.0.1' }, (batch) => none.add(batch))
    expect(none.length).toBe(0)
    await column.close()
  })

  test('knows a session that came to the index of another while it walked', async () => {
    const column = columnOf(2)
    for (let flow = 0; flow < FLOWS; flow++) take(column, 1, flow, T - 1)
    take(column, 2, 0, T - 1)
    const flows = new CapturedFlows()
    const walking = column.captureFlows(REQUEST, (batch) => flows.add(batch))
    // The first slice is done. Session 1 has to go, and session 3 gets its index and its entries.
    for (let flow = 0; flow < FLOWS; flow++) take(column, 3, flow)
    expect(await walking).toMatchObject({ status: 'COMPLETED_WITH_ERRORS' })
    const of = (vni: number) => [...flows].filter((row) => row.vni === vni).length
    expect(of(1)).toBe(1024)
    expect(of(2)).toBe(1)
    expect(of(3)).toBeGreaterThan(0)
    expect([...flows].every(({ vni, sessionName }) => sessionName === `vni-${vni}_10.0.0.1`)).toBe(
      true,
    )
    await column.close()
  })
})
