import { describe, expect, test } from 'vitest'
import { NO_ENTRY } from '../../src/flow/flow-entry.js'
import { FlowTable } from '../../src/flow/flow-table.js'
import { SessionFlows } from '../../src/flow/session-flows.js'
import { Random } from '../support/random.js'

/** The session's flows from the oldest on, by the links between them. */
function listed(sessions: SessionFlows, session: number): number[] {
  const flows: number[] = []
  for (let flow = sessions.oldest(session); flow !== NO_ENTRY; flow = sessions.younger(flow)) {
    flows.push(flow)
    if (flows.length > 1000) throw new Error('the list has no end')
  }
  return flows
}

describe('SessionFlows', () => {
  test.each([1, 2, 3])('keeps what lists of numbers keep, seed %i', (seed) => {
    const random = new Random(seed)
    const sessions = new SessionFlows(new FlowTable(40), 4)
    const model: number[][] = [[], [], [], []]
    for (let step = 0; step < 3000; step++) {
      const flow = random.below(40)
      const of = model.findIndex((flows) => flows.includes(flow))
      if (of === -1) {
        const session = random.below(4)
        sessions.add(flow, session)
        model[session]!.push(flow)
      } else {
        sessions.remove(flow, of)
        model[of]!.splice(model[of]!.indexOf(flow), 1)
      }
      expect(model.map((_, session) => listed(sessions, session))).toEqual(model)
      expect([...sessions.counts]).toEqual(model.map((flows) => flows.length))
      expect(sessions.active).toBe(model.filter((flows) => flows.length > 0).length)
    }
  })
})
