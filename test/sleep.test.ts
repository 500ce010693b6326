import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../src/source/pace.js'

const DAY_MS = 86_400_000

describe('a sleep', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('takes as long as it should past the longest timer of Node', async () => {
    const sleeping = systemClock(new AbortController().signal).sleep(60 * DAY_MS)
    let over = false
    void sleeping.then(() => {
      over = true
    })
    await vi.advanceTimersByTimeAsync(60 * DAY_MS - 1)
    expect(over).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(over).toBe(true)
  })

  test('ends early by its signal, and leaves no timer', async () => {
    const controller = new AbortController()
    const sleeping = systemClock(controller.signal).sleep(60 * DAY_MS)
    await vi.advanceTimersByTimeAsync(30 * DAY_MS)
    controller.abort()
    await sleeping
    expect(vi.getTimerCount()).toBe(0)
  })
})
