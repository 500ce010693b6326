import { describe, expect, test } from 'vitest'
import { Turns } from '../../src/sink/turns.js'

describe('Turns', () => {
  test('runs no more at a time than allowed, in order, and goes on after a failure', async () => {
    const turns = new Turns(2)
    const started: number[] = []
    const finish: ((error?: Error) => void)[] = []
    const results = Array.from({ length: 5 }, (_, index) =>
      turns.run(
        () =>
          new Promise<number>((resolve, reject) => {
            started.push(index)
            finish.push((error) => (error === undefined ? resolve(index) : reject(error)))
          }),
      ),
    )
    expect(started).toEqual([0, 1])
    finish[1]!(new Error('failed'))
    await expect(results[1]).rejects.toThrow('failed')
    expect(started).toEqual([0, 1, 2])
    for (const index of [0, 2, 3, 4]) {
      finish[index]!()
      expect(await results[index]).toBe(index)
    }
    expect(started).toEqual([0, 1, 2, 3, 4])
  })
})
