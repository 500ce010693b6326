import { describe, expect, test } from 'vitest'
import { BatchQueue, QUEUE_LEN } from '../../src/source/batch-queue.js'
import type { Libc } from '../../src/sys/libc.js'
import type { SocketAddress } from '../../src/sys/socket-address.js'

const NAME_AT = 0x1000n
const IOVECS_AT = 0xffff_fff0n

/** Memory lies where it is said to. */
function queueAt(): { queue: BatchQueue; iovecs: () => Buffer } {
  const to: SocketAddress = { family: 2, bytes: Buffer.alloc(28), length: 16 }
  let iovecs: Buffer
  const addressOf = (memory: Buffer): bigint => {
    if (memory === to.bytes) return NAME_AT
    iovecs = memory
    return IOVECS_AT
  }
  const queue = new BatchQueue({ addressOf } as Libc, 3, to)
  return { queue, iovecs: () => iovecs }
}

describe('BatchQueue', () => {
  test.each([
    { name: 'low', high: 0, low: 0x1000, at: 0x10, address: 0x1010n },
    { name: 'high', high: 0x7fff, low: 0x1000, at: 0, address: 0x7fff_0000_1000n },
    { name: 'just below 2^32', high: 0x7ffe, low: 0xffff_fff0, at: 15, address: 0x7ffe_ffff_ffffn },
    { name: 'across 2^32', high: 0x7ffe, low: 0xffff_fff0, at: 16, address: 0x7fff_0000_0000n },
    {
      name: 'far across',
      high: 0x7ffe,
      low: 0xffff_fff0,
      at: 0x1_0000,
      address: 0x7fff_0000_fff0n,
    },
  ])('points at memory that lies $name', ({ high, low, at, address }) => {
    const { queue, iovecs } = queueAt()
    queue.push(0, 0, 0, 1)
    queue.push(high, low, at, 65_507)
    expect(iovecs().readBigUInt64LE(16)).toBe(address)
    expect(iovecs().readBigUInt64LE(24)).toBe(65_507n)
    expect([queue.lengthOf(0), queue.lengthOf(1)]).toEqual([1, 65_507])
  })

  test('shows the kernel what is left', () => {
    const { queue } = queueAt()
    for (let index = 0; index < QUEUE_LEN; index++) {
      expect(queue.isFull).toBe(false)
      queue.push(0, 0, index, index)
    }
    expect(queue.isFull).toBe(true)
    for (queue.done = 0; queue.done < QUEUE_LEN; queue.done++) {
      expect(queue.isEmpty).toBe(false)
      expect(queue.messages.length).toBe((QUEUE_LEN - queue.done) * 64)
      expect(queue.messages.readBigUInt64LE(0)).toBe(NAME_AT)
      expect(queue.messages.readUInt32LE(8)).toBe(16)
      expect(queue.messages.readBigUInt64LE(16)).toBe(IOVECS_AT + BigInt(16 * queue.done))
      expect(queue.messages.readBigUInt64LE(24)).toBe(1n)
    }
    expect(queue.isEmpty).toBe(true)
    queue.clear()
    expect([queue.isFull, queue.isEmpty, queue.count]).toEqual([false, true, 0])
  })
})
