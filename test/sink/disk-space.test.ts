import { mkdirSync, rmdirSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DirectoryLock } from '../../src/sink/directory-lock.js'
import { DiskSpace, isFull } from '../../src/sink/disk-space.js'
import { SmallDisk } from '../support/small-disk.js'
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

test('tells of a directory that is gone, and when it is there again, once each', async () => {
  const directory = join(temporaryDirectory(), 'captures')
  mkdirSync(directory)
  const lines: string[] = []
  const space = await DiskSpace.watch([directory], (line) => lines.push(line), 20)
  expect(space.troubles).toEqual([])
  rmdirSync(directory)
  await expect.poll(() => space.troubles).toEqual([expect.stringContaining('does not exist')])
  expect(space.latest).toEqual([])
  mkdirSync(directory)
  await expect.poll(() => space.troubles).toEqual([])
  space.stop()
  expect(lines).toEqual([
    `${directory}: the directory does not exist; create it first`,
    `${directory}: it can be written to again`,
  ])
})

test('tells of a file system that is read-only, and of another in its place', async ({ skip }) => {
  const disk = SmallDisk.make(1_000_000)
  if (disk === undefined) return skip('needs root, and to mount a tmpfs')
  const lock = new DirectoryLock(disk.directory)
  const space = await DiskSpace.watch([disk.directory], undefined, 20)
  disk.makeReadOnly()
  await expect.poll(() => space.troubles).toEqual([expect.stringContaining('is read-only')])
  expect(space.latest).toHaveLength(1)
  // The next start finds that its process is gone.
  lock.release()
  disk.takeAway()
  disk.takeAway()
  await expect.poll(() => space.troubles).toEqual([expect.stringContaining('was it unmounted?')])
  space.stop()
})
