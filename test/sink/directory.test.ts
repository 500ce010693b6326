import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  ensureDirectory,
  removeEmpty,
  syncDirectory,
  syncMadeDirectories,
} from '../../src/sink/directory.js'
import { WriteError } from '../../src/sink/write-error.js'
import { temporaryDirectory } from '../support/temporary.js'

const isRoot = process.getuid?.() === 0

describe('ensureDirectory', () => {
  test('makes the directory and leaves nothing in it', () => {
    const directory = join(temporaryDirectory(), 'a/b')
    ensureDirectory(directory)
    ensureDirectory(directory)
    expect(readdirSync(directory)).toEqual([])
  })

  test('follows no link that somebody has put in its way', () => {
    const directory = temporaryDirectory()
    const victim = join(temporaryDirectory(), 'victim')
    writeFileSync(victim, 'precious')
    symlinkSync(victim, join(directory, `.mirrortap-probe-${process.pid}`))
    ensureDirectory(directory)
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })

  test('refuses a file', () => {
    const path = join(temporaryDirectory(), 'file')
    writeFileSync(path, '')
    expect(() => ensureDirectory(path)).toThrow(WriteError)
    expect(() => ensureDirectory(join(path, 'below'))).toThrow(/not a directory/)
  })

  test.skipIf(!isRoot)(
    'refuses a read-only mount, to root too (needs root, mounts a tmpfs)',
    ({ skip }) => {
      const directory = temporaryDirectory()
      const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', directory])
      if (mount.status !== 0) skip(`mount: ${mount.stderr}`)
      try {
        expect(() => ensureDirectory(directory)).toThrow(/read-only/)
      } finally {
        spawnSync('umount', [directory])
      }
    },
  )
})

describe('removeEmpty', () => {
  test('takes back what was made, but for what is in use', () => {
    const top = temporaryDirectory()
    const made = ensureDirectory(join(top, 'a/b/c'))
    expect(made).toEqual([join(top, 'a'), join(top, 'a/b'), join(top, 'a/b/c')])
    expect(ensureDirectory(join(top, 'a/b/c'))).toEqual([])
    writeFileSync(join(top, 'a/file'), '')
    removeEmpty(made)
    expect(readdirSync(join(top, 'a'))).toEqual(['file'])
    removeEmpty(made)
    expect(existsSync(join(top, 'a/file'))).toBe(true)
  })
})

describe('syncMadeDirectories', () => {
  test('walks from what was made up to the directory that was there', async () => {
    const top = temporaryDirectory()
    ensureDirectory(join(top, 'a/b/c'))
    await syncMadeDirectories(join(top, 'a'), join(top, 'a/b/c'))
    await expect(syncDirectory(join(top, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
