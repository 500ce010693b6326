import { describe, expect, test } from 'vitest'
import { emptyRow, type FlowRow } from '../../src/flow/flow-row.js'
import { STATE_NAMES } from '../../src/flow/flow-state.js'
import { ROW_BYTES, RowBlock } from '../../src/flow/row-block.js'
import { Random } from '../support/random.js'

const SEED = 20

function randomRow(random: Random): FlowRow {
  const words = (count: number) =>
    Uint32Array.from({ length: 4 }, (_, at) => (at < count ? random.below(2 ** 32) : 0))
  const ipVersion = random.pick([4, 6] as const)
  return {
    session: random.below(2 ** 32),
    ipVersion,
    protocol: random.below(256),
    packetSource: words(ipVersion === 4 ? 1 : 4),
    packetDestination: words(ipVersion === 4 ? 1 : 4),
    sourcePort: random.below(65_536),
    destinationPort: random.below(65_536),
    packets: random.below(2 ** 32) * 2 ** 20,
    bytes: random.below(2 ** 32) * 2 ** 21 + 1,
    timed: true,
    firstSeconds: random.below(2 ** 32) * 4,
    firstNanoseconds: random.below(1e9),
    lastSeconds: random.below(2 ** 32) * 4 + 1,
    lastNanoseconds: random.below(1e9),
    tcpFlags: random.below(256),
    state: random.pick(STATE_NAMES),
    direction: random.pick([undefined, 'ingress', 'egress'] as const),
  }
}

describe('RowBlock', () => {
  test(`gives back every row as it was put, from dirty memory (seed ${SEED})`, () => {
    const random = new Random(SEED)
    const memory = new ArrayBuffer(200 * ROW_BYTES)
    new Uint8Array(memory).fill(0xa5)
    const block = new RowBlock(memory)
    const rows = Array.from({ length: 200 }, () => randomRow(random))
    for (const [index, row] of rows.entries()) {
      expect(block.room).toBe(200 - index)
      block.put(row)
    }
    expect(block.room).toBe(0)
    expect(rows.map((_, index) => block.at(index))).toEqual(rows)
    expect(new RowBlock(memory, 200).at(199)).toEqual(rows[199])
  })

  test('copies what it is given and what it gives', () => {
    const block = new RowBlock(new ArrayBuffer(ROW_BYTES))
    const row = emptyRow()
    row.packetSource[0] = 7
    block.put(row)
    row.packetSource[0] = 8
    const given = block.at(0)
    given.packetSource[0] = 9
    expect(block.at(0).packetSource[0]).toBe(7)
  })

  test('gives the session of one row another number', () => {
    const block = new RowBlock(new ArrayBuffer(2 * ROW_BYTES))
    block.put({ ...emptyRow(), session: 5 })
    block.put({ ...emptyRow(), session: 6, protocol: 17 })
    block.setSession(1, 2)
    expect([block.sessionAt(0), block.sessionAt(1)]).toEqual([5, 2])
    expect(block.at(1)).toEqual({ ...emptyRow(), session: 2, protocol: 17 })
  })
})
