import { describe, expect, test } from 'vitest'
import { CapturedFlows, type FlowBatch } from '../../src/appliance/captured-flows.js'
import { emptyRow } from '../../src/flow/flow-row.js'
import { ROW_BYTES, RowBlock } from '../../src/flow/row-block.js'

const label = (name: string) => ({ sessionName: name, vni: 1, source: null })

/** Rows with these ports, all of the session of a number. */
function batchOf(ports: readonly number[], session: number, labels: readonly string[]): FlowBatch {
  const rows = new ArrayBuffer(ports.length * ROW_BYTES)
  const block = new RowBlock(rows)
  for (const sourcePort of ports) block.put({ ...emptyRow(), session, sourcePort })
  return { rows, count: ports.length, labels: labels.map(label) }
}

const listed = (flows: CapturedFlows) =>
  [...flows].map(({ sessionName, sourcePort }) => `${sessionName} ${sourcePort}`)

describe('CapturedFlows', () => {
  test('keeps rows in the order in which their batches came', () => {
    const flows = new CapturedFlows()
    expect(listed(flows)).toEqual([])
    for (let batch = 0; batch < 9; batch++) {
      const ports = Array.from({ length: batch % 4 }, (_, index) => batch * 10 + index)
      flows.add(batchOf(ports, 0, batch === 0 ? ['a'] : []))
    }
    expect(flows.length).toBe(12)
    expect(flows.octets).toBe(12 * ROW_BYTES)
    expect([...flows].map(({ sourcePort }) => sourcePort)).toEqual([
      10, 20, 21, 30, 31, 32, 50, 60, 61, 70, 71, 72,
    ])
    expect(flows.at(11)).toMatchObject({ sourcePort: 72, sessionName: 'a', vni: 1, source: null })
  })

  test('names sessions by the column that found them', () => {
    const flows = new CapturedFlows()
    flows.add(batchOf([1], 1, ['a', 'b']), 'first')
    flows.add(batchOf([2], 0, ['c']), 'second')
    flows.add(batchOf([3], 2, ['d']), 'first')
    flows.add(batchOf([4], 1, ['e']), 'second')
    expect(listed(flows)).toEqual(['b 1', 'c 2', 'd 3', 'e 4'])
  })

  test('holds no more rows than it may, and counts the others', () => {
    const flows = new CapturedFlows(3)
    flows.add(batchOf([1, 2], 0, ['a']))
    flows.add(batchOf([3, 4], 1, ['b']))
    flows.add(batchOf([5], 1, []))
    expect(listed(flows)).toEqual(['a 1', 'a 2', 'b 5'])
    expect(flows.refused).toBe(2)
  })
})
