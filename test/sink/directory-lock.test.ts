import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { DirectoryLock, LOCK_NAME, lockHolder } from '../../src/sink/directory-lock.js'
import { temporaryDirectory } from '../support/temporary.js'

const hasProc = process.platform === 'linux'

describe('DirectoryLock', () => {
  test('is held once, and free again after its release', () => {
    const directory = temporaryDirectory()
    const lock = new DirectoryLock(directory)
    expect(lockHolder(directory)).toBe(process.pid)
    expect(() => new DirectoryLock(directory)).toThrow(OperatorError)
    expect(() => new DirectoryLock(directory)).toThrow(
      `${directory} is in use by process ${process.pid}; stop that one or name another directory`,
    )
    expect(readdirSync(directory)).toEqual([LOCK_NAME])
    lock.release()
    expect(readdirSync(directory)).toEqual([])
    expect(lockHolder(directory)).toBeUndefined()
    new DirectoryLock(directory).release()
  })

  test.each([
    { name: 'a process that is gone', change: { pid: 2 ** 22 + 1 } },
    { name: 'another process of the same number', change: { started: '1' }, needsProc: true },
    { name: 'an earlier boot', change: { boot: 'earlier' }, needsProc: true },
  ])('is taken over from $name', ({ change, needsProc }) => {
    if (needsProc === true && !hasProc) return
    const directory = temporaryDirectory()
    const lock = new DirectoryLock(directory)
    const path = join(directory, LOCK_NAME)
    const own = readFileSync(path, 'utf8')
    writeFileSync(path, JSON.stringify({ ...JSON.parse(own), ...change }))
    expect(lockHolder(directory)).toBeUndefined()
    // What is no longer its own, a lock does not remove.
    lock.release()
    expect(readdirSync(directory)).toEqual([LOCK_NAME])
    new DirectoryLock(directory)
    expect(readFileSync(path, 'utf8')).toBe(own)
    expect(readdirSync(directory)).toEqual([LOCK_NAME])
  })

  test.each(['', 'nonsense', '{}', '[]', 'null', '{"pid":"1"}'])(
    'is taken over where the file says %j',
    (text) => {
      const directory = temporaryDirectory()
      writeFileSync(join(directory, LOCK_NAME), text)
      new DirectoryLock(directory)
      expect(lockHolder(directory)).toBe(process.pid)
    },
  )

  test('needs a directory', () => {
    expect(() => new DirectoryLock(join(temporaryDirectory(), 'none'))).toThrow(/does not exist/)
  })
})
