import { describe, expect, test } from 'vitest'
import { LINES_A_MINUTE, LineLimit, LineLimits } from '../../src/appliance/line-limit.js'

describe('LineLimit', () => {
  test('passes on so many lines a minute, and says how many it left out', () => {
    const said: string[] = []
    const lines = new LineLimit('captures', (line) => said.push(line))
    lines.tick(1000)
    const all = Array.from({ length: LINES_A_MINUTE + 40 }, (_, at) => `line ${at}`)
    for (const line of all) lines.say(line)
    lines.tick(1059)
    expect(said).toEqual(all.slice(0, LINES_A_MINUTE))
    lines.tick(1060)
    lines.say('the next')
    const omitted = 'lines about captures left out: 40'
    expect(said.slice(LINES_A_MINUTE)).toEqual([omitted, 'the next'])
    lines.sayOmitted()
    expect(said).toHaveLength(LINES_A_MINUTE + 2)
  })

  test('begins a minute when the clock is set back', () => {
    const said: string[] = []
    const lines = new LineLimit('captures', (line) => said.push(line))
    lines.tick(1000)
    for (let at = 0; at <= LINES_A_MINUTE; at++) lines.say(`line ${at}`)
    lines.tick(10)
    expect(said.at(-1)).toBe('lines about captures left out: 1')
  })
})

describe('LineLimits', () => {
  test('keeps no lines of one kind back for those of another', () => {
    const said: string[] = []
    const limits = new LineLimits((line) => said.push(line))
    const [sayOne, sayOther] = [limits.about('one kind'), limits.about('the other')]
    limits.tick(1000)
    for (let at = 0; at < LINES_A_MINUTE + 5; at++) sayOne(`line ${at}`)
    sayOther('the only one')
    expect(said.at(-1)).toBe('the only one')
    limits.tick(1060)
    expect(said.slice(LINES_A_MINUTE + 1)).toEqual(['lines about one kind left out: 5'])
  })
})
