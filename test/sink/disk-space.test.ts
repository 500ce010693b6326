import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DiskSpace, isFull } from '../../src/sink/disk-space.js'
import { temporaryDirectory } from '../support/temporary.js'

test('says what the file system of a directory has, and nothing of one that is not there', async () => {
  const directory = temporaryDirectory()
  const space = await DiskSpace.watch([directory, join(directory, 'none')])
  space.stop()
  const { blocks, bsize } = statfsSync(directory)
  expect(space.latest).toMatchObject([{ directory, bytes: blocks * bsize }])
  expect(space.latest[0]!.availableBytes).toBeGreaterThan(0)
})

test('a disk is full that has no room for the next write, or for the next file', () => {
  const space = { directory: '/', bytes: 1e9, availableBytes: 1e8, availableFiles: undefined }
  expect(isFull(space)).toBe(false)
  expect(isFull({ ...space, availableBytes: 1000 })).toBe(true)
  expect(isFull({ ...space, availableFiles: 0 })).toBe(true)
})
