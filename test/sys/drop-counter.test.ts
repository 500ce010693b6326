import { expect, test } from 'vitest'
import { DropCounter } from '../../src/sys/drop-counter.js'

test('DropCounter goes on counting when the word of the kernel wraps', () => {
  const drops = new DropCounter()
  expect(drops.total).toBe(0)
  expect(drops.update(5)).toBe(5)
  expect(drops.update(0xffff_fffe)).toBe(0xffff_fffe)
  expect(drops.update(3)).toBe(0x1_0000_0003)
  expect(drops.update(3)).toBe(0x1_0000_0003)
  expect(drops.update(2)).toBe(0x2_0000_0002)
  expect(drops.total).toBe(0x2_0000_0002)
})
