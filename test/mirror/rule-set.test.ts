import { describe, expect, test } from 'vitest'
import { RuleSet } from '../../src/mirror/rule-set.js'
import { EGRESS, INGRESS, PASSING } from '../../src/wire/frame.js'
import { ethernet, tcp4 } from '../support/frames.js'
import { DIRECTIONS, filterOf, framed, ruleOf, VERDICTS } from './verdicts.js'

describe('RuleSet', () => {
  test.each(VERDICTS)('$name', ({ rules, services, vpcCidrBlock, frame, direction, mirrored }) => {
    const ruleSet = new RuleSet(filterOf(rules, services), { vpcCidrBlock })
    expect(ruleSet.accepts(framed(frame, DIRECTIONS[direction]))).toBe(mirrored)
  })

  test('takes nothing that passes by', () => {
    const ruleSet = new RuleSet(filterOf(['in 1 accept * 0.0.0.0/0 > 0.0.0.0/0']))
    const packet = tcp4({ src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 })
    expect(ruleSet.accepts(framed(ethernet(packet), INGRESS))).toBe(true)
    expect(ruleSet.accepts(framed(ethernet(packet), PASSING))).toBe(false)
  })

  test('lets a rule with blocks of two kinds match nothing', () => {
    const mixed = { ...ruleOf('out 1 accept * 0.0.0.0/0 > 0.0.0.0/0'), destinationCidr: '::/0' }
    const ruleSet = new RuleSet({ networkServices: [], rules: [mixed] })
    for (const { frame } of VERDICTS) expect(ruleSet.accepts(framed(frame, EGRESS))).toBe(false)
  })
})
