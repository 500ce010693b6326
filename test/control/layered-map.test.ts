import { describe, expect, test } from 'vitest'
import { LayeredMap } from '../../src/control/layered-map.js'
import { Random } from '../support/random.js'

describe('LayeredMap', () => {
  test.each([1, 2, 3])('is what a Map would be, and stays what it was, from seed %i', (seed) => {
    const random = new Random(seed)
    const plain = new Map<string, number>(Array.from({ length: 300 }, (_, at) => [`k${at}`, at]))
    let layered = LayeredMap.of(new Map(plain))
    const moments: [LayeredMap<string, number>, [string, number][]][] = []
    for (let step = 0; step < 3000; step++) {
      const key = `k${random.below(400)}`
      if (random.below(3) === 0) {
        plain.delete(key)
        layered = layered.without(key)
      } else {
        plain.set(key, step)
        layered = layered.with(key, step)
      }
      expect(layered.size).toBe(plain.size)
      expect(layered.get(key)).toBe(plain.get(key))
      expect(layered.has(key)).toBe(plain.has(key))
      if (step % 100 === 0) moments.push([layered, [...plain]])
    }
    for (const [map, entries] of moments) {
      expect([...map]).toEqual(entries)
      expect([...map.keys()]).toEqual(entries.map(([key]) => key))
      expect([...map.values()]).toEqual(entries.map(([, value]) => value))
      const visited: [string, number][] = []
      map.forEach((value, key) => {
        visited.push([key, value])
      })
      expect(visited).toEqual(entries)
    }
  })
})
