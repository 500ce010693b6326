import fs, { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { OperatorError } from '../../src/errors.js'
import { DirectoryLock, LOCK_NAME, lockHolder } from '../../src/sink/directory-lock.js'
import { WriteError } from '../../src/sink/write-error.js'
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

  test('of a system without /proc is held while there is a process of its number', () => {
    const { readFileSync: real } = fs
    fs.readFileSync = ((path: string, ...rest: unknown[]) => {
      if (path.startsWith('/proc/')) throw Object.assign(new Error(), { code: 'ENOENT' })
      return Reflect.apply(real, fs, [path, ...rest])
    }) as typeof fs.readFileSync
    syncBuiltinESMExports()
    onTestFinished(() => {
      fs.readFileSync = real
      syncBuiltinESMExports()
    })
    const directory = temporaryDirectory()
    new DirectoryLock(directory)
    expect(lockHolder(directory)).toBe(process.pid)
    expect(() => new DirectoryLock(directory)).toThrow(OperatorError)
    const path = join(directory, LOCK_NAME)
    const gone = { ...JSON.parse(real(path, 'utf8')), pid: 2 ** 22 + 1 }
    writeFileSync(path, JSON.stringify(gone))
    expect(lockHolder(directory)).toBeUndefined()
  })

  test('is not taken where its place is a directory', () => {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, LOCK_NAME))
    expect(() => new DirectoryLock(directory)).toThrow(WriteError)
  })

  test('needs a directory', () => {
    expect(() => new DirectoryLock(join(temporaryDirectory(), 'none'))).toThrow(/does not exist/)
  })
})
