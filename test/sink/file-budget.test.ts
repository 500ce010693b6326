import { describe, expect, test } from 'vitest'
import { FileBudget } from '../../src/sink/file-budget.js'

describe('FileBudget', () => {
  test('refuses first files by share, and says that it was short until the next tick', () => {
    const budget = new FileBudget(8)
    const taken = [0.5, 0.5, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75, 1, 1, 1].map((share) =>
      budget.tryTake(share),
    )
    expect(taken.map(Number).join('')).toBe('11110110110')
    expect(budget.used).toBe(8)
    expect(budget.isShort).toBe(true)
    budget.tick()
    expect(budget.isShort).toBe(false)
    budget.give()
    expect(budget.tryTake(0.75)).toBe(false)
    expect(budget.tryTake()).toBe(true)
  })

  test('gives a place that is free to the file that has waited longest, before anybody else', async () => {
    const budget = new FileBudget(2)
    budget.tryTake()
    budget.tryTake()
    const order: number[] = []
    const waiting = [1, 2].map((number) => budget.take().then(() => order.push(number)))
    budget.tick()
    expect(budget.isShort).toBe(true)
    budget.give()
    expect(budget.tryTake()).toBe(false)
    await waiting[0]
    expect(order).toEqual([1])
    budget.give()
    await waiting[1]
    expect(budget.used).toBe(2)
    budget.give()
    budget.give()
    expect(budget.used).toBe(0)
  })
})
